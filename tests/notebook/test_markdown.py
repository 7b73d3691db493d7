"""The page that a reader gets."""

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from quire import NotebookOutput, charts, open_report
from quire.names import Names, anchor, file_name, slug
from tests.notebook.reports import MARKDOWN, check, hrefs, litter

GOLDEN = Path(__file__).parent / "golden"


def write(tmp_path: Path, demo: Callable[[NotebookOutput], object], **settings: object) -> str:
    """The page that a demo writes, checked."""
    folder = tmp_path / "report"
    with open_report(folder, reproducible=True, **settings) as log:  # type: ignore[arg-type]
        demo(log)
    return check(folder / "report.md")


def body(text: str) -> str:
    """A page without its front matter, title and end."""
    return text.partition("\n---\n")[2].partition("\n---\n")[0].partition("# Report\n")[2].strip()


def everything(log: NotebookOutput) -> None:
    """Each verb once."""
    log.h1("A report of *everything*")
    log.p("""A paragraph with `code`, $x^2$ and a
          [link](https://example.org).""")
    log.h2("Code")
    with log.code():
        # a comment
        x = 2
        print("x is", x)
    log.code(lambda: x + 1)
    log.h2("Parts")
    with log.details("More <of> it"):
        log.p("Hidden at first.")
        with log.code():
            y = 1
            assert y
    log.admonition("tip", "Mind *this*", "A tip.")
    log.h3("Formula")
    log.math(r"""
        a = b
        - c
    """)
    log.h2("Tables & pictures")
    log.table([{"a|b": 1.23456789, "c_d": "*x*"}, {"a|b": None, "c_d": True}], "Two rows")
    with log.draw(20, 10, "A *drawing*") as pen:
        pen.line((0, 0, 20, 10), fill="black")
    log.h2("Files")
    log.file("1,2\n", "data.csv", "the data")
    log.link("https://example.org/a b", "elsewhere")
    with log.subreport("A page") as page:
        page.p("On a page of its own.")
    for step in log.progress(range(3), "counting"):
        log.metric("loss", step, 1 / (step + 1))
    log.metadata(tags=["a", "b: c"])


def test_golden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What every verb writes, to the byte. `QUIRE_GOLDEN=write` writes it anew, to be looked at."""
    monkeypatch.setattr(charts, "draw", lambda title, series: None)
    text = write(tmp_path, everything, command="quire run everything.py", parameters={"seed": 1})
    # Where this file's lines stand, and what is installed, is not what is tested.
    text = re.sub(r"test_markdown.py:\d+\]\(.*?\)", "test_markdown.py:1](…)", text)
    text = re.sub(r"\| Versions \| .* \|", "| Versions | … |", text)
    expected = GOLDEN / "everything.md"
    if os.environ.get("QUIRE_GOLDEN") == "write":
        expected.write_text(text)
    assert text == expected.read_text()
    assert litter(tmp_path / "report") == set()
    page = check(tmp_path / "report/a-page/a-page.md")
    assert "← [A report of everything](../report.md)" in page
    assert "# A page" in page


def test_front_matter_is_read_back(tmp_path: Path) -> None:
    fields = {
        "tags": ["a", "b: c", "- d", "yes"],
        "note": 'say "hi"\nthere',
        "count": 3,
        "share": 0.5,
        "nothing": None,
        "nested": {"a: b": [1, None, True], "nan": float("nan")},
        "odd": "\x00\u2028#",
    }
    text = write(
        tmp_path, lambda log: log.metadata(**fields), parameters={"learning rate": 0.1, "name": "null"}
    )
    read = yaml.safe_load(text.split("---\n")[1])
    assert read["parameters"] == {"learning rate": 0.1, "name": "null"}
    assert read["tags"] == fields["tags"]
    assert read["note"] == fields["note"]
    assert read["odd"] == fields["odd"]
    assert (read["count"], read["share"]) == (3, 0.5)
    assert "nothing" not in read
    assert read["nested"]["a: b"] == [1, None, True]
    assert read["nested"]["nan"] != read["nested"]["nan"]
    assert read["title"] == "Report"


def test_contents_lead_to_the_headings(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        log.p("before")
        for text in [
            "Plain",
            "With `code` and *emphasis*",
            "A & B",
            "Ümlaut 日本",
            "Plain",
            "...",
            "[Link](https://x.y) 1",
        ]:
            log.h2(text)
        log.h3("Deeper")

    text = write(tmp_path, demo)
    contents = [href[1:] for href in hrefs(text.partition("## Plain")[0]) if href.startswith("#")]
    assert contents == [
        "plain",
        "with-code-and-emphasis",
        "a-b",
        "%C3%BCmlaut-%E6%97%A5%E6%9C%AC",
        "plain-1",
        "section",
        "link-1",
        "deeper",
    ]
    # Renderers disagree where punctuation goes; there the place is marked for all of them.
    assert '<a id="a-b"></a>\n\n## A & B' in text
    assert text.index("before") < text.index("- [Plain](#plain)") < text.index("## Plain")


def test_s29_whatever_is_quoted_or_printed_comes_out_whole(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        with log.code():
            text = """
```
````python
~~~~
--> </script> {{ x }} {% raw %} </details>
"""
            print(text)
        log.code(lambda: "`` ` ``")
        log.code(lambda: text)

    page = write(tmp_path, demo)
    fences = [token.content for token in MARKDOWN.parse(page) if token.type == "fence"]
    inner = "\n```\n````python\n~~~~\n--> </script> {{ x }} {% raw %} </details>\n"
    assert fences == [
        f'text = """{inner}"""\nprint(text)\n',
        inner + "\n",
        '"`` ` ``"\n',
        "text\n",
        inner,
    ]
    assert "→ ```'`` ` ``'```" in page


def test_s30_control_characters_are_shown_or_left_out(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        with log.code():
            print("\x1b[1;31mred\x1b[0m \x1b]0;title\x07plain \x1b(B")
            print("bell \a nul \0 back\b\b>> del \x7f c1 \x85")
            for share in range(0, 101, 10):
                print(f"\r{share} %", end="")
            print()
            print("a longer line\rshort")
            print("carriage\r")
        log.p("a\ud800b")
        log.table([{"\x1b[1mbold\x1b[0m": "x\r\ny\0"}])
        log.code(lambda: "x" * 1_000_000)
        with log.code():
            print("y" * 1_000_000, end="")

    page = write(tmp_path, demo)
    # `check` has asserted that no control character is in the page.
    assert "red plain \nbell ␇ nul ␀ ba>> del ␡ c1 \\x85\n100 %\nshortger line\ncarriage\n" in page
    assert "a\\ud800b" in page
    assert "| bold |\n| --- |\n| x<br>y␀ |" in page
    assert len(page) < 40_000
    whole = (tmp_path / "report" / re.findall(r"\(([^()]*-output.txt)\)", page)[0]).read_text()
    assert whole == "y" * 1_000_000


HOSTILE = [
    *["../../x", "/etc/x", "C:\\x", "a\0b", "CON", "con.txt", "COM7.csv", "aux.", "x/y", "..", ".", ""],
    *["n" * 300, "x" * 300 + ".tar.gz", "💥" * 100, "🙂.png", "é\u0301.txt"],
    *["trailing.", "Twice", "twice", "a  b", "-rf", ".hidden"],
]


def test_s33_files_stay_in_the_folder_of_the_report(tmp_path: Path) -> None:
    paths = []

    def demo(log: NotebookOutput) -> None:
        for number, name in enumerate(HOSTILE):
            paths.append(log.file(str(number), name))
            with log.draw(4, 4, name or "empty", key=name or "empty"):
                pass

    page = write(tmp_path, demo)
    etc = tmp_path / "report/etc"
    for number, path in enumerate(paths):
        assert path.parent == etc
        assert path.read_text() == str(number)
    names = [path.name for path in etc.iterdir()]
    assert len({name.casefold() for name in names}) == len(names) == 2 * len(HOSTILE)
    for name in names:
        assert re.fullmatch(r"[\w.\-]+", name)
        assert not name.startswith((".", "-"))
        assert not name.endswith(".")
        assert len(name.encode()) <= 150
        assert name.partition(".")[0].lower() not in {"con", "aux", "com7"}
    assert "[twice-2](etc/twice-2)" in page
    # Nothing was made elsewhere.
    assert {path.name for path in tmp_path.iterdir()} == {"report"}


def test_files_of_somebody_elses_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "report"

    def demo(log: NotebookOutput) -> None:
        log.file("mine", "x.txt")
        if not (folder / "etc/own.txt").exists():
            log.file("once", "once.txt")

    write(tmp_path, demo)
    (folder / "etc/own.txt").write_text("own")
    (folder / "notes.md").write_text("own")
    page = write(tmp_path, demo)
    assert (folder / "etc/own.txt").read_text() == "own"
    assert (folder / "notes.md").read_text() == "own"
    assert (folder / "etc/x.txt").read_text() == "mine"
    assert not (folder / "etc/once.txt").exists()
    assert "x-2.txt" not in page
    (folder / ".quire").unlink()
    # Without the list, nobody knows whose x.txt that is.
    assert "etc/x-2.txt" in write(tmp_path, demo)


def test_a_list_of_files_that_was_edited_leads_nowhere_else(tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("precious")
    (tmp_path / "report").mkdir()
    (tmp_path / "report/.quire").write_text(f"../outside.txt\n{outside}\n\\x\n\0\n")
    write(tmp_path, lambda log: log.p("x"))
    assert outside.read_text() == "precious"


def test_a_key_replaces_what_it_showed(tmp_path: Path) -> None:
    import numpy as np

    def demo(log: NotebookOutput) -> None:
        log.p("first", key="text")
        for shade in (0, 255):
            log.image(np.full((4, 4), shade, np.uint8), f"shade {shade}", key="picture")
            log.table([{"shade": shade}], key="table")
        log.p("second", key="text")

    page = body(write(tmp_path, demo))
    assert page.startswith("second\n")
    assert "shade 0" not in page
    assert page.count("<img") == page.count("| shade |") == 1
    assert [path.name for path in (tmp_path / "report/etc").iterdir()] == ["picture.png"]


def test_a_key_keeps_its_place_wherever_it_is_named_again(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        for kind in ("text", "table", "picture"):
            show(log, kind, "before")
        log.p("The training:")
        with log.code():
            for kind in ("text", "table", "picture"):
                show(log, kind, "after")

    page = body(write(tmp_path, demo))
    assert "before" not in page
    above, below = page.split("The training:")
    assert above.count("after text") == above.count("after table") == above.count("*after picture.*") == 1
    assert "![" not in below
    assert "<img" not in below


def test_a_picture_keeps_its_suffix_wherever_its_caption_is_cut(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        for length in range(30, 50):
            with log.draw(4, 4, f"{'x' * length} and more"):
                pass

    write(tmp_path, demo)
    files = list((tmp_path / "report/etc").iterdir())
    assert len(files) == 20
    assert {path.suffix for path in files} == {".png"}


def show(log: NotebookOutput, kind: str, when: str) -> None:
    if kind == "text":
        log.p(f"{when} text", key=kind)
    elif kind == "table":
        log.table([{"n": 1}], f"{when} table", key=kind)
    else:
        with log.draw(4, 4, f"{when} picture.", key=kind):
            pass


def test_markdown_that_the_author_left_open_is_closed(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        log.p("```python\nx = 1")
        log.p("~~~~\n```\n~~~")
        log.p("<!-- hidden")
        log.p("`<!--` is harmless")
        log.p("the end")

    page = body(write(tmp_path, demo))
    assert page.endswith(
        "```python\nx = 1\n```\n\n~~~~\n```\n~~~\n~~~~\n\n<!-- hidden -->\n\n`<!--` is harmless\n\nthe end"
    )


def test_links_that_could_act_are_text(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        for href in ["javascript:alert(1)", " java\tscript:x", "data:text/html,x", "VBSCRIPT:x"]:
            log.link(href, "dead")
        for href in ["https://example.org/a(b)c", "etc/x y.txt", "mailto:a@b", "#here"]:
            log.link(href, "alive")

    page = body(write_unchecked(tmp_path, demo))
    assert re.findall(r"^dead$", page, re.MULTILINE) == ["dead"] * 4
    assert hrefs(page) == ["https://example.org/a%28b%29c", "etc/x%20y.txt", "mailto:a@b", "#here"]


def write_unchecked(tmp_path: Path, demo: Callable[[NotebookOutput], object]) -> str:
    with open_report(tmp_path / "report", reproducible=True) as log:
        demo(log)
    return (tmp_path / "report/report.md").read_text()


def test_long_output_is_shown_by_head_and_tail(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        with log.code():
            for line in range(500):
                print("line", line)
        with log.code():
            for line in range(60):
                print("short", line)

    page = body(write(tmp_path, demo))
    assert (
        "line 29\n```\n\n*… 450 lines left out: [the whole output](etc/code-output.txt), 500 lines …*" in page
    )
    assert "```text\nline 480\n" in page
    assert "line 30\n" not in page
    assert "short 30\n" in page
    whole = (tmp_path / "report/etc/code-output.txt").read_text()
    assert whole == "".join(f"line {line}\n" for line in range(500))


def test_code_in_a_loop_is_shown_once(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        for i in range(3):
            with log.code():
                print("pass", i)

    page = body(write(tmp_path, demo))
    assert page.count('print("pass", i)') == 1
    assert page.count("*The [code above](#code) once more.*") == 2
    assert "pass 2" in page


def test_metrics_are_drawn(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        for step in range(100):
            log.metrics(
                step, loss=1 / (step + 1), accuracy=None if step == 5 else step / 100, chart="Training"
            )
            log.metric("rate", step, 0.1)

    page = body(write(tmp_path, demo))
    assert page.count("<img") == 2
    svg = (tmp_path / "report/etc/chart.svg").read_text()
    assert "Training" in svg
    assert "accuracy" in svg
    assert "loss from 1 to 0.01 at step 99; accuracy from 0 to 0.99 at step 99 (1 not finite)" in page


def test_the_axis_of_a_chart_is_called_step_where_it_counts(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        for count in range(3):
            log.metric("by number", count, count)
            log.metric("by share", count / 3, count)

    page = body(write(tmp_path, demo))
    drawn = [(tmp_path / f"report/etc/{name}.svg").read_text() for name in ("chart", "chart-2")]
    assert [">step</text>" in svg for svg in drawn] == [True, False]
    assert "by number from 0 to 2 at step 2" in page
    assert "by share from 0 to 2 at 0.6667" in page


def test_metrics_are_a_table_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "draw", lambda title, series: None)

    def demo(log: NotebookOutput) -> None:
        for step in range(100_000):
            log.metric("loss", step, -1.0 if step == 77 else 1 / (step + 1))

    page = body(write(tmp_path, demo))
    assert "| loss | 100000 | 1 | -1 | 1 | 1e-05 |" in page


def test_progress_is_told_only_of_what_did_not_end(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        for _ in log.progress(range(3), "whole"):
            pass
        for number in log.progress(range(100), "half"):
            if number == 50:
                break

    page = body(write(tmp_path, demo))
    assert "whole" not in page
    assert "*half: 50 of 100 (50 %)*" in page


def test_on_close_may_still_write(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        log.on_close(lambda: log.p("the last word"))
        log.p("before")

    assert body(write(tmp_path, demo)) == "before\n\nthe last word"


def test_an_error_on_closing_is_told_and_raised(tmp_path: Path) -> None:
    log = open_report(tmp_path / "report")
    log.on_close(lambda: 1 / 0)
    log.on_close(lambda: log.p("the next still runs"))
    with pytest.raises(ZeroDivisionError):
        log.close()
    text = check(tmp_path / "report/report.md")
    assert "state: failed" in text
    assert "the next still runs" in text


def test_verbs_from_many_threads(tmp_path: Path) -> None:
    def demo(log: NotebookOutput) -> None:
        def work(name: str) -> None:
            for number in range(100):
                log.p(f"{name} {number}")
                log.file(f"{name} {number}", "same.txt")

        threads = [threading.Thread(target=work, args=[f"thread {n}"]) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    page = body(write(tmp_path, demo))
    for name in range(4):
        told = re.findall(rf"^thread {name} (\d+)$", page, re.MULTILINE)
        assert list(map(int, told)) == list(range(100))
    contents = {path.read_text() for path in (tmp_path / "report/etc").iterdir()}
    assert len(contents) == 400


def test_anchors_are_githubs() -> None:
    cases = {
        "Hello, World!": "hello-world",
        "A `code` span": "a-code-span",
        "snake_case and _emphasis_": "snake_case-and-emphasis",
        "A & B": "a--b",
        "[Link](https://x.y)": "link",
        "1. First": "1-first",
        "Straße, 日本": "straße-日本",
    }
    assert {text: anchor(text) for text in cases} == cases


def test_names() -> None:
    names = Names()
    assert [names.unique("a.tar.gz"), names.unique("A.tar.gz"), names.unique("a.tar.gz")] == [
        "a.tar.gz",
        "A-2.tar.gz",
        "a-3.tar.gz",
    ]
    assert slug("  Über *alles*: 3 & 4!") == "über-alles-3-4"
    assert slug("!!!") == "block"
    assert file_name("a/b c.PNG") == "a-b-c.PNG"
