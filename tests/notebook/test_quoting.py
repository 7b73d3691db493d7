"""What a report quotes is exactly what ran."""

import asyncio
import subprocess
import sys
import textwrap
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from quire import NotebookOutput
from quire.testing import Recorder, record

RunScript = Callable[[str], Recorder]


def sources(demo: Callable[[NotebookOutput], object]) -> list[str]:
    return record(demo).sources


# Each case: the statements of a demo, and what its report must quote. They stand in a file of their
# own, since what they test is how text in a file is found again.
CASES = {
    "a block": (
        """
        with log.code():
            x = 1
            y = x + 1
        """,
        ["x = 1\ny = x + 1"],
    ),
    "comments at either end": (
        """
        with log.code():
            # before

            # closer
            x = 1

            # after
                # deeper
        # not mine
        y = 2
        """,
        ["# before\n\n# closer\nx = 1\n\n# after\n    # deeper"],
    ),
    "a comment behind the header": (
        """
        with log.code():  # not mine
            x = 1  # mine
        """,
        ["x = 1  # mine"],
    ),
    "one line": (
        """
        with log.code(): x = 1; y = 2
        """,
        ["x = 1; y = 2"],
    ),
    "a header of many lines": (
        """
        with (
            log.code(),
            # a comment among the managers
        ):
            x = 1
        """,
        ["x = 1"],
    ),
    "a header continued by a backslash": (
        """
        with nullcontext(), \\
                log.code():
            x = 1
        """,
        ["x = 1"],
    ),
    "managers before ours are outside": (
        """
        with nullcontext(1) as a, log.code():
            x = a
        """,
        ["x = a"],
    ),
    "managers after ours run inside": (
        """
        with nullcontext(1) as a, log.code(), nullcontext(
            2
        ) as b, nullcontext():
            # why
            x = a + b
        """,
        ["with nullcontext(\n    2\n) as b, nullcontext():\n    # why\n    x = a + b"],
    ),
    "managers after ours, on one line": (
        """
        with log.code(), nullcontext(2) as b: x = b
        """,
        ["with nullcontext(2) as b: x = b"],
    ),
    "nested blocks": (
        """
        with log.code():
            x = 1
            with log.code():
                y = 2
        """,
        ["x = 1\nwith log.code():\n    y = 2", "y = 2"],
    ),
    "a loop": (
        """
        for i in range(2):
            with log.code():
                x = i
        """,
        ["x = i", "x = i"],
    ),
    "strings flush with the margin": (
        '''
        with log.code():
            text = """one
two
    three
"""
            rest = f"""{text}
four"""
            last = "a\\
b"
        ''',
        ['text = """one\ntwo\n    three\n"""\nrest = f"""{text}\nfour"""\nlast = "a\\\nb"'],
    ),
    "an f-string with a nested string": (
        '''
        with log.code():
            n = 1
            text = f"""{n}
       {f"{n}"
     }
  end"""
        ''',
        ['n = 1\ntext = f"""{n}\n       {f"{n}"\n     }\n  end"""'],
    ),
    "strings side by side over lines": (
        """
        with log.code():
            text = ("one"
                    "two")
        """,
        ['text = ("one"\n        "two")'],
    ),
    "lines in parentheses that hang to the left": (
        """
        with log.code():
            x = max(
          1,
        2)
        """,
        ["x = max(\n1,\n2)"],
    ),
    "wide characters": (
        """
        größe = "日本"; value = log.code(lambda: größe + "é")
        """,
        ['größe + "é"'],
    ),
    "two lambdas on one line": (
        """
        a, b = log.code(lambda: 1 + 1), log.code(lambda: 2 + 2)
        """,
        ["1 + 1", "2 + 2"],
    ),
    "a lambda over lines": (
        """
        value = log.code(lambda: max(
            1,
            2,
        ))
        """,
        ["max(\n    1,\n    2,\n)"],
    ),
    "a lambda in parentheses": (
        """
        value = log.code(
            lambda: (
                1
                + 2  # and so on
            )
        )
        """,
        ["(\n    1\n    + 2  # and so on\n)"],
    ),
    "a lambda with defaults that hold colons": (
        """
        d = {1: 2}
        value = log.code(lambda f=lambda x: x, g={1: 2}, h=d[0:]if 0 else 1: f(g)[1])
        """,
        ["f(g)[1]"],
    ),
    "a lambda in a lambda": (
        """
        make = lambda: log.code(lambda: (lambda x: x + 1)(1))
        make()
        """,
        ["(lambda x: x + 1)(1)"],
    ),
    "lambdas defined elsewhere, on one line": (
        """
        f, g = (lambda: len("f")), (lambda: len("g"))
        log.code(g)
        log.code(f)
        """,
        ['len("g")', 'len("f")'],
    ),
    "a function of this file": (
        """
        def step():
            # how
            return 3

        log.code(step)
        """,
        ["def step():\n    # how\n    return 3"],
    ),
    "a function from elsewhere": (
        """
        value = log.code(os.getcwd)
        """,
        ["os.getcwd()"],
    ),
    "a partial function": (
        """
        def add(a, b):
            return a + b

        value = log.code(partial(add, 1, 2))
        """,
        ["def add(a, b):\n    return a + b"],
    ),
    "a decorated step": (
        '''
        @log.code
        def step():
            """What it does."""
            return 3
            # the end

        assert step == 3
        ''',
        ['def step():\n    """What it does."""\n    return 3\n    # the end'],
    ),
    "a step decorated more than once": (
        """
        def same(f):
            return f

        @same
        @log.code
        # between
        @same
        def step(): return 3
        """,
        ["# between\n@same\ndef step(): return 3"],
    ),
    "a method": (
        """
        class Model:
            def fit(self):
                with log.code():
                    self.x = 1
                return log.code(lambda: self.x)

        assert Model().fit() == 1
        """,
        ["self.x = 1", "self.x"],
    ),
    "a class body": (
        """
        class Model:
            with log.code():
                x = 1
        """,
        ["x = 1"],
    ),
    "a manager kept in a variable": (
        """
        block = log.code()
        with block:
            x = 1
        """,
        ["x = 1"],
    ),
    "a manager made by a helper": (
        """
        def block():
            return log.code()

        with block():
            x = 1
        """,
        ["x = 1"],
    ),
    "a comprehension": (
        """
        values = [log.code(lambda: i) for i in range(2)]
        """,
        ["i", "i"],
    ),
    "a semicolon before": (
        """
        a = 1; value = log.code(lambda: a)
        """,
        ["a"],
    ),
    "fences and templates": (
        '''
        with log.code():
            text = """
```python
~~~~
``` --> </script> {{ x }} {% y %}
"""
        ''',
        ['text = """\n```python\n~~~~\n``` --> </script> {{ x }} {% y %}\n"""'],
    ),
}
HEAD = """\
import os
from contextlib import nullcontext
from functools import partial
from quire import NotebookOutput

def main(log: NotebookOutput) -> None:
"""


def as_script(statements: str) -> str:
    """The statements as the body of a demo. What hangs further to the left stays: it is a string's inside."""
    lines = (
        line.removeprefix("    ") if line.startswith(" " * 8) else line for line in statements.split("\n")
    )
    return HEAD + "    pass\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", CASES)
def test_quotes_exactly(case: str, run_script: RunScript) -> None:
    statements, expected = CASES[case]
    assert run_script(as_script(statements)).sources == expected


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_quotes_exactly_on_other_versions(version: str, tmp_path: Path) -> None:
    """The positions that code objects hold differ from version to version."""
    found = sorted(Path("/root/.pyenv/versions").glob(f"{version}.*/bin/python")) or sorted(
        Path("/usr/bin").glob(f"python{version}")
    )
    if not found or sys.version_info[:2] == tuple(map(int, version.split("."))):
        pytest.skip(f"no other Python {version} on this machine")
    assert _sources_with(str(found[0]), tmp_path) == {case: expected for case, (_, expected) in CASES.items()}


# Without columns these cannot be told apart, and the whole statement is quoted: more, but nothing else.
AMBIGUOUS = {
    "two lambdas on one line": ["a, b = log.code(lambda: 1 + 1), log.code(lambda: 2 + 2)"] * 2,
    "lambdas defined elsewhere, on one line": ["g()", "f()"],
}


def test_quotes_without_columns(tmp_path: Path) -> None:
    expected = {case: AMBIGUOUS.get(case, expected) for case, (_, expected) in CASES.items()}
    assert _sources_with(sys.executable, tmp_path, "-X", "no_debug_ranges") == expected


def _sources_with(python: str, folder: Path, *options: str) -> dict[str, list[str]]:
    """What another interpreter quotes of every case; only the quoting is imported there."""
    import json

    root = Path(__file__).parents[2] / "notebook"
    (folder / "cases.json").write_text(
        json.dumps({case: as_script(text) for case, (text, _) in CASES.items()})
    )
    program = folder / "quote_all.py"
    program.write_text(
        textwrap.dedent(
            """
            import importlib, json, sys, types
            from pathlib import Path

            # The package without what it exports: only the quoting is under test here.
            for name in ("quire",):
                package = types.ModuleType(name)
                package.__path__ = [str(Path(sys.argv[1]) / name)]
                package.NotebookOutput = object
                sys.modules[name] = package
            from quire.quoting import Place, quote_call, quote_with
            from quire.source import remember

            class Block:
                def __init__(self, log, called): self.log, self.called = log, called
                def __enter__(self):
                    self.log.found.append(quote_with(self.called, Place.of(sys._getframe(1))).source)
                def __exit__(self, *_): pass

            class Log:
                def __init__(self): self.found = []
                def code(self, function=None):
                    called = Place.of(sys._getframe(1))
                    if function is None:
                        return Block(self, called)
                    self.found.append(quote_call(called, function).source)
                    return function()

            result = {}
            for number, (case, text) in enumerate(json.loads(Path("cases.json").read_text()).items()):
                names, log = {}, Log()
                path = f"/case_{number}.py"
                remember(path, text.encode())
                exec(compile(text, path, "exec"), names)
                names["main"](log)
                result[case] = log.found
            print(json.dumps(result))
            """
        )
    )
    done = subprocess.run(
        [python, *options, str(program), str(root)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_quotes_what_is_indented_with_tabs(run_script: RunScript) -> None:
    statements = "\twith log.code():\n\t\tx = 1\n\t\tif x:\n\t\t\ty = 2\n"
    assert run_script(HEAD + statements).sources == ["x = 1\nif x:\n\ty = 2"]


def test_quotes_in_a_file_that_pytest_has_rewritten() -> None:
    def demo(log: NotebookOutput) -> None:
        with log.code():
            value = 1
            assert value == 1
        log.code(lambda: value + 1)

    assert sources(demo) == ["value = 1\nassert value == 1", "value + 1"]


def test_quotes_async_functions() -> None:
    async def run(log: NotebookOutput) -> None:
        with log.code():
            await asyncio.sleep(0)

        @log.code
        async def step() -> int:
            await asyncio.sleep(0)
            return 3

        assert await step == 3
        assert await log.code(lambda: asyncio.sleep(0, 4)) == 4

    recorder = record(lambda log: asyncio.run(run(log)))
    assert recorder.sources == [
        "await asyncio.sleep(0)",
        "async def step() -> int:\n    await asyncio.sleep(0)\n    return 3",
        "asyncio.sleep(0, 4)",
    ]
    assert "3" in recorder.values


def test_quotes_through_a_context_manager_of_the_authors() -> None:
    @contextmanager
    def timed(log: NotebookOutput):  # type: ignore[no-untyped-def]
        with log.code():
            yield

    def demo(log: NotebookOutput) -> None:
        with timed(log):
            pass

    assert sources(demo) == ["yield"]


def test_a_script_edited_while_it_runs_is_quoted_as_it_ran(run_script: RunScript) -> None:
    recorder = run_script(
        HEAD
        + """\
    from pathlib import Path
    with log.code():
        Path(__file__).write_text("# something else\\n" * 100)
    with log.code():
        second = "as it ran"
    log.code(lambda: second)
"""
    )
    assert recorder.sources[1:] == ['second = "as it ran"', "second"]


def test_a_module_edited_after_its_import_is_not_misquoted(tmp_path: Path, run_script: RunScript) -> None:
    """What cannot be quoted truly is not quoted."""
    (tmp_path / "helper_edited.py").write_text("def work(log):\n    with log.code():\n        x = 1\n")
    recorder = run_script(
        HEAD
        + """\
    from pathlib import Path
    import helper_edited
    path = Path(helper_edited.__file__)
    path.write_text(path.read_text().replace("x = 1", "x = 2"))
    helper_edited.work(log)
"""
    )
    assert recorder.sources == [""]


def test_a_module_saved_without_a_change_is_quoted(tmp_path: Path, run_script: RunScript) -> None:
    (tmp_path / "helper_saved.py").write_text("def work(log):\n    with log.code():\n        x = 1\n")
    recorder = run_script(
        HEAD
        + """\
    from pathlib import Path
    import helper_saved
    Path(helper_saved.__file__).touch()
    helper_saved.work(log)
"""
    )
    assert recorder.sources == ["x = 1"]


def test_code_without_a_file_runs_and_says_so() -> None:
    def demo(log: NotebookOutput) -> None:
        exec("with log.code():\n    x = 1\nassert x == 1", {"log": log})

    recorder = record(demo)
    assert recorder.sources == [""]


@pytest.mark.parametrize("ends", ["\r\n", "\n"])
def test_line_ends_and_encodings(ends: str, tmp_path: Path) -> None:
    from quire import script

    path = tmp_path / f"latin_{len(ends)}.py"
    text = "# -*- coding: latin-1 -*-\n" + HEAD + '    with log.code():\n        name = "é"\n        x = 1\n'
    path.write_bytes(text.replace("\n", ends).encode("latin-1"))
    assert record(script.demo_in(script.load(path), path)).sources == ['name = "é"\nx = 1']


def test_places_are_named_and_linked(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        with nullcontext(), log.code():
            first = 1
            assert first

    from quire.events import Code

    code = record(demo).blocks(Code)[0]
    assert code.path == "tests/notebook/test_quoting.py"
    assert code.last_line == code.line + 1
    line = Path(__file__).read_text().splitlines()[code.line - 1]
    assert line.strip() == "first = 1"
    assert Path(code.link.partition("#")[0]).name in ("test_quoting.py", "")
