"""The server's process: reads the journal of a run, and serves it."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import sys
from functools import partial
from pathlib import Path
from typing import cast

from aiohttp import web

from quire.live.channel import Channel, Message
from quire.live.deadline import MOST_CONNECTIONS, Deadline, Deadlines
from quire.live.guard import MOST_BODY, Guard, guarded
from quire.live.protocol import Protocol, be_quiet
from quire.live.routes import Routes, errors
from quire.live.run_view import RunView
from quire.live.runs import Runs
from quire.live.served import Served

# How often the journal is looked at, in seconds: a person sees sixty pictures a second, and no more.
_TICK = 0.016
# Sending may take this share of the time; the rest of the machine is for the run.
_SHARE = 0.2
_LONGEST_TICK = 0.2
# Files that are open beside connections: the journal, what is downloaded.
_OTHER_FILES = 200


class Server:
    """Serves the runs of one report, one after the other, until the keeper ends it.

    Args:
        keeper: the way to the keeper.
    """

    def __init__(self, keeper: Channel) -> None:
        self._keeper = keeper
        self._report: Served | None = None
        self._runs: Runs | None = None
        self._count = 0
        self._listening: asyncio.Server | None = None

    async def serve(self) -> None:
        """Serves until the end."""
        tasks = [asyncio.create_task(job) for job in (self._hear(), self._follow())]
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if self._listening:
            self._listening.close()
        for reports in (self._report, self._runs):
            if reports:
                reports.close()
        for task in ended:
            # A fault of ours: the keeper starts another server.
            task.result()

    async def _served(self, run: str) -> Served:
        """The report, or that of a run of the sweep.

        Raises:
            KeyError: there is no such run.
        """
        assert self._report
        assert self._runs
        return await self._runs.get(run) if run else self._report

    async def _hear(self) -> None:
        while (message := await asyncio.to_thread(self._keeper.receive)) is not None:
            if "serve" in message:
                await self._take_up(message["serve"])
            elif "end" in message:
                return

    async def _take_up(self, told: Message) -> None:
        """Serves the run that the keeper told of."""
        try:
            run = RunView(told)
        except FileNotFoundError:
            # The run was over before its server had begun, and has taken its journal away.
            return
        if self._report:
            await self._report.follow(run)
            return
        report = Served(run)
        # Nobody is let in before all is known that was known to the server before this one.
        await report.take_all()
        self._report, self._runs = report, Runs(report, Path(told["link"]).parent)
        await self._listen(told)

    async def _listen(self, told: Message) -> None:
        guard = Guard(
            port=told["port"],
            hosts=told["hosts"],
            origins=told["origins"],
            token=told["token"],
            session=told["session"],
            everywhere=told["everywhere"],
        )
        deadlines = Deadlines()
        routes = Routes(self._served, self._exit)
        runner = web.AppRunner(application(routes, guard, deadlines))
        await runner.setup()
        server = cast("web.Server", runner.server)
        listening = socket.socket(fileno=self._keeper.descriptors.pop())
        self._listening = await asyncio.get_running_loop().create_server(
            partial(Deadline, partial(Protocol, server), deadlines),
            sock=listening,
            backlog=512,
        )

    def _exit(self) -> None:
        self._keeper.send({"exit": True})

    def _count_viewers(self, count: int) -> None:
        if count != self._count:
            self._count = count
            self._keeper.send({"viewers": count})

    async def _follow(self) -> None:
        """Looks at the journal again and again."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            if self._report and self._runs:
                self._report.refresh()
                self._report.viewers.push()
                await self._runs.push()
                self._count_viewers(len(self._report.viewers) + self._runs.viewers)
            spent = loop.time() - began
            await asyncio.sleep(min(_LONGEST_TICK, max(_TICK, spent / _SHARE)))


def application(routes: Routes, guard: Guard, deadlines: Deadlines) -> web.Application:
    """All that is served, behind the guard."""
    made = web.Application(
        middlewares=[deadlines.middleware, guarded(guard), errors()], client_max_size=MOST_BODY
    )
    made.on_response_prepare.append(guard.finish)
    routes.add_to(made)
    return made


def main() -> None:
    """Serves what the keeper at the other end of the given socket tells of."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    be_quiet()
    _take_files()
    keeper = Channel.adopt(int(sys.argv[1]))
    asyncio.run(_serve(keeper))
    # Threads may wait for what never comes: nothing is left that would need an orderly end.
    os._exit(0)


def _take_files() -> None:
    """Has the system allow as many open connections as are taken, if it can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + _OTHER_FILES
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(wanted, hard)), hard))


async def _serve(keeper: Channel) -> None:
    await Server(keeper).serve()


if __name__ == "__main__":
    main()
