"""Which runs a sweep has: grids, draws, tables; and what cannot be swept."""

import re

import pytest

from tests.notebook.sweep.conftest import Sweeping


def values(sweep: Sweeping, name: str) -> list[str]:
    """The values of a parameter, in the order of the summary's table."""
    table = sweep.summary.partition("## The runs")[2].partition("##")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    return [row[rows[0].index(name)] for row in rows[2:]]


def test_several_sets_make_a_grid_whose_last_varies_fastest(sweep: Sweeping) -> None:
    sweep("--set", "rate=0.1,0.20", "--set", "seed=0:3", "--workers", "2")
    assert sweep.names == [f"rate-{rate}-seed-{seed}" for rate in (0.1, 0.2) for seed in range(3)]
    assert values(sweep, "rate") == ["0.1"] * 3 + ["0.2"] * 3
    assert values(sweep, "seed") == ["0", "1", "2"] * 2


def test_ranges_have_steps_and_equal_rows_run_once(sweep: Sweeping) -> None:
    sweep("--set", "seed=6:-1:-2,4,0:2")
    assert values(sweep, "seed") == ["6", "4", "2", "0", "1"]
    assert sweep.ran() == [0, 1, 2, 4, 6]


def test_names_tell_signs_flags_and_choices(sweep: Sweeping) -> None:
    sweep("--set", "seed=-1,1", "--set", "mode=plain,signed", "--set", "deep=yes,no", "--fail", "7")
    assert len(sweep.names) == 8
    assert "seed-minus1-mode-signed-deep-True" in sweep.names
    page = sweep.page("seed-minus1-mode-signed-deep-True")
    assert "| Command | `quire run demo.py --seed -1 --mode signed --deep --fail 7` |" in page
    assert "--no-deep" in sweep.page("seed-1-mode-plain-deep-False")


def test_draws_are_the_same_for_the_same_seed(sweep: Sweeping) -> None:
    ranges = ["--set", "rate=log:0.001..1", "--set", "seed=0:1000", "--set", "mode=plain,signed"]
    sweep("--random", "6", *ranges)
    first = [values(sweep, name) for name in ("rate", "seed", "mode")]
    assert len(set(first[0])) == 6
    assert all(0.001 <= float(rate) <= 1 for rate in first[0])
    assert {len(re.sub(r"^0\.0*|e.*|\.", "", rate)) for rate in first[0]} <= {1, 2, 3, 4}
    assert set(first[2]) == {"plain", "signed"}
    sweep.ran()
    assert "6 of 6 are there already" in sweep("--random", "6", *ranges)
    assert sweep.ran() == []
    assert "6 of 8 are there already" in sweep("--random", "8", *ranges), "more begin with the same"
    sweep("--random", "6", "--sweep-seed", "1", *ranges)
    assert values(sweep, "rate") != first[0]


def test_draws_of_whole_numbers_are_whole(sweep: Sweeping) -> None:
    sweep("--random", "16", "--set", "seed=-1..1")
    assert set(values(sweep, "seed")) == {"-1", "0", "1"}
    sweep("--random", "16", "--set", "seed=log:1..3")
    assert set(values(sweep, "seed")) == {"1", "2", "3"}


def test_rows_of_a_table_are_crossed_with_sets(sweep: Sweeping) -> None:
    (sweep.folder / "rows.csv").write_bytes(b"\xef\xbb\xbfrate,mode\r\n0.5,signed\r\n,plain\r\n")
    sweep("--rows", "rows.csv", "--set", "seed=1,2")
    assert sweep.names == [
        f"rate-{rate}-mode-{mode}-seed-{seed}"
        for rate, mode in ((0.1, "plain"), (0.5, "signed"))
        for seed in (1, 2)
    ]


def test_a_required_parameter_may_come_from_the_rows(sweep: Sweeping) -> None:
    (sweep.folder / "demo.py").write_text(
        "from quire import NotebookOutput\n"
        "def demo(log: NotebookOutput, size: int, seed: int) -> None:\n    log.p(f'{size}')\n"
    )
    told = sweep("--set", "seed=0:2", code=2)
    assert "the parameter 'size' has no default: give --size, or set it" in told
    sweep("--set", "seed=0:2", "--size", "7")
    assert "quire run demo.py --size 7 --seed 1" in sweep.page("seed-1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to sweep: say what to vary, as in --set seed=0:5 or --rows FILE.csv"),
        (["--set", "seeed=1"], "--set seeed=1: the demo has no parameter 'seeed'; did you mean seed?"),
        (["--set", "xyz=1"], "the parameters are: rate, seed, mode"),
        (["--set", "seed"], "--set seed: write NAME=V1,V2"),
        (["--set", "seed=1,x"], "--set seed=1,x: 'x' is not a valid integer"),
        (["--set", "rate=1,11"], "--set rate=1,11: rate must be between 0 and 10, not 11.0"),
        (["--set", "mode=odd"], "--set mode=odd: 'odd' is not one of 'plain', 'signed'"),
        (["--set", "deep=perhaps"], "--set deep=perhaps: 'perhaps' is not a valid boolean"),
        (["--set", "seed=3:3"], "--set seed=3:3: 3:3 holds no number; the end is not included"),
        (["--set", "seed=0:9:0"], "0:9:0 holds no number"),
        (["--set", "seed=0:1000000"], "holds 1,000,000 numbers, and a sweep at most 100,000 rows"),
        (
            ["--set", "seed=0:1000", "--set", "rate=0:10", "--set", "wait=0:11"],
            "these values make 110,000 rows, and a sweep has at most 100,000",
        ),
        (["--set", "seed=1", "--set", "seed=2"], "seed is set twice: give all its values in one place"),
        (["--set", "seed=1,2", "--seed", "3"], "seed is set for each row and fixed for all"),
        (["--set", "rate=0.1..1"], "say how many rows to draw with --random N"),
        (["--random", "3", "--set", "rate=1..0.1"], "a range goes from a smaller number to a greater one"),
        (["--random", "3", "--set", "rate=log:0..1"], "greater than 0, so must both ends be"),
        (["--random", "3", "--rows", "rows.csv"], "--random needs values to draw from"),
        (["--rows", "rows.csv"], "--rows rows.csv, line 3, seed: 'x' is not a valid integer"),
        (["--rows", "short.csv"], "--rows short.csv, line 2: 1 values, but the header names 2"),
        (
            ["--rows", "odd.csv"],
            "odd.csv, line 1: the demo has no parameter 'sed'; did you mean seed?",
        ),
        (["--rows", "empty.csv"], "--rows empty.csv has no header"),
        (["--rows", "head.csv"], "head.csv has no rows below its header"),
        (["--rows", "gone.csv"], "'gone.csv' does not exist"),
        (["--workers", "0", "--set", "seed=1"], "0 is not in the range 1<=x<=1000"),
        (["--set", "seed=1", "--rate", "11"], "rate must be between 0 and 10"),
    ],
)
def test_what_cannot_be_swept_is_told_before_anything_runs(
    sweep: Sweeping, arguments: list[str], message: str
) -> None:
    tables = {"rows": "rate,seed\n1,1\n1,x\n", "short": "rate,seed\n1\n", "odd": "sed\n1\n"}
    for name, text in (tables | {"empty": "", "head": "seed\n"}).items():
        (sweep.folder / f"{name}.csv").write_text(text)
    told = re.sub(r"\s+", " ", sweep(*arguments, code=2))
    assert message in told
    assert sweep.ran() == []
    assert not (sweep.folder / "reports").exists()


def test_help_tells_of_the_sweep_and_of_the_demo(sweep: Sweeping) -> None:
    told = re.sub(r"\s+", " ", sweep("--help"))
    assert "Measures something." in told
    assert "--rate FLOAT how fast. [default: 0.1; 0<=x<=10]" in told
    assert "Draw N rows from the values and ranges of --set" in told
    assert sweep.ran() == []
