"""Who gets in: tokens, cookies, addresses. Names are the cases'."""

import asyncio
import os
import re
import secrets
import socket
import subprocess
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request, unused_port

from quire.live import address
from quire.live.deadline import Deadlines
from quire.live.guard import Guard
from quire.live.routes import Routes
from quire.live.server import application
from quire.serving import Serving
from tests.live.attack import Header, asked, cookie_of, upgrade
from tests.live.conftest import HEAD, Served, until, wait_for

Serve = Callable[..., Served]

SECRET = "log.h1('A secret title')\nprint('a secret line')\ntime.sleep(60)"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def an_application(**options: Any) -> web.Application:
    """The application itself, with nothing behind it."""
    made = {"port": 8000, "hosts": ["127.0.0.1"], "origins": [], "token": "right", "session": "ours"}
    here = Guard(**{"everywhere": False, **made, **options})

    def nobody(*_: str) -> Any:
        raise AssertionError("the guard let this through")

    return application(Routes(nobody, nobody), here, Deadlines())


async def test_s1_without_a_token(serve: Serve) -> None:
    served = serve(SECRET)
    answer = await asked(served, "GET", "/")
    assert answer.status == 401
    for told in (b"secret", served.token.encode(), b"demo"):
        assert told not in answer.raw
    assert "set-cookie" not in answer.headers


async def test_s2_guessing_is_told_to_wait_and_the_owner_is_not(serve: Serve) -> None:
    served = serve(SECRET)
    cookie = await cookie_of(served)
    tries = [asked(served, "GET", f"/?token=wrong{n}") for n in range(60)]
    bearers = [asked(served, "GET", "/state", ("Authorization", f"Bearer {n}")) for n in range(40)]
    statuses = [answer.status for answer in await asyncio.gather(*tries, *bearers)]
    assert set(statuses) == {401, 429}
    assert statuses.count(401) <= 31
    assert (await asked(served, "GET", "/?token=one+more")).status == 429
    assert (await asked(served, "GET", "/state", cookie)).status == 200
    # Nor are those kept out who know it.
    assert (await asked(served, "GET", f"/?token={served.token}")).status == 303
    assert (await asked(served, "GET", "/state", ("Authorization", f"Bearer {served.token}"))).status == 200


@pytest.mark.parametrize("wrong", ["", "é", "%00", "right%00", "righ", "rightt", "RIGHT", "a" * 4000])
async def test_s2_tokens_are_compared_in_constant_time(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = secrets.compare_digest

    def digest(given: bytes, right: bytes) -> bool:
        compared.append((given, right))
        return bool(compare(given, right))

    monkeypatch.setattr(secrets, "compare_digest", digest)
    async with TestClient(TestServer(an_application())) as client:
        headers = {"Host": "127.0.0.1:8000"}
        async with client.get(f"/?token={wrong}", headers=headers, allow_redirects=False) as answer:
            assert answer.status == 401
        assert not wrong or compared.pop()[1] == b"right"
        async with client.get("/", headers=headers | {"Cookie": "quire-8000=our"}) as answer:
            assert answer.status == 401
        assert compared.pop() == (b"our", b"ours")
        async with client.get("/?token=right", headers=headers, allow_redirects=False) as answer:
            assert answer.status == 303


async def test_s3_the_token_is_given_away_once(serve: Serve) -> None:
    served = serve(SECRET)
    answer = await asked(served, "GET", f"/?token={served.token}")
    assert (answer.status, answer.headers["location"], answer.body) == (303, "./", b"")
    name, _, rest = answer.headers["set-cookie"].partition("=")
    assert name == f"quire-{served.port}"
    attributes = {part.strip().lower() for part in rest.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= attributes
    assert not any(attribute.startswith("domain") for attribute in attributes)
    assert served.token not in rest, "the cookie is another secret"


async def test_s3_the_token_leaves_the_address_of_who_is_in_already(serve: Serve) -> None:
    served = serve(SECRET)
    cookie = await cookie_of(served)
    for token in (served.token, "of-an-earlier-run"):
        answer = await asked(served, "GET", f"/?token={token}", cookie)
        assert (answer.status, answer.headers["location"]) == (303, "./")


async def test_s3_the_token_is_nowhere_else(serve: Serve) -> None:
    served = serve(SECRET)
    processes = subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=True).stdout
    assert served.token not in processes
    async with served.client() as session:
        await until(session, "running")
        for path in ("", "state", "log?tail=9999", "poll?since=0", "report.html", "report.zip"):
            async with session.get(path) as answer:
                assert answer.status == 200
                assert answer.headers["Referrer-Policy"] == "no-referrer"
                assert served.token.encode() not in await answer.read()
                assert served.token not in str(answer.headers)
        async with session.get("") as answer:
            assert "token" not in str(answer.url)
    assert served.token not in served.err.read_text()
    for file in served.document.parent.rglob("*"):
        assert not file.is_file() or served.token.encode() not in file.read_bytes()


def test_s4_secrets_are_long_and_of_one_run(serve: Serve) -> None:
    tokens = set()
    for _ in range(20):
        here = address.Address(Serving())
        told = here.told()
        here.close()
        tokens |= {told["token"], told["session"]}
    assert len(tokens) == 40
    assert all(len(token) * 6 >= 128 and re.fullmatch(r"[\w-]+", token) for token in tokens)
    ours, others = serve("time.sleep(60)", name="one.py"), serve("time.sleep(60)", name="two.py")
    assert ours.token != others.token


def addresses() -> list[str]:
    """An example of each address that is served, as the router has it."""
    found = set()
    for route in an_application().router.routes():
        assert route.resource is not None
        found.add(re.sub(r"\{[^}]*\}", "1", route.resource.canonical))
    return sorted(found)


async def test_s5_nothing_is_served_without_the_cookie(serve: Serve) -> None:
    """Walks the router, so that a route which is added later is tried too."""
    found = addresses()
    assert {"/", "/log", "/api/1", "/run/1", "/events", "/files/1/1"} <= set(found)
    served = serve(SECRET)
    others = ["/nothing", "//", "/%2e%2e/", "/assets/../state", "/api/"]
    tries: list[tuple[str, str, tuple[Header, ...]]] = [
        (method, path, ()) for path in found + others for method in METHODS
    ]
    tries += [("GET", path, upgrade()) for path in found + others]
    for method, path, headers in tries:
        answer = await asked(served, method, path, *headers)
        assert answer.status in (401, 405), (method, path, answer.raw)
        assert b"secret" not in answer.raw
        assert method != "HEAD" or not answer.body
    assert (await asked(served, "GET", "/", await cookie_of(served))).status == 200


async def test_s5_strange_methods_and_expectations(serve: Serve) -> None:
    served = serve(SECRET)
    assert (await asked(served, "TRACE", "/")).status == 401
    assert (await asked(served, "PROPFIND", "/state")).status == 401
    answer = await asked(served, "POST", "/run/exit", ("Expect", "much"), body=b"x")
    assert answer.status == 417
    assert b"secret" not in answer.raw
    answer = await asked(served, "POST", "/run/exit", ("Expect", "100-continue"), body=b"x")
    assert b"401 Unauthorized" in answer.raw


def listening(port: int) -> set[str]:
    """The addresses of this machine at which a port is open, as the kernel writes them."""
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            local, state = line.split()[1], line.split()[3]
            if local.endswith(f":{port:04X}") and state == "0A":
                found.add(local.partition(":")[0])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's list of open ports")
def test_s6_by_default_only_this_machine(serve: Serve) -> None:
    served = serve("time.sleep(60)")
    assert listening(served.port) == {"0100007F"}


async def test_s6_another_address_keeps_the_token_and_warns(serve: Serve) -> None:
    """By an address that only this machine has, but that is none of the usual ones."""
    served = serve(SECRET, "--host", "127.0.0.2")
    assert served.url.startswith(f"http://127.0.0.2:{served.port}/?token=")
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.2:{served.port}/") as answer:
            assert answer.status == 401
        async with session.get(served.url, allow_redirects=False) as answer:
            assert answer.status == 303


def run_quire(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`quire serve` with a demo that would say so if it ran."""
    (folder / "demo.py").write_text(
        f"{HEAD}\ndef main(log: NotebookOutput) -> None:\n    print('it runs')\n    time.sleep(0.1)\n"
    )
    command = [sys.executable, "-m", "quire", "serve", "demo.py", "--no-browser", "--exit-when-done"]
    return subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


def test_s6_the_warning(tmp_path: Path) -> None:
    done = run_quire(tmp_path, "--host", "127.0.0.2")
    assert done.returncode == 0
    assert "Warning: 127.0.0.2 can be reached by others" in done.stdout + done.stderr
    assert "Warning" not in (quiet := run_quire(tmp_path)).stdout + quiet.stderr


def test_s7_another_address_is_not_served_without_a_token(tmp_path: Path) -> None:
    done = run_quire(tmp_path, "--host", "127.0.0.2", "--no-token")
    assert done.returncode == 2
    assert "without a token" in done.stderr
    assert "http://" not in done.stdout + done.stderr
    assert "it runs" not in done.stdout
    for host in ("0.0.0.0", "::", "", "127.0.0.2", "this.host.does.not.exist.invalid"):
        with pytest.raises(OSError, match="without a token"):
            address.Address(Serving(host=host, token=False))


def test_an_origin_that_is_none_is_refused(tmp_path: Path) -> None:
    """It would never match, or, worse, match what names no host."""
    done = run_quire(tmp_path, "--origin", "hub.example")
    assert done.returncode == 2
    assert "is no origin: write one like https://hub.example" in done.stderr
    assert "it runs" not in done.stdout
    for origin in ("*", "null", "", "https://", "file:///x", "https://a@b", "https://a/b", "http://a:x"):
        with pytest.raises(OSError, match="is no origin"):
            address.Address(Serving(origins=(origin,)))


async def test_an_origin_is_read_as_browsers_write_it(serve: Serve) -> None:
    served = serve(SECRET, "--origin", "HTTPS://Hub.Example:443/", "--origin", "http://proxy:8080")
    cookie = await cookie_of(served)
    for host, origin, status in [
        ("hub.example", "https://hub.example", 204),
        ("proxy:8080", "http://proxy:8080", 204),
        (f"127.0.0.1:{served.port}", "https://hub.example", 204),
        ("hub.example", "http://hub.example", 403),
        ("hub.example", "https://hub.example:8443", 403),
        ("hub.example:8443", "https://hub.example", 421),
        ("proxy", "http://proxy:8080", 421),
    ]:
        answer = await asked(served, "POST", "/run/resume", cookie, ("Origin", origin), host=host)
        assert answer.status == status, (host, origin, answer.raw)


async def test_all_addresses_served_means_those_and_no_names() -> None:
    """With `--host 0.0.0.0`: the address that was reached, and this machine's own name."""
    port = unused_port()
    served = an_application(port=port, everywhere=True, hosts=["our-host"])
    async with TestServer(served, host="127.0.0.1", port=port) as server:
        client: TestClient[web.Request, None] = TestClient(server)
        for host, status in [
            (f"127.0.0.1:{port}", 401),
            (f"our-host:{port}", 401),
            (f"127.0.0.9:{port}", 421),
            (f"0.0.0.0:{port}", 421),
            (f"elsewhere.example:{port}", 421),
            ("127.0.0.1:1", 421),
        ]:
            async with client.get("/", headers={"Host": host}) as answer:
                assert answer.status == status, host
        await client.close()


@pytest.mark.parametrize(
    ("reached", "host"),
    [
        ("192.168.7.7", "192.168.7.7"),
        ("::ffff:192.168.7.7", "192.168.7.7"),
        ("fe80::1%eth0", "[fe80::1]"),
        ("2001:db8::1", "[2001:db8::1]"),
    ],
)
async def test_an_address_that_is_reached_is_known_as_browsers_write_it(reached: str, host: str) -> None:
    here = Guard(port=80, hosts=[], origins=[], token="right", session="ours", everywhere=True)
    transport = mock.Mock()
    transport.get_extra_info.return_value = (reached, 80)

    async def handler(request: web.Request) -> web.Response:
        return web.Response()

    for name, status in ((f"{host}:80", 401), ("192.168.7.8:80", 421), ("[fe80::1%eth0]:80", 421)):
        request = make_mocked_request("GET", "/", {"Host": name}, transport=transport)
        assert (await here.handle(request, handler)).status == status


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_all_addresses_are_told_by_the_name_of_the_machine(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(address, "_bound", lambda serving: mock.Mock(getsockname=lambda: (host, 8000)))
    monkeypatch.setattr(socket, "gethostname", lambda: "Our-Host")
    here = address.Address(Serving(host=host))
    assert here.url.startswith("http://our-host:8000/?token=")
    told = here.told()
    assert told["everywhere"]
    assert told["hosts"] == ["127.0.0.1", "::1", "localhost", "our-host"]


async def test_s8_two_runs_in_one_browser(serve: Serve) -> None:
    """Cookies know no ports: each run has one of its own name."""
    names = ("the first", "the second")
    runs = [serve(f"log.h1({name!r})\ntime.sleep(60)", name=f"n{n}.py") for n, name in enumerate(names)]
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        for served in runs:
            async with browser.get(served.url) as answer:
                assert answer.status == 200
        for served, name in zip(runs, names, strict=True):
            async with browser.get(served.base) as answer:
                assert answer.status == 200
                assert name in await answer.text()


async def test_s8_a_cookie_that_another_server_set_locks_nobody_out(serve: Serve) -> None:
    """Any server of this machine can set one of our name; the browser then sends both."""
    served = serve(SECRET)
    name, ours = await cookie_of(served)
    theirs = ours.partition("=")[0] + "=theirs"
    for both in (f"{theirs}; {ours}", f"{ours}; {theirs}", f'x="; {theirs}; {ours}', f"{theirs};{ours};=;;"):
        assert (await asked(served, "GET", "/state", (name, both))).status == 200, both
    assert (await asked(served, "GET", "/state", (name, theirs))).status == 401
    value = ours.partition("=")[2]
    for wrong in (f"quire-1={value}", value, f"x{ours}", f"{ours}x", ours.upper()):
        assert (await asked(served, "GET", "/state", (name, wrong))).status == 401, wrong


def test_s9_the_file_that_opens_the_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    for name in ("SSH_CONNECTION", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    before = os.umask(0)
    try:
        address.open_browser("http://127.0.0.1:1/?token=secret", tmp_path)
    finally:
        os.umask(before)
    wait_for(lambda: opened)
    assert "secret" not in opened[0], "what opens a browser stands in the list of processes"
    page = Path(opened[0].removeprefix("file://"))
    assert "token=secret" in page.read_text()
    assert page.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_s9_what_a_run_writes_is_its_users_alone(serve: Serve) -> None:
    """The journal, and the socket that steers the run, in a folder that nobody else may enter."""
    served = serve(SECRET)
    folder = served.document.parent
    journal = sorted(path.name for path in folder.glob(".quire-*.tmp"))
    assert journal == [".quire-journal.tmp", ".quire-log.tmp"]
    assert all((folder / name).stat().st_mode & 0o077 == 0 for name in journal)
    opened = {os.readlink(path) for path in Path(f"/proc/{served.pid}/fd").iterdir()}  # noqa: PTH115 - no paths
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:]]
    sockets = {Path(line[7]) for line in lines if len(line) > 7 and f"socket:[{line[6]}]" in opened}
    assert {path.name for path in sockets} == {"run.sock"}
    for path in sockets:
        assert path.parent.stat().st_mode & 0o077 == 0
        assert not path.is_relative_to(served.folder)
