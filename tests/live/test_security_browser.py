"""What other sites may have a browser do to a run: nothing. Names are the cases'."""

import asyncio
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.live.attack import Header, asked, cookie_of, request, sent, upgrade
from tests.live.conftest import Served, state, wait_for

Serve = Callable[..., Served]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
RUN = """
log.h1("A secret title")

@log.endpoint("GET", "/api/touch", thread=True)
def touch() -> str:
    Path("touched").touch()
    return "secret"

@log.page("history", thread=True)
def history(page: NotebookOutput) -> None:
    page.p("what was")

log.upload("data")
log.slider("rate", 0, 1, value=0.5)
log.image(np.eye(4), "a picture")
log.subreport("inner").p("within")
Path("begun").touch()
for n in log.progress(range(100_000), "steps"):
    time.sleep(0.01)
"""


def visible(folder: Path) -> list[Path]:
    """What is in a folder, without the files that a report is written to before it takes its place."""
    return sorted(path for path in folder.rglob("*") if not path.name.startswith("."))


def same(served: Served) -> Header:
    return "Origin", f"http://127.0.0.1:{served.port}"


async def test_s10_a_foreign_host(serve: Serve) -> None:
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    port = served.port
    foreign = [
        "evil.example",
        f"evil.example:{port}",
        f"localhost.evil.example:{port}",
        f"127.0.0.1.evil.example:{port}",
        f"localhost.:{port}",
        f"127.0.0.1.:{port}",
        f"127.0.0.1:{port + 1}",
        "127.0.0.1",
        f"127.0.0.1:0{port}",
        f"127.0.0.1:{port}@evil.example",
        f"evil.example:80@127.0.0.1:{port}",
        f"127.0.0.1:{port}, evil.example",
        f"127.0.0.1:{port}#",
        f"127.1:{port}",
        f"2130706433:{port}",
        f"0.0.0.0:{port}",
        f"[::ffff:127.0.0.1]:{port}",
        f"[::1%25lo]:{port}",
        f"::1:{port}",
        " ",
        ":",
        f":{port}",
    ]
    for host in [*foreign, None]:
        for headers in ((), upgrade()):
            answer = await asked(served, "GET", "/events?since=0", cookie, *headers, host=host)
            assert answer.status in (400, 421), (host, answer.raw)
            assert b"secret" not in answer.raw
    for host in (f"127.0.0.1:{port}", f"LocalHost:{port}", f"[::1]:{port}"):
        assert (await asked(served, "GET", "/state", cookie, host=host)).status == 200


async def test_s10_two_hosts_or_one_in_the_target(serve: Serve) -> None:
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    right = f"127.0.0.1:{served.port}"
    for hosts in (("evil.example", right), (right, "evil.example"), (right, right)):
        head = [("Host", host) for host in hosts]
        answer = await sent(served, request(served, "GET", "/state", [*head, cookie], host=None))
        assert answer.status in (400, 421)
    for target in ("http://evil.example/state", f"http://{right}/state", "evil.example:80", "*", "state"):
        for method in ("GET", "OPTIONS", "CONNECT"):
            answer = await asked(served, method, target, cookie)
            assert answer.status in (400, 421), (method, target, answer.raw)


async def test_s12_a_foreign_origin(serve: Serve) -> None:
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    right = same(served)[1]
    foreign = [
        "http://evil.example",
        "null",
        "",
        f"http://127.0.0.1:{served.port + 1}",
        "http://127.0.0.1",
        f"{right}.evil.example",
        f"{right}0",
        f"{right}/",
        right.replace("http:", "https:"),
        f"http://localhost:{served.port}",
        f"http://[::1]:{served.port}",
        f"http://evil.example, {right}",
        "file://",
        "*",
    ]
    for origin in foreign:
        for method, path, more in [
            ("GET", "/events", upgrade()),
            ("GET", "/stream", ()),
            ("GET", "/state", ()),
            ("POST", "/run/pause", ()),
            ("POST", "/controls/rate", ()),
        ]:
            answer = await asked(served, method, path, cookie, ("Origin", origin), *more)
            assert answer.status == 403, (origin, path, answer.raw)
        # Nor with the token itself.
        answer = await asked(served, "GET", f"/?token={served.token}", ("Origin", origin))
        assert (answer.status, "set-cookie" in answer.headers) == (403, False)
    twice = (("Origin", right), ("Origin", "http://evil.example"))
    assert (await asked(served, "POST", "/run/pause", cookie, *twice)).status in (400, 403)
    async with served.client() as session:
        assert (await state(session))["state"] == "running"


async def test_s13_a_name_that_was_bound_anew(serve: Serve) -> None:
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    host = f"evil.example:{served.port}"
    for method, path, more in (("GET", "/events", upgrade()), ("POST", "/run/pause", ()), ("GET", "/", ())):
        origin = ("Origin", f"http://{host}")
        answer = await asked(served, method, path, cookie, origin, *more, host=host)
        assert answer.status == 421


async def test_s14_where_a_request_comes_from(serve: Serve) -> None:
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    bearer = ("Authorization", f"Bearer {served.token}")
    for site in ("cross-site", "same-site", "anything"):
        from_there = ("Sec-Fetch-Site", site)
        for headers in ((cookie,), (cookie, same(served)), (bearer,)):
            answer = await asked(served, "POST", "/run/resume", from_there, *headers)
            assert answer.status == 403, (site, headers)
    assert (await asked(served, "POST", "/run/resume", cookie)).status == 403
    assert (await asked(served, "POST", "/run/resume", bearer)).status == 204
    assert (await asked(served, "POST", "/run/resume", cookie, same(served))).status == 204
    own = ("Sec-Fetch-Site", "same-origin")
    assert (await asked(served, "POST", "/run/resume", cookie, same(served), own)).status == 204


async def test_s14_other_sites_may_link_to_a_page_and_no_more(serve: Serve) -> None:
    """Another port of this machine is the same site: a browser sends it the cookie."""
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    link = (("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"))
    frame = (("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe"))
    picture = (("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image"))
    for site in ("cross-site", "same-site"):
        from_there = ("Sec-Fetch-Site", site)
        for path, headers, status in [
            ("/", link, 200),
            ("/pages/history", link, 200),
            ("/api/touch", link, 403),
            ("/", frame, 403),
            ("/pages/history", picture, 403),
            ("/api/touch", picture, 403),
            ("/files/1/1.png", picture, 403),
            ("/log?tail=9", picture, 403),
            ("/state", (), 403),
        ]:
            answer = await asked(served, "GET", path, cookie, from_there, *headers)
            assert answer.status == status, (path, headers, answer.raw)
        assert (await asked(served, "GET", "/events", cookie, from_there, *upgrade(), *link)).status == 403
    assert not (served.folder / "touched").exists()


async def test_s15_an_upload_of_another_site(serve: Serve) -> None:
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    # What the run itself still writes, it has written then.
    await asyncio.to_thread(wait_for, (served.document.parent / "inner/inner.md").exists)
    await asyncio.to_thread(wait_for, served.document.exists)
    files, body = visible(served.folder), b'{"value": 0.271828}'
    for kind in ("multipart/form-data; boundary=x", "text/plain", "application/x-www-form-urlencoded"):
        for path in ("/uploads/upload", "/controls/rate", "/run/pause", "/run/exit"):
            for origin in ((), (("Origin", "http://evil.example"),), (("Origin", "null"),)):
                headers = (cookie, ("Content-Type", kind), ("X-Name", "evil.txt"), *origin)
                answer = await asked(served, "POST", path, *headers, body=body)
                assert answer.status == 403
    assert visible(served.folder) == files
    journal = list(served.document.parent.glob(".quire-*"))
    assert journal
    assert not [path for path in (*files, *journal) if path.is_file() and body in path.read_bytes()]


async def test_s16_to_look_changes_nothing(serve: Serve) -> None:
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    for action in ("pause", "stop", "exit"):
        for method in ("GET", "HEAD"):
            for path in (f"/run/{action}", f"/run/{action}?_method=POST", f"/?action={action}"):
                override = ("X-HTTP-Method-Override", "POST")
                answer = await asked(served, method, path, cookie, same(served), override)
                assert answer.status == (200 if path.startswith("/?") else 405)
    for path in ("/controls/rate?value=1", "/uploads/upload?name=x"):
        assert (await asked(served, "GET", path, cookie)).status == 405
    async with served.client() as session:
        assert (await state(session))["state"] == "running"


LOOKS = [
    "/",
    "/state",
    "/api/touch",
    "/pages/history",
    "/p/inner/",
    "/files/1/x",
    "/charts/x",
    "/poll?since=0",
]
LOOKS += [
    "/log?tail=1",
    "/report.zip",
    "/report.html",
    "/assets/page.css",
    "/nothing",
    "/api/none",
    "/run/pause",
]


@pytest.mark.parametrize("with_cookie", [True, False])
async def test_s17_s18_s19_the_headers_of_every_answer(serve: Serve, with_cookie: bool) -> None:
    served = await serve(RUN).begun()
    headers = (await cookie_of(served),) if with_cookie else ()
    for path in LOOKS:
        answer = await asked(served, "GET", path, *headers)
        assert answer.status == 401 or with_cookie
        check_headers(answer.headers, path)
    for strange in ("GET / HTTP/9.9\r\n\r\n", "\x16\x03\x01\r\n\r\n", "GET /\x00 HTTP/1.1\r\n\r\n"):
        check_headers((await sent(served, strange.encode())).headers, strange)
    check_headers((await asked(served, "GET", "/", host="evil.example")).headers, "a foreign host")
    check_headers((await asked(served, "POST", "/run/exit", ("Expect", "much"))).headers, "expectations")


def check_headers(headers: dict[str, str], path: str) -> None:
    assert headers["x-content-type-options"] == "nosniff", path
    assert headers["cross-origin-resource-policy"] == "same-origin", path
    assert headers["cross-origin-opener-policy"] == "same-origin", path
    assert headers["x-frame-options"] == "DENY", path
    assert headers["referrer-policy"] == "no-referrer", path
    assert not any(name.startswith("access-control-") for name in headers), path
    policy = {part.split()[0]: part.split()[1:] for part in headers["content-security-policy"].split(";")}
    assert policy["default-src"] == ["'none'"], path
    assert policy["frame-ancestors"] == ["'none'"], path
    if headers.get("content-type", "").startswith("text/html"):
        assert "unsafe" not in headers["content-security-policy"], path
        assert "*" not in headers["content-security-policy"], path
    if not path.startswith("/assets/"):
        assert headers["cache-control"] == "no-store", path


async def test_s19_pages_have_the_policy_of_pages(serve: Serve) -> None:
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    for path in ("/", "/pages/history"):
        answer = await asked(served, "GET", path, cookie)
        assert answer.headers["content-type"].startswith("text/html")
        policy = answer.headers["content-security-policy"]
        for part in ("script-src 'self'", "base-uri 'none'", "form-action 'self'", "connect-src 'self'"):
            assert part in policy


async def test_what_looks_like_two_requests_is_one(serve: Serve) -> None:
    """Of requests that two servers could read differently, none is read at all."""
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    inner = request(served, "POST", "/run/pause", (cookie, same(served)))
    length = ("Content-Length", str(len(inner)))
    keep = ("Connection", "keep-alive")
    for strange in [
        (length, ("Transfer-Encoding", "chunked")),
        (("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "identity")),
        (("Transfer-Encoding", "xchunked"),),
        (("Transfer-Encoding", "\x0bchunked"),),
        (("Transfer-Encoding ", "chunked"),),
        (length, ("Content-Length", "0")),
        (("Content-Length", "+5"),),
        (("Content-Length", "0x5"),),
        (("Content-Length", "-1"),),
        (("Content-Length", "1_0"),),
        (("Content-Length", "5, 5"),),
        (("Content-Length ", "5"),),
        (("X", "y\n\nz"),),
        (("X", "y\rTransfer-Encoding: chunked"),),
        (("X", "y\r\n Transfer-Encoding: chunked"),),
        (("X y", "z"),),
        (("", "z"),),
    ]:
        head = request(served, "POST", "/nothing", (cookie, same(served), keep, *strange))
        answer = await sent(served, head + b"0\r\n\r\n" + inner)
        assert answer.raw.count(b"HTTP/1.") == 1, (strange, answer.raw)
        assert answer.status in (400, 404, 413), (strange, answer.raw)
        assert b"204 No Content" not in answer.raw
    # What is refused takes its body with it.
    whole = request(served, "POST", "/run/pause", (keep, length)) + inner
    answer = await sent(served, whole + request(served, "GET", "/nothing", (cookie,)))
    assert answer.raw.count(b"HTTP/1.1 ") == answer.raw.count(b"HTTP/1.1 40") == 2
    async with served.client() as session:
        assert (await state(session))["state"] == "running"


async def test_answers_without_a_body_have_none(serve: Serve) -> None:
    """What a stream sent after its head would stand before the next answer of a proxy's connection."""
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    for path in [*LOOKS, "/log", "/stream?since=0", "/events", "/poll?since=0"]:
        answer = await asked(served, "HEAD", path, cookie)
        assert answer.status in (200, 404, 405), (path, answer.raw)
        assert answer.body == b"", path


@pytest.mark.parametrize("name", ['a "quoted" ; name', "name\r\nSet-Cookie: x=y", "ünïcödé 🎉", "a%0d%0ab"])
async def test_the_name_of_a_download_is_no_header(serve: Serve, name: str) -> None:
    served = serve("log.h1('A\\r\\nSet-Cookie: x=y')\ntime.sleep(60)", name=f"{name}.py")
    cookie = await cookie_of(served)
    for kind in ("zip", "html"):
        answer = await asked(served, "GET", f"/report.{kind}", cookie)
        assert answer.status == 200
        assert "set-cookie" not in answer.headers
        told = answer.headers["content-disposition"]
        assert told.startswith("attachment; filename*=UTF-8''")
        assert not set(told.partition("''")[2]) & set(" \"';\\/")


async def test_nobody_is_sent_elsewhere(serve: Serve) -> None:
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    for path in [
        f"//evil.example/?token={served.token}",
        f"/%2fevil.example?token={served.token}",
        f"/\\evil.example?token={served.token}",
        f"/?token={served.token}&next=//evil.example",
        f"/;@evil.example?token={served.token}",
        "//evil.example",
        "/p/inner",
    ]:
        for headers in ((), (cookie,)):
            answer = await asked(served, "GET", path, *headers)
            assert answer.headers.get("location", "./") == "./", path
            assert b"evil.example" not in answer.body


async def test_a_stream_over_http_1_0(serve: Serve) -> None:
    """There are no chunks in it."""
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    head = request(served, "GET", "/stream?since=0", (cookie,)).replace(b"HTTP/1.1", b"HTTP/1.0")
    answer = await sent(served, head)
    assert answer.status == 505
    assert b"Traceback" not in served.err.read_bytes()


class _Files(http.server.SimpleHTTPRequestHandler):
    def __init__(self, wanted: list[str], *arguments: Any, **options: Any) -> None:
        self._wanted = wanted
        super().__init__(*arguments, **options)

    def log_message(self, *_: Any) -> None:
        self._wanted.append(self.path)


@contextmanager
def elsewhere(folder: Path, wanted: list[str] | None = None) -> Iterator[str]:
    """Another server of this machine, which serves a folder; its address. It tells what is asked of it."""
    handler = partial(_Files, [] if wanted is None else wanted, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a browser of its own."""
    if CHROMIUM is None:
        pytest.skip("no chromium is installed")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        # A machine that is busy takes its time for a browser.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments, timeout=120_000)
        page = browser.new_page()
        page.set_default_timeout(60_000)
        yield page
        browser.close()


def test_the_page_opens_from_a_file_and_from_a_link(serve: Serve, page: Page, tmp_path: Path) -> None:
    """As the command opens it, and a terminal within a web page: browsers hold the cookie back then."""
    served = serve(RUN)
    (tmp_path / "site").mkdir()
    start = tmp_path / "site/open.html"
    start.write_text(f'<meta http-equiv="refresh" content="0;url={served.url}">')
    for opened in (start.as_uri(), "link"):
        page.context.clear_cookies()
        with elsewhere(tmp_path / "site") as site:
            # Another name is another site.
            page.goto(
                opened if opened != "link" else f"http://{site.replace('127.0.0.1', 'localhost')}/open.html"
            )
            page.wait_for_url(served.base)
            assert page.get_by_role("heading", name="A secret title").is_visible()
        assert served.token not in page.content()
    (tmp_path / "site/link.html").write_text(f'<a href="{served.base}">to the report</a>')
    with elsewhere(tmp_path / "site") as site:
        page.goto(f"http://{site.replace('127.0.0.1', 'localhost')}/link.html")
        page.get_by_role("link").click()
        page.get_by_role("heading", name="A secret title").wait_for()
        page.context.clear_cookies()
        page.goto(f"http://{site}/link.html")
        page.get_by_role("link").click()
        page.get_by_text("401 Unauthorized").wait_for()


ATTACK = """
<!doctype html><title>evil</title><iframe name="frame"></iframe>
<form method="post" action="{base}run/stop" target="frame"><input name="a" value="b"></form>
<script>
const base = "{base}", got = [];
const tried = async (name, attempt) => {{
    try {{ got.push(name + " " + await attempt()); }} catch (error) {{ got.push(name + " -"); }}
}};
const loaded = (kind, path) => new Promise((resolve, reject) => {{
    const element = document.createElement(kind);
    element.onload = () => resolve("loaded"); element.onerror = reject;
    element.src = base + path; document.body.append(element);
}});
const options = {{ credentials: "include", mode: "no-cors" }};
(async () => {{
    await tried("post", async () => (await fetch(base + "run/pause", {{ ...options, method: "POST" }})).type);
    await tried("upload", async () => (await fetch(base + "uploads/upload", {{ ...options, method: "POST",
        body: "evil" }})).type);
    await tried("api", async () => (await fetch(base + "api/touch", options)).type);
    await tried("read", async () => await (await fetch(base + "state", {{ credentials: "include" }})).text());
    await tried("socket", () => new Promise((resolve, reject) => {{
        const socket = new WebSocket(base.replace("http", "ws") + "events?since=0");
        socket.onmessage = (event) => resolve(event.data); socket.onerror = reject;
    }}));
    await tried("stream", () => new Promise((resolve, reject) => {{
        const source = new EventSource(base + "stream?since=0", {{ withCredentials: true }});
        source.onmessage = (event) => resolve(event.data); source.onerror = reject;
    }}));
    await tried("image", () => loaded("img", "files/1/x.png"));
    await tried("script", () => loaded("script", "assets/main.js"));
    await tried("beacon", () => navigator.sendBeacon(base + "run/stop", "x") && "sent");
    document.forms[0].submit();
    setTimeout(() => {{ document.title = "over"; document.body.dataset.got = JSON.stringify(got); }}, 300);
}})();
</script>
"""


def test_s12_to_s18_a_page_of_another_port_in_a_real_browser(
    serve: Serve, page: Page, tmp_path: Path
) -> None:
    """The strongest stranger: what it asks for carries the cookie."""
    served = serve(RUN)
    page.goto(served.url)
    page.get_by_role("heading", name="A secret title").wait_for()
    (tmp_path / "site").mkdir()
    (tmp_path / "site/evil.html").write_text(ATTACK.format(base=served.base))
    with elsewhere(tmp_path / "site") as site:
        page.goto(f"http://{site}/evil.html")
        wait_for(lambda: page.title() == "over", 60)
        got = page.evaluate("JSON.parse(document.body.dataset.got)")
    assert len(got) == 9
    refused = {"read -", "socket -", "stream -", "image -", "script -"}
    assert refused <= set(got), got
    assert "secret" not in str(got)
    assert not (served.folder / "touched").exists()
    assert not list(served.folder.rglob("*evil*.txt"))

    async def stands() -> str:
        async with served.client() as session:
            return str((await state(session))["state"])

    page.goto("about:blank")
    stand: list[str] = []
    thread = threading.Thread(target=lambda: stand.append(asyncio.run(stands())))
    thread.start()
    thread.join()
    assert stand == ["running"]
