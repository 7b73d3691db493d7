"""S22-S30: whatever stands in a report, the page shows it and does nothing that it says."""

import re
import time
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup
from playwright.sync_api import Page, expect

from quire.events import (
    Admonition,
    Block,
    Chart,
    Code,
    Column,
    Control,
    Details,
    Event,
    Failure,
    Figure,
    Heading,
    Html,
    Interact,
    Link,
    Math,
    Metric,
    Opened,
    Output,
    Progress,
    Subreport,
    Table,
    Text,
    Value,
)
from quire.printed import Printed
from quire.tree import Tree
from quire.web import Renderer, ansi, text
from quire.web.formulas import mathml
from quire.web.highlighting import highlighted
from tests.web.conftest import Open
from tests.web.double import Double
from tests.web.events import write_picture
from tests.web.test_u28_export import document

PAYLOADS = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "<svg onload='window.hit = 1'><script>window.hit = 1</script></svg>",
    '"><script>window.hit = 1</script><a title="',
    "' onmouseover='window.hit = 1' autofocus onfocus='window.hit = 1' x='",
    "</textarea></title></style></script><script>window.hit = 1</script>",
    "<iframe srcdoc='<script>parent.hit = 1</script>'></iframe>",
    "<math><mtext><table><mglyph><style><img src=x onerror='window.hit = 1'>",
    "<details open ontoggle='window.hit = 1'>x</details>",
    "<a href='javascript:window.hit=1' id='page'>x</a>",
    "[x](javascript:window.hit=1) ![x](javascript:window.hit=1) <javascript:window.hit=1>",
    "<form action='javascript:window.hit=1'><button>x</button></form><base href='https://evil.example/'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'><link rel=stylesheet href='https://evil.example/x'>",
    "{{ 7*7 }} {% raw %} ${alert(1)} <!-- --!> ]]>",
    "$\\text{<script>window.hit = 1</script>}$ $$\\href{javascript:window.hit=1}{x}$$",
]
LINKS = [
    "javascript:window.hit=1",
    "JaVaScRiPt:window.hit=1",
    "java\tscript:window.hit=1",
    " javascript:window.hit=1",
    "\x01javascript:window.hit=1",
    "javascript&colon;window.hit=1",
    "&#106;avascript:window.hit=1",
    "vbscript:x",
    "data:text/html,<script>window.hit=1</script>",
    "data:image/svg+xml,<svg onload='window.hit=1'/>",
    "file:///etc/passwd",
    "//evil.example/x",
]


def hostile(folder: Path) -> list[Event]:
    """A report whose every text is hostile."""
    picture = write_picture(folder)
    events: list[Event] = [
        Opened(title=PAYLOADS[5], started="now", command=PAYLOADS[0], parameters={PAYLOADS[1]: PAYLOADS[3]})
    ]
    for number, evil in enumerate(PAYLOADS):
        key = f"k{number}"
        events += [
            Heading(key=f"{key}-h", level=2, text=evil, anchor=f'{key}"><script>window.hit = 1</script>'),
            Text(
                key=f"{key}-t",
                markdown=f"{evil}\n\n`{evil}`\n\n| a |\n| - |\n| {evil} |\n\n"
                f"```html\n{evil}\n```\n\n```{evil}\nx\n```",
            ),
            Html(key=f"{key}-html", html=evil),
            Math(key=f"{key}-m", tex=evil),
            Code(key=f"{key}-c", source=evil, path=evil, line=1, link=LINKS[number % len(LINKS)]),
            Output(parent=f"{key}-c", text=f"{evil}\n\x1b[31m{evil}\x1b[0m\n"),
            Value(key=f"{key}-v", text=evil),
            Value(key=f"{key}-w", text=f"{evil}\n{evil}", language=evil),
            Failure(
                key=f"{key}-f",
                kind=evil,
                message=evil,
                path=evil,
                line=1,
                link="javascript:window.hit=1",
                quoted=evil,
                traceback=evil,
            ),
            Figure(
                key=f"{key}-i",
                picture=type(picture)(file=picture.file, alt=evil, width=4, height=4),
                caption=evil,
            ),
            Table(key=f"{key}-tab", columns=(Column(name=evil),), rows=((evil,),), caption=evil),
            Link(key=f"{key}-l", href=LINKS[number % len(LINKS)], text=evil, caption=evil),
            Details(key=f"{key}-d", title=evil, open=True),
            Admonition(key=f"{key}-a", severity="note", title=evil),
            Progress(key=f"{key}-p", label=evil, done=1, total=2, elapsed=1.0),
            Control(
                key=f"{key}-s",
                kind="slider",
                label=evil,
                value=1,
                settings={"least": 0, "greatest": 2, "step": 1},
            ),
            Control(key=f"{key}-o", kind="choice", label=evil, value=evil, settings={"options": [evil, "b"]}),
            Control(key=f"{key}-x", kind="text", label=evil, value=evil, settings={"longest": 999}),
            Interact(key=f"{key}-n", title=evil),
            Subreport(key=f"{key}-r", title=evil, folder=f"r{number}"),
        ]
    events += [
        Chart(key="chart", title=PAYLOADS[0]),
        Metric(chart="chart", name=PAYLOADS[1], step=1, value=2.0),
    ]
    return events


def test_s22_s23_nothing_that_a_report_says_is_done_live(
    double: Double, tmp_path: Path, open_page: Open
) -> None:
    events = hostile(tmp_path)
    double.write(*events)
    page = open_page(double.url)
    expect(page.locator("#state")).to_have_text("running")
    double.write(*events[1:60])
    double.run(title=PAYLOADS[5], progress={"label": PAYLOADS[1], "done": 1, "total": 2, "elapsed": 1})
    double.print("".join(f"{evil}\n" for evil in PAYLOADS))
    page.keyboard.press("l")
    page.locator("#chart").scroll_into_view_if_needed()
    expect(page.locator("#chart canvas")).to_be_visible()
    page.wait_for_timeout(300)
    check_inert(page)
    expect(page.get_by_text(PAYLOADS[0], exact=True).first).to_be_attached()


def test_s22_s23_nothing_that_a_report_says_is_done_in_the_one_file(tmp_path: Path, open_page: Open) -> None:
    text = document(hostile(tmp_path), tmp_path)
    # Even without its policy.
    text = re.sub("<meta http-equiv[^>]*>", "", text)
    (tmp_path / "report.html").write_text(text, "utf-8")
    page = open_page(f"file://{tmp_path}/report.html")
    page.wait_for_timeout(300)
    check_inert(page)


def check_inert(page: Page) -> None:
    assert page.evaluate("window.hit") is None
    acting = page.evaluate("""() => [...document.querySelectorAll("main *")].flatMap(e => [...e.attributes]
        .filter(a => a.name.startsWith("on") || a.name === "style" && !e.closest(".plot, .lines")
            || /^(href|src|action|formaction|xlink:href)$/.test(a.name)
            && /^[\\s\\x00-\\x20]*(javascript:|vbscript:|data:text|file:)/i.test(a.value))
        .map(a => `${a.name}=${a.value}`))""")
    assert acting == []
    odd = "main :is(iframe, object, embed, base, meta, link, style, script, textarea)"
    assert page.locator(odd).count() == 0


@pytest.mark.parametrize("href", LINKS)
def test_s23_links_that_act_are_none(href: str) -> None:
    for markdown in (
        f"[x]({href})",
        f"[x](<{href}>)",
        f"<a href='{href}'>x</a>",
        f"![x]({href})",
        f"<{href}>",
    ):
        html = text.to_html(markdown, lambda file: "")
        assert not re.search(r"<[^>]*(href|src)=", html), html


@pytest.mark.parametrize(
    "tex",
    [
        r"\href{javascript:alert(1)}{x}",
        "{" * 3000 + "}" * 3000,
        "{" * 3000,
        r"\def\a{\a\a}\a",
        r"\newcommand{\a}{\a\a}\a",
        r"\frac{1}{" * 3000,
        "x" * 100_000,
        r"\sqrt" * 20_000,
        "x^{" * 5000 + "}" * 5000,
        r"\left(" * 4000,
        r"\unknown{x} < & > \"",
    ],
    ids=lambda tex: tex[:12],
)
def test_s26_hostile_formulas_are_shown_as_their_source(tex: str) -> None:
    began = time.perf_counter()
    html = mathml(tex, display=True)
    # Without bounds some of these take minutes.
    assert time.perf_counter() - began < 10
    assert html == f'<pre class="tex">{Markup.escape(tex.strip())}</pre>'


def test_formulas_are_mathml_without_styles() -> None:
    html = mathml(
        r"\begin{aligned} a &= b \\ \hat{x} &\sim \mathcal{N}(0, \sigma^2) \end{aligned}", display=True
    )
    assert html.startswith('<math display="block">')
    assert " style=" not in html
    assert 'class="m-right"' in html
    inline = text.to_html("`$y$`, from $x_1$ to $5 and $6 dollars", lambda file: "")
    assert inline.count("<math") == 1
    assert "to $5 and $6 dollars" in inline
    assert "<code>$y$</code>" in inline


@pytest.mark.parametrize(
    "bomb",
    [
        "[" * 30_000,
        "**a " * 20_000,
        ">" * 5000,
        "![" * 25_000,
        "`" * 30_000,
        "<a " * 20_000,
        "[a](" * 14_000,
        "".join("  " * depth + "- a\n" for depth in range(200)),
        "|" * 20_000 + "\n" + "|-" * 19_999,
        "x" * 10**6,
    ],
    ids=lambda bomb: bomb[:6],
)
def test_s28_markdown_bombs_end_soon(bomb: str) -> None:
    began = time.process_time()
    html = text.to_html(bomb, lambda file: "")
    assert time.process_time() - began < 4  # 2 s on a machine that does nothing else
    assert html


NASTY = 'x = """\n```\n````python\n~~~~\n--> </script> {{ x }} {% raw %} </details> <!-- & &amp;\n"""\n\n\n'


def test_s29_quoted_code_is_exact(double: Double, open_page: Open) -> None:
    page = open_page(double.url)
    double.write(
        Code(key="code", source=NASTY, path="x.py", line=1), Value(key="value", text=NASTY, language="text")
    )
    double.write(Text(key="text", markdown=f"~~~~~python\n{NASTY}~~~~~"))
    for block in ("#code .source code", "#value code", "#text code"):
        assert page.locator(block).text_content() == NASTY
    assert Markup(highlighted(NASTY, "python")).striptags() == Markup.escape(NASTY).striptags()


def test_s30_no_control_character_is_in_a_page() -> None:
    tree = Tree(lambda block: ("", None), colours=True)  # type: ignore[arg-type, return-value]
    evil = "bell \a nul \0 \x1b]0;title\x07 \x1b[2J c1 \x85 \ud800 \x1b[1mbold\x1b[0m\r\n"
    tree.add(Code(key="c", source=evil, path=evil))
    tree.add(Output(parent="c", text=evil))
    tree.add(Text(key="t", markdown=evil))
    tree.add(Table(key="tab", columns=(Column(name=evil),), rows=((evil,),), caption=evil))
    renderer = Renderer(address=lambda page, file: "", live=True)
    html = "".join(renderer.block(tree.node(key)) for key in ("c", "t", "tab"))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", html)
    assert "bell ␇ nul ␀" in html
    assert '<span class="bold">bold</span>' in html


def test_s30_colours_survive_what_a_terminal_overwrites() -> None:
    printed = Printed(lambda: ("", None), colours=True)  # type: ignore[arg-type, return-value]
    printed.add(
        "\x1b[32m 10 %\x1b[0m\r\x1b[31m100 %\x1b[0m done\nab\bc \x1b[38;5;196mred\x1b[48;2;0;0;255m on blue\n"
    )
    html = ansi.to_html(printed.head)
    assert Markup(html).striptags() == "100 % done ac red on blue"
    assert '<span class="fg-red">100 %</span>' in html
    assert '<span class="fg-red bg-blue"> on blue</span>' in html


def test_text_is_read_as_github_reads_it() -> None:
    html = text.to_html(
        "~~gone~~ https://example.org\n\n1. a\n   ```python\n   x = 1\n   ```\n2. b\n\n- [x] done\n\n"
        "| l | r | c |\n|:--|--:|:-:|\n| 1 | 2 | 3 |\n\n<details><summary>S</summary>\n\n**in**\n\n"
        "</details> H<sub>2</sub>O",
        lambda file: "",
    )
    for part in (
        "<s>gone</s>",
        '<a href="https://example.org" rel="noopener noreferrer">https://example.org</a>',
        '<span class="mi">1</span>',
        'type="checkbox"',
        '<td align="right">2</td>',
        "<summary>S</summary>",
        "<strong>in</strong>",
        "H<sub>2</sub>O",
    ):
        assert part in html
    assert html.count("<ol") == 1


def test_pictures_in_text_are_files_of_the_report_or_links() -> None:
    files = {"etc/a.png": "files/1/a.png"}
    html = text.to_html(
        "![own](etc/a.png) ![other](https://example.org/x.png)", lambda file: files.get(file, "")
    )
    assert '<img src="files/1/a.png" alt="own">' in html
    assert '<a href="https://example.org/x.png" rel="noopener noreferrer">other</a>' in html


def test_a_block_that_cannot_be_shown_is_named_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    tree = Tree(lambda block: ("", None))  # type: ignore[arg-type, return-value]
    tree.add(Code(key="around", source="x"))
    tree.add(Control(key="odd", parent="around", kind="sketch", label="no size", settings={"height": None}))
    tree.add(Table(key="broken", parent="around", columns=(), rows=None))  # type: ignore[arg-type]
    tree.add(Table(key="worse", parent="around", columns=(Column(name="a"),), rows=None))  # type: ignore[arg-type]
    tree.add(Code(key="unknown", source="x", elapsed="long"))  # type: ignore[arg-type]
    renderer = Renderer(address=lambda page, file: "", live=True)
    html = renderer.block(tree.node("around"))
    told = '<p class="missing">This part could not be shown (TypeError).</p>'
    assert f'<div id="worse" data-block="table">{told}</div>' in html
    assert 'id="odd"' in html
    assert "worse" in caplog.text
    assert renderer.own(tree.node("unknown")) == told


@pytest.mark.parametrize("kind", ["number", "choice", "checkbox", "text", "button", "upload"])
def test_a_control_needs_no_settings(kind: Any, caplog: pytest.LogCaptureFixture) -> None:
    tree = Tree(lambda block: ("", None))  # type: ignore[arg-type, return-value]
    tree.add(Control(key="one", kind=kind, label="One", value=1))
    html = Renderer(address=lambda page, file: "", live=True).block(tree.node("one"))
    assert "could not be shown" not in html
    assert "None" not in html


def test_every_kind_of_block_can_be_shown(tmp_path: Path) -> None:
    tree = Tree(lambda block: ("", None))  # type: ignore[arg-type, return-value]
    for kind in Block.__subclasses__():
        assert kind.__name__.lower() in Renderer(address=lambda page, file: "", live=True)._blocks.__dict__, (
            kind
        )
    assert tree.root.inside == []
