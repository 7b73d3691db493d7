"""The report on a sweep: what it tells of its runs, and that equal sweeps tell the same."""

import re
import shutil
from pathlib import Path

from tests.notebook.conftest import Run
from tests.notebook.reports import check, litter
from tests.notebook.sweep.conftest import Sweeping


def section(sweep: Sweeping, heading: str) -> str:
    assert f"\n## {heading}\n" in sweep.summary
    return sweep.summary.partition(f"\n## {heading}\n")[2].partition("\n## ")[0].partition("\n---\n")[0]


def test_a_summary_tells_of_rows_seeds_curves_and_pictures(sweep: Sweeping, tmp_path: Path) -> None:
    sweep("--set", "rate=0.1,0.2", "--set", "seed=0:3", "--mode", "signed")
    text = check(tmp_path / "reports/demo-sweep/demo-sweep.md")
    assert "# A sweep of demo\n" in text
    assert "6 runs of `demo.py`: `rate` 0.1, 0.2; `seed` 0, 1, 2. All have `mode` signed." in text
    assert (
        "**accuracy** is highest with rate 0.1, seed 2 (0.902) and lowest with rate 0.2, seed 0 (0.8)."
        in text
    )
    assert "name" not in section(sweep, "The runs"), "what is no number is no figure"
    assert "| 0.2 | 1 | 0.801 | [report](runs/rate-0.2-seed-1/rate-0.2-seed-1.md) |" in section(
        sweep, "The runs"
    )
    seeds = section(sweep, "Over the seeds")
    assert "| 0.1 | 0.9010 ± 0.0010 | 3 |" in seeds
    assert (
        "The mean of **accuracy** is highest with rate 0.1 (0.9010 ± 0.0010) and lowest with rate 0.2 (0.8010"
        in seeds
    )
    curves = section(sweep, "Curves")
    assert 'alt="training: loss: rate 0.1, seed 0 from 1 to 0.2 at step 4; rate 0.1, seed 1' in curves
    pictures = section(sweep, "Pictures")
    assert "| rate | seed 0 | seed 1 | seed 2 |" in pictures
    assert len(re.findall('<img src="etc/[^"]*png" alt="[^"]*" width="100" height="50">', pictures)) == 6
    assert "<em>A *line*.</em>" in pictures
    assert {path for path in litter(tmp_path / "reports/demo-sweep") if not path.startswith("runs/")} == set()


def test_one_may_say_what_is_better(sweep: Sweeping) -> None:
    told = sweep("--set", "seed=0:3", "--best", "-accuracy", "--best", "speed")
    assert "**accuracy** is best with seed 0 (0.9) and worst with seed 2 (0.902)." in sweep.summary
    assert "No run has told speed, which --best names; they have told: accuracy." in told


def test_all_findings_come_before_the_contents(sweep: Sweeping) -> None:
    script = sweep.folder / "demo.py"
    script.write_text(script.read_text().replace("accuracy=1", "speed=rate, accuracy=1"))
    sweep("--set", "seed=0:3", "--set", "rate=0.1,0.2")
    head = sweep.summary.partition("\n- [The runs](#the-runs)\n")[0]
    assert "**speed** is highest" in head
    assert "**accuracy** is highest" in head


def test_without_metadata_the_ends_of_curves_are_the_figures(sweep: Sweeping) -> None:
    script = sweep.folder / "demo.py"
    script.write_text(re.sub(r"    log.metadata.*\n", "", script.read_text()))
    sweep("--set", "rate=1,2")
    assert "**training: loss** is highest with rate 2 (4) and lowest with rate 1 (2)." in sweep.summary


def test_many_lines_are_means_over_the_seeds(sweep: Sweeping) -> None:
    sweep("--set", "rate=0.1,0.2", "--set", "seed=0:7")
    curves = section(sweep, "Curves")
    assert 'alt="training: loss: rate 0.1 from 1.03 to 0.23 at step 4; rate 0.2 from' in curves
    assert "Each line is a mean over the seeds." in curves


def test_of_too_many_lines_some_are_left_out(sweep: Sweeping) -> None:
    sweep("--set", "rate=0:11", "--set", "mode=plain,signed")
    assert "12 of 22 lines are drawn; the runs' reports have the others." in section(sweep, "Curves")
    svg = next((sweep.folder / "reports/demo-sweep/etc").glob("*.svg")).read_text()
    assert "stroke-dasharray" in svg, "more lines than colours"


def test_pictures_of_many_parameters_are_a_list(sweep: Sweeping) -> None:
    sweep("--set", "rate=1,2", "--set", "mode=plain,signed", "--set", "deep=yes,no")
    pictures = section(sweep, "Pictures")
    assert "| rate | mode | deep | picture |" in pictures
    assert pictures.count("<img ") == 8


def test_pictures_of_rows_that_were_drawn_are_a_list(sweep: Sweeping) -> None:
    sweep("--random", "6", "--set", "rate=0..1", "--set", "wait=0..0.01", "--set", "seed=0..1000")
    assert "| rate | wait | seed | picture |" in section(sweep, "Pictures")
    assert "## Over the seeds" not in sweep.summary, "no two rows differ in their seed alone"


def test_a_matrix_beside_seeds_shows_the_first_of_them(sweep: Sweeping) -> None:
    sweep("--set", "rate=1,2", "--set", "mode=plain,signed", "--set", "seed=3,4")
    pictures = section(sweep, "Pictures")
    assert "| rate | mode plain | mode signed |" in pictures
    assert pictures.count("<img ") == 4
    assert "Of each, the run with its first seed." in pictures


def test_equal_sweeps_are_equal_to_the_byte_however_they_went(sweep: Sweeping, tmp_path: Path) -> None:
    arguments = ("--set", "rate=0.1,0.2", "--set", "seed=0:2", "--fail", "1", "--reproducible")

    def written() -> dict[str, bytes]:
        return {
            str(path.relative_to(tmp_path)): path.read_bytes()
            for path in (tmp_path / "reports").rglob("*")
            if path.suffix in (".md", ".svg", ".png")
        }

    sweep(*arguments, code=1)
    first = written()
    shutil.rmtree(sweep.runs / "rate-0.1-seed-0")
    sweep(*arguments, code=1)
    assert len(first) > 12
    assert written() == first


def test_status_and_index_read_a_summary(sweep: Sweeping, quire: Run, tmp_path: Path) -> None:
    sweep("--set", "seed=0:2")
    assert "demo-sweep/demo-sweep.md: current" in quire("status", "reports").stdout
    quire("index", "reports")
    listed = check_index(tmp_path / "reports/README.md")
    assert "**accuracy** is highest with seed 1" in listed
    assert "runs/" not in listed, "the summary leads to its runs"
    (sweep.folder / "demo.py").write_text((sweep.folder / "demo.py").read_text() + "# more\n")
    told = quire("status", "reports", check=False).stdout
    assert "demo-sweep/demo-sweep.md: stale\n  demo.py was changed" in told


def check_index(path: Path) -> str:
    text = path.read_text()
    for href in re.findall(r"\]\(([^)#]+)", text):
        assert (path.parent / href).exists(), href
    return text
