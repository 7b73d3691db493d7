"""`quire sweep`: many runs of one demo, and one report on them all.

- `axes`, `rows`: what is asked for on the command line, read and checked, as the rows of the sweep.
- `nursery`: the process from which each run is forked, as an executor (`executor`) of rows.
- `course`: starts rows on an executor and tells listeners the news (`news`) of them, such as `terminal`.
- `outcomes`: what became of a row, from the record of its report; `summary` writes all of that as a report.
"""
