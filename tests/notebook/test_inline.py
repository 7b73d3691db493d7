"""Reports in a notebook: cells run in a real kernel, and what then stands below them."""

import base64
import html
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient

from tests.notebook.reports import check

PATIENCE = 60.0
_UNSEEN = re.compile(r'<style>.*?</style>|<a class="permalink".*?</a>')
Output = dict[str, Any]


class Notebook:
    """A kernel with the outputs that a notebook would show, by cell."""

    def __init__(self, folder: Path) -> None:
        self.manager: KernelManager
        self.manager, self._client = start_new_kernel(cwd=str(folder))
        self._cells: dict[str, list[Output]] = {}

    def run(self, source: str, cell: str = "") -> list[Output]:
        """Runs a cell, in place of its former outputs, and gives all that then stands below it."""
        cell = cell or f"cell-{len(self._cells)}"
        outputs = self._cells[cell] = []
        content = {"code": source, "silent": False, "store_history": True, "allow_stdin": False}
        request = self._client.session.msg("execute_request", content, metadata={"cellId": cell})
        self._client.shell_channel.send(request)
        while True:
            message = self._client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                continue
            content, kind = message["content"], message["msg_type"]
            if kind == "status" and content["execution_state"] == "idle":
                return outputs
            if kind == "update_display_data":
                for shown in itertools.chain(*self._cells.values()):
                    if shown.get("transient") == content["transient"]:
                        shown["data"] = content["data"]
            elif kind in ("stream", "display_data", "execute_result", "error"):
                outputs.append({"output_type": kind, **content})

    def close(self) -> None:
        """Ends the kernel as Jupyter does."""
        self._client.stop_channels()
        self.manager.shutdown_kernel()


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    made = Notebook(tmp_path)
    yield made
    made.close()


def told(outputs: list[Output]) -> list[str]:
    """What stands below a cell, as a reader sees it, without style and tags."""
    texts = []
    for output in outputs:
        if output["output_type"] == "stream":
            texts.append(output["text"])
        elif output["output_type"] == "error":
            texts.append(f"{output['ename']}: {output['evalue']}")
        else:
            data = output["data"]
            text = re.sub(_UNSEEN, "", data.get("text/html", data["text/plain"]))
            texts.append(" ".join(html.unescape(re.sub(r"<[^>]*>", "", text)).split()))
    return texts


def test_an_executed_notebook_holds_its_blocks_once(tmp_path: Path) -> None:
    cells = [
        "import os, numpy as np\nfrom quire import open_report\n"
        "log = open_report('reports/mine')\nlog.h1('Mine')\nprint('beside')",
        "print('before')\nwith log.code():\n    # why\n    print('within')\n"
        "    os.system('echo below')\n    total = 2 + 3\nprint('after')\ntotal",
        "log.image(np.eye(4), 'Eye', key='eye')\nlog.p('text')",
        "log.image(np.ones((2, 2)), 'Ones', key='eye')",
        "with log.code():\n    for k in log.progress(range(300), 'counting'):\n        log.metric('x', k, 1)",
        "log.close()\nprint('closed')",
    ]
    new: Any = nbformat.v4
    book = new.new_notebook(cells=[new.new_code_cell(source) for source in cells])
    NotebookClient(book, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()

    assert told(book.cells[0].outputs) == ["Mine", "beside\n"]
    before, block, after, value = told(book.cells[1].outputs)
    assert (before, after, value) == ("before\n", "after\n", "5")
    assert re.fullmatch(
        r"In\[2\]:3 [\d.]+ .?s # why print\('within'\) os.system\('echo below'\) total = 2 \+ 3"
        r" within below",
        block,
    )
    picture, text = told(book.cells[2].outputs)
    assert (picture, text) == ("Ones", "text")
    found = re.search(r'src="data:image/png;base64,([^"]+)"', book.cells[2].outputs[0].data["text/html"])
    assert found
    assert base64.b64decode(found[1]) == (tmp_path / "reports/mine/etc/eye.png").read_bytes()
    assert book.cells[3].outputs == []
    (counted,) = book.cells[4].outputs
    assert "<svg" in counted.data["text/html"]
    assert "data-running" not in counted.data["text/html"]
    link, printed = told(book.cells[5].outputs)
    assert (link, printed) == ("reports/mine/mine.md", "closed\n")

    report = check(tmp_path / "reports/mine/mine.md")
    assert "\nstate: done\n" in report
    assert "```text\nwithin\nbelow\n```" in report
    assert "<sub>In[2]:3 · " in report
    assert "before" not in report
    assert "ipykernel_" not in report


def test_a_cell_that_runs_again_shows_what_it_is_now(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run("from quire import open_report\nlog = open_report('r')")
    source = "with log.code():\n    print('one')\nlog.p('text', key='text')"
    first = told(notebook.run(source, "edited"))
    assert "print('one')" in first[0]
    again = told(notebook.run(source, "edited"))
    assert "print('one')" in again[0]
    assert again[1] == "text"
    edited = told(notebook.run("# edited\n" + source.replace("one", "two"), "edited"))
    assert re.match(r"In\[4\]:3 .* print\('two'\) two$", edited[0])
    # Within one run of a cell, what a loop repeats is shown once.
    looped = told(notebook.run("for k in range(2):\n    with log.code():\n        print('k', k)"))
    assert "print('k', k) k 0" in looped[0]
    assert re.match("The code above once more. .* k 1$", looped[1])
    notebook.run("log.close()")
    text = check(tmp_path / "r/r.md")
    assert text.count("print('one')") == 1
    assert text.count("print('two')") == 1


def test_an_exception_is_shown_once(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run("from quire import open_report\nlog = open_report('r')")
    ended = notebook.run("with log.code():\n    raise ValueError('of no use')")
    assert [output["output_type"] for output in ended] == ["display_data", "error"]
    assert sum("ValueError: of no use" in text for text in told(ended)) == 1
    caught = told(
        notebook.run("try:\n    with log.code():\n        1 / 0\nexcept ZeroDivisionError:\n    print('on')")
    )
    assert "ZeroDivisionError: division by zero" in caught[0]
    assert caught[1:] == ["on\n"]
    assert told(notebook.run("with log.code():\n    print('works')"))[0].endswith("works")
    notebook.run("log.close()")
    text = check(tmp_path / "r/r.md")
    assert "\nstate: done\n" in text
    assert "**ValueError**: of no use" in text


def test_only_what_a_block_prints_is_taken(notebook: Notebook) -> None:
    notebook.run(
        "import os, sys, threading\nfrom quire import open_report\nlog = open_report('r')\nmine = sys.stdout"
    )
    assert told(notebook.run("sys.stdout is mine")) == ["True"]
    nested = "with log.code():\n    print('outer')\n    with log.code():\n        os.system('echo inner')\n"
    texts = told(notebook.run(f"{nested}print('x')"))
    assert texts[1:] == ["x\n"]
    assert texts[0].count(" outer ") == 1
    assert texts[0].endswith(" os.system('echo inner') inner")
    forked = "with log.code():\n    if not os.fork():\n        print('child'); os._exit(0)\n    os.wait()"
    assert told(notebook.run(forked))[0].endswith("child")
    assert told(notebook.run("print('still'); sys.stdout is mine")) == ["still\n", "True"]


def test_a_report_that_is_opened_again_ends_the_one_before(notebook: Notebook, tmp_path: Path) -> None:
    opening = "from quire import open_report\nlog = open_report('r')\nlog.h1('First')"
    notebook.run(opening, "opening")
    assert told(notebook.run(opening.replace("First", "Second"), "opening")) == ["Second"]
    notebook.run("log.close()")
    assert "# Second" in check(tmp_path / "r/r.md")


@pytest.mark.parametrize(("last", "state"), [("1 + 1", "done"), ("1 / 0", "failed")])
def test_the_end_of_the_kernel_ends_the_report(last: str, state: str, tmp_path: Path) -> None:
    notebook = Notebook(tmp_path)
    notebook.run("from quire import open_report\nlog = open_report('r')\nlog.p('text')")
    notebook.run("1 / 0")
    notebook.run(last)
    notebook.close()
    assert f"\nstate: {state}\n" in check(tmp_path / "r/r.md")


def test_without_the_extra_live_blocks_are_markdown(notebook: Notebook) -> None:
    notebook.run("import sys, numpy as np\nsys.modules['jinja2'] = None")
    notebook.run("from quire import open_report\nlog = open_report('r')")
    code, picture, page, link = notebook.run(
        "with log.code():\n    print('once')\nlog.image(np.eye(2), 'Eye')\n"
        "_ = log.subreport('Page'), log.file('a', 'a.txt')"
    )
    assert "text/html" not in code["data"]
    assert code["data"]["text/markdown"].startswith("<a id=\"code\"></a>\n\n```python\nprint('once')\n```")
    assert 'src="data:image/png;base64,' in picture["data"]["text/markdown"]
    assert page["data"]["text/markdown"] == "[Page](r/page/page.md)"
    assert "(r/etc/a.txt)" in link["data"]["text/markdown"]
