"""The live engine: a run's journal served to browsers by a process of its own.

- `attendance`: in the run; keeps the journal, and answers what the server asks on a viewer's behalf.
- `keeper`: watches over the run and the server: starts the server again, says how a run died.
- `server`: the aiohttp process; reads the journal (`feed`), behind one guard (`guard`), for many viewers
  (`viewers`).

The three speak JSON, a line for each message, over Unix sockets (`channel`).
"""
