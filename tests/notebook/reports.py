"""What every report must be, whatever happened to the run that wrote it."""

import re
from pathlib import Path
from urllib.parse import unquote

import yaml
from markdown_it import MarkdownIt

EVERYTHING = """\
log.h1("A *report* with all in it")
log.p("Words, and [a way down](#the-end).")
with log.code():
    template = "{{ name }} {% raw %} {% endraw %} {%- endraw -%} {{< short >}} {{"
    print(template)
log.image(np.eye(4), "small")
log.image(np.eye(900), "A large one")
log.h2("Tables & more")
log.table([{"n": n, "cell": np.eye(n + 2), "text": "<b> $5 & ~6~"} for n in range(2)])
log.table({"n": list(range(100))})
log.file(b"1,2", "data.csv", "the *data*")
with log.details("More"):
    log.admonition("warning", "Mind", "what you **do**")
log.metric("loss", 1, 0.5)
log.metric("loss", 2, 0.25)
with log.code():
    for line in range(400):
        print("line", line)
with log.subreport("Another page") as page:
    page.image(np.eye(5), "small")
    page.file(b"3,4", "data.csv")
    with page.code():
        inner = 1
    with page.subreport("Deeper") as deep:
        deep.image(np.eye(6), "small")


@log.interact(k=log.slider("k", 1, 5, value=2))
def moved(log: NotebookOutput, k: int) -> None:
    log.image(np.eye(k), "moved")


@log.page("history")
def history(log: NotebookOutput) -> None:
    log.image(np.eye(3), "small")


log.h2("The end")
"""
"""The body of a demo that writes each kind of block that has files or links."""

MARKDOWN = MarkdownIt("gfm-like", {"linkify": False, "html": True})


def check(document: Path) -> str:
    """Asserts that a page is whole: UTF-8, front matter, closed fences, links that lead somewhere."""
    text = document.read_bytes().decode("utf-8")
    matched = re.match(r"---\n(.*?)\n---\n", text, re.DOTALL)
    assert matched, text[:200]
    assert yaml.safe_load(matched[1])["generator"].startswith("quire ")
    assert text.endswith("\n")
    control = re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)
    assert not control, repr(control)
    tokens = MARKDOWN.parse(text[matched.end() :])
    for token in tokens:
        if token.type == "fence":
            assert token.map is not None
            last = text[matched.end() :].splitlines()[token.map[1] - 1].strip("> ")
            assert last == token.markup, f"a fence that is not closed: {token.content[-200:]}"
    for href in hrefs(text):
        if not re.match(r"\w+:|#", href):
            path = document.parent / unquote(href.partition("#")[0])
            assert path.exists(), f"{href} leads nowhere"
    return text


def hrefs(text: str) -> list[str]:
    """The addresses of a page's links and pictures, those in code left aside."""
    found = []
    for token in MARKDOWN.parse(text):
        inner = [token, *(token.children or [])]
        for part in inner:
            if part.type in ("html_block", "html_inline"):
                found += re.findall(r'(?:src|href)="([^"]*)"', part.content)
            elif part.type == "link_open":
                found.append(str(part.attrs["href"]))
    return found


def litter(folder: Path) -> set[str]:
    """The files in the folder of a report that it neither links to nor needs."""
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    pages = {name for name in files if name.endswith(".md")}
    linked = set()
    for page in pages:
        text = (folder / page).read_text("utf-8")
        linked |= {(Path(page).parent / unquote(href)).as_posix() for href in hrefs(text)}
    records = {str(Path(page).with_suffix(".json")) for page in pages}
    return files - pages - linked - records - {".quire"}
