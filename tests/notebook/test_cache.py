"""`log.cached`: a slow value is computed once, and again when anything that it comes from has changed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from quire import NotebookOutput
from quire.testing import Recorder, record

Demo = Callable[..., Path]
Run = Callable[..., "subprocess.CompletedProcess[str]"]

HEAD = """
    import dataclasses
    import functools
    import numpy as np
    import helpers

    SCALE = 3

    @dataclasses.dataclass(frozen=True)
    class Settings:
        rate: float = 0.5

        def doubled(self):
            return self.rate * 2

    def inner(x):
        return x * SCALE

    @functools.lru_cache
    def remembered(x):
        return x + 1

    def train(x, settings=Settings(), *, words=frozenset({"one", "two", "three"})):
        \"\"\"Trains.\"\"\"
        print("training")
        import later
        return inner(x).sum() + settings.doubled() + helpers.shift(remembered(1)) + later.VALUE + len(words)
"""
BODY = """
    with log.code():
        value = log.cached(train, np.arange(4.0))
        print("the value is", value)
"""
HELPERS = "UP = 1\nNOT_USED = 2\n\ndef shift(x):\n    return x + UP\n"


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    """A cache of the test's own."""
    return {"QUIRE_CACHE": str(tmp_path / "cache")}


@pytest.fixture
def script(demo: Demo, tmp_path: Path) -> Path:
    """A demo with a slow step that uses a module beside it, and another within."""
    (tmp_path / "helpers.py").write_text(HELPERS)
    (tmp_path / "later.py").write_text("VALUE = 5\n")
    return demo(BODY, head=HEAD)


def test_a_second_run_takes_the_value_and_says_so(
    quire: Run, script: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    first = quire("run", script.name, **settings)
    assert "train: computed in" in first.stdout
    second = quire("run", script.name, **settings)
    assert "train: from cache, computed in" in second.stdout
    for done in (first, second):
        # What was printed while it was computed is printed again.
        assert done.stdout.index("training\n") < done.stdout.index("the value is 30.0\n")
    text = (tmp_path / "reports/demo/demo.md").read_text()
    assert "<sub>`train`: from cache, computed in" in text
    assert "training\n" in text


def test_a_reproducible_report_is_the_same_with_the_cache_and_without(
    quire: Run, script: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    document = tmp_path / "reports/demo/demo.md"
    texts = []
    for _ in range(2):
        done = quire("run", script.name, "--reproducible", **settings)
        texts.append(document.read_bytes())
    assert "from cache" in done.stdout
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("file", "before", "now"),
    [
        ("demo.py", "x * SCALE", "x * SCALE + 1"),
        ("demo.py", "SCALE = 3", "SCALE = 4"),
        ("demo.py", "rate: float = 0.5", "rate: float = 0.25"),
        ("demo.py", "self.rate * 2", "self.rate * 3"),
        ("demo.py", "return x + 1", "return x + 2"),
        ("demo.py", "np.arange(4.0)", "np.arange(5.0)"),
        ("demo.py", "np.arange(4.0)", "np.arange(4)"),
        ("demo.py", '"three"}', '"three", "four"}'),
        ("helpers.py", "UP = 1", "UP = 2"),
        ("helpers.py", "x + UP", "x - UP"),
        ("later.py", "VALUE = 5", "VALUE = 6"),
    ],
)
def test_a_change_to_what_the_value_comes_from_has_it_computed_anew(
    quire: Run, script: Path, tmp_path: Path, settings: dict[str, str], file: str, before: str, now: str
) -> None:
    quire("run", script.name, **settings)
    changed = tmp_path / file
    assert before in changed.read_text()
    changed.write_text(changed.read_text().replace(before, now))
    told = quire("run", script.name, **settings).stdout
    assert "from cache" not in told
    assert "train: computed in" in told


@pytest.mark.parametrize(
    ("file", "before", "now"),
    [
        ("demo.py", "return x * SCALE", "# Comments do not count.\n\n    return (x *\n            SCALE)"),
        ("demo.py", "SCALE = 3", "UNUSED = 1\n\nSCALE = 3"),
        ("demo.py", '"one", "two", "three"', '"three", "two", "one"'),
        ("helpers.py", "NOT_USED = 2", "NOT_USED = 3"),
        ("helpers.py", "UP = 1", "# Moved.\nUP = 1"),
    ],
)
def test_a_change_that_does_not_matter_does_not(
    quire: Run, script: Path, tmp_path: Path, settings: dict[str, str], file: str, before: str, now: str
) -> None:
    quire("run", script.name, **settings)
    changed = tmp_path / file
    assert before in changed.read_text()
    changed.write_text(changed.read_text().replace(before, now))
    # Sets of words have another order in each process.
    assert "train: from cache" in quire("run", script.name, **settings, PYTHONHASHSEED="7").stdout


def test_no_cache_computes_anew_and_keeps_that(quire: Run, script: Path, settings: dict[str, str]) -> None:
    quire("run", script.name, **settings)
    assert "train: computed in" in quire("run", script.name, "--no-cache", **settings).stdout
    assert "train: from cache" in quire("run", script.name, **settings).stdout


def test_a_check_computes_anew(quire: Run, demo: Demo, tmp_path: Path, settings: dict[str, str]) -> None:
    # What no cache can know of: a file that is read without being an argument.
    script = demo("log.code(lambda: log.cached(read))", head="def read():\n    return open('a.txt').read()")
    script.write_text(script.read_text().replace("log.cached(read)", "log.cached(read)()"))
    (tmp_path / "a.txt").write_text("one")
    quire("run", script.name, **settings)
    (tmp_path / "a.txt").write_text("two")
    assert "from cache" in quire("run", script.name, **settings).stdout
    done = quire("check", "reports/demo", check=False, **settings)
    assert done.returncode == 1
    assert "'one' before, 'two' now" in done.stdout.replace('"', "'").replace("''", "'")


def test_a_file_that_was_cut_short_is_computed_anew(
    quire: Run, script: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    quire("run", script.name, **settings)
    (kept,) = (tmp_path / "cache").rglob("*.pickle")
    kept.write_bytes(kept.read_bytes()[:-20])
    assert "train: computed in" in quire("run", script.name, **settings).stdout
    assert "train: from cache" in quire("run", script.name, **settings).stdout


def test_nobody_else_can_look_into_the_cache(
    quire: Run, script: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    quire("run", script.name, **settings)
    (folder,) = (tmp_path / "cache").iterdir()
    assert folder.stat().st_mode & 0o077 == 0


def test_a_cache_that_cannot_be_written_costs_nothing_but_time(
    quire: Run, script: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in its place")
    done = quire("run", script.name, QUIRE_CACHE=str(tmp_path / "file"))
    assert "train: not kept in the cache: the cache cannot be written" in done.stdout
    assert "the value is 30.0" in done.stdout


def _start(folder: Path, settings: dict[str, str], name: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "quire", "run", "slow.py", "-o", name],
        cwd=folder,
        env=os.environ | settings,
        stdout=subprocess.PIPE,
        text=True,
    )


SLOW = """
    import os
    import pathlib
    import time

    def slow(x):
        with open("calls.txt", "a") as file:
            file.write(f"{os.getpid()}\\n")
        while not pathlib.Path("go").exists():
            time.sleep(0.01)
        return x
"""


def _wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_of_two_runs_at_once_the_second_waits_for_the_first_ones_value(
    demo: Demo, tmp_path: Path, settings: dict[str, str]
) -> None:
    demo("log.code(lambda: log.cached(slow, 7))", head=SLOW, name="slow.py")
    first = _start(tmp_path, settings, "first")
    _wait_for((tmp_path / "calls.txt").exists)
    second = _start(tmp_path, settings, "second")
    assert second.stdout
    assert second.stdout.readline() == "slow: another run computes it; this one waits for it.\n"
    (tmp_path / "go").touch()
    told = [process.communicate(timeout=60)[0] for process in (first, second)]
    assert "slow: computed in" in told[0]
    assert "slow: from cache" in told[1]
    assert len((tmp_path / "calls.txt").read_text().split()) == 1


def test_who_waits_for_a_run_that_is_killed_computes_the_value_itself(
    demo: Demo, tmp_path: Path, settings: dict[str, str]
) -> None:
    demo("log.code(lambda: log.cached(slow, 7))", head=SLOW, name="slow.py")
    first = _start(tmp_path, settings, "first")
    _wait_for((tmp_path / "calls.txt").exists)
    second = _start(tmp_path, settings, "second")
    assert second.stdout
    second.stdout.readline()
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    (tmp_path / "go").touch()
    assert "slow: computed in" in second.communicate(timeout=60)[0]
    assert len((tmp_path / "calls.txt").read_text().split()) == 2


# In one process


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache of the test's own, for this process."""
    monkeypatch.setenv("QUIRE_CACHE", str(tmp_path / "cache"))


@pytest.mark.usefixtures("here")
def test_a_decorated_function_keeps_the_value_of_each_call_and_its_closure_counts() -> None:

    def report(log: NotebookOutput, times: int) -> list[int]:
        @log.cached
        def step(n: int) -> int:
            """Steps."""
            return n * times

        assert (step.__name__, step.__doc__) == ("step", "Steps.")
        return [step(1), step(n=2), step(1)]

    values = []

    def main(log: NotebookOutput) -> None:
        values.append(report(log, 10))
        values.append(report(log, 100))

    told = [event for event in record(main).events if type(event).__name__ == "Cached"]
    assert values == [[10, 20, 10], [100, 200, 100]]
    assert [event.is_kept for event in told] == [False, False, True] * 2  # type: ignore[attr-defined]


def _refusal(main: Callable[[NotebookOutput], object]) -> str:
    with pytest.raises(TypeError) as caught:
        record(main)
    return str(caught.value)


@pytest.mark.usefixtures("here")
def test_what_writes_to_the_report_is_refused() -> None:
    def main(log: NotebookOutput) -> None:
        def tell(n: int) -> None:
            log.p(str(n))

        log.cached(tell, 1)

    told = _refusal(main)
    assert "log.cached cannot keep tell: what it refers to holds a NotebookOutput" in told
    assert "would be missing" in told


@pytest.mark.usefixtures("here")
def test_what_reads_a_control_is_refused() -> None:
    def main(log: NotebookOutput) -> None:
        rate = log.slider("rate", 0.0, 1.0, value=0.5)
        log.cached(lambda: rate.value)()

    assert "give it the value of the control instead" in _refusal(main)


@pytest.mark.usefixtures("here")
def test_an_argument_that_cannot_be_compared_is_named() -> None:
    told = _refusal(lambda log: log.cached(lambda numbers: sum(numbers), (n for n in range(3))))
    assert "its argument 'numbers' holds a generator" in told


@pytest.mark.usefixtures("here")
def test_a_wrong_call_fails_in_its_own_words() -> None:
    def train(images: object) -> None:
        """Needs one argument."""

    told = _refusal(lambda log: log.cached(train, 1, 2))  # type: ignore[call-overload]
    assert "takes 1 positional argument but 2 were given" in told


def _notes(recorder: Recorder) -> list[str]:
    return [event.note for event in recorder.events if type(event).__name__ == "Cached"]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("here")
def test_what_changes_its_argument_or_cannot_be_pickled_is_not_kept_and_the_report_says_so() -> None:
    def draw(generator: np.random.Generator) -> float:
        return generator.random()

    def made() -> object:
        return (n for n in range(3))

    drawn: list[float] = []

    def main(log: NotebookOutput) -> None:
        drawn.append(log.cached(draw, np.random.default_rng(0)))
        log.cached(made)()

    notes = _notes(record(main))
    assert notes[0] == "it changed its argument 'generator'"
    assert notes[1].startswith("its value, a generator, cannot be")
    record(main)
    assert drawn[0] == drawn[1]


@pytest.mark.usefixtures("here")
def test_values_that_hold_themselves_can_be_arguments() -> None:
    ring: list[object] = [1]
    ring.append(ring)

    def length(values: list[object]) -> int:
        return len(values)

    recorder = record(lambda log: [log.cached(length, ring), log.cached(length, ring)])
    assert [event.is_kept for event in recorder.events if type(event).__name__ == "Cached"] == [False, True]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("here")
def test_an_exception_goes_through_and_nothing_is_kept(tmp_path: Path) -> None:
    def fails() -> None:
        raise LookupError("no such file")

    with pytest.raises(LookupError, match="no such file"):
        record(lambda log: log.cached(fails)())
    assert not list((tmp_path / "cache").rglob("*.pickle"))
