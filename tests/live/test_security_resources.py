"""What a run and its viewers lose to who attacks them: nothing. Names are the cases'."""

import ast
import asyncio
import gzip
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import quire
from quire.live import deadline
from tests.live.attack import Header, asked, connection, cookie_of, frame, request, sent, upgrade
from tests.live.conftest import Served, state

Serve = Callable[..., Served]

RUN = """
log.slider("rate", 0, 1, value=0.5)
log.number("size")
log.choice("kind", ["a", "b"])
log.checkbox("on")
log.text("name", longest=10)
log.button("go")
log.sketch("drawing", 2, 2)

@log.endpoint("GET", "/api/times", thread=True)
def times(n: int, scale: float = 1.0) -> float:
    Path("called").touch()
    return n * scale

@log.endpoint("POST", "/api/total", thread=True)
def total(values: list[float], name: str = "", exact: bool = False) -> float:
    Path("called").touch()
    return sum(values)

@log.endpoint("GET", "/api/broken", thread=True)
def broken() -> None:
    raise ValueError("/home/someone/secret")

Path("begun").touch()
for n in log.progress(range(100_000), "steps"):
    print("step", n)
    time.sleep(0.01)
"""


def same(served: Served) -> Header:
    return "Origin", f"http://127.0.0.1:{served.port}"


@asynccontextmanager
async def others_are_served(served: Served) -> AsyncIterator[None]:
    """Sees to it that, meanwhile, the run goes on and an older and a new viewer are served."""
    async with served.client() as session, session.ws_connect("events?since=0&page=") as viewer:
        await viewer.receive(10)
        before = (await state(session))["n"]
        yield
        began = time.monotonic()
        while json.loads((await viewer.receive(10)).data)["n"] <= before:
            assert time.monotonic() - began < 10
        assert (await state(session))["state"] == "running"
        assert (await state(session))["n"] > before
        async with served.client() as late, late.get("") as answer:
            assert answer.status == 200


async def ends(reader: asyncio.StreamReader, seconds: float) -> bytes:
    """What is still sent, up to the end of the connection.

    Raises:
        TimeoutError: it does not end.
    """
    got = b""
    async with asyncio.timeout(seconds):
        try:
            while piece := await reader.read(1 << 16):
                got += piece
        except ConnectionError:
            pass
    return got


async def drip(writer: asyncio.StreamWriter) -> None:
    """Sends a head that has no end."""
    while True:
        writer.write(b"X: y\r\n")
        await asyncio.sleep(0.2)


async def test_s38_half_sent_requests(serve: Serve) -> None:
    """Closed within 15 s, whatever their half is; others do not notice."""
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    whole = request(served, "GET", "/state", [cookie])
    body = ("Content-Length", "100")
    halves = [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\nHost:",
        whole[:-2],
        whole[:-2] + b"X: " + b"y" * 4000,
        request(served, "POST", "/controls/rate", [cookie, same(served), body]) + b"{",
        request(served, "POST", "/controls/rate", [body]) + b"{",
        request(served, "GET", "/state", [cookie, ("Connection", "keep-alive")]) + b"GET",
        whole[:-2] + b"Y: z\r\n",
    ]
    async with others_are_served(served), AsyncExitStack() as stack:
        readers = []
        for number in range(207):
            reader, writer = await stack.enter_async_context(connection(served))
            writer.write(halves[number % len(halves)])
            readers.append(reader)
        # The last one goes on and on, and gets no more time for it.
        dripping = asyncio.create_task(drip(writer))
        began = time.monotonic()
        assert (await asked(served, "GET", "/state", cookie)).status == 200
        assert time.monotonic() - began < 5
        await asyncio.gather(*(ends(reader, 25) for reader in readers))
        dripping.cancel()


async def test_s38_too_many_connections(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits for nothing makes room for a new one; who is answered is left alone."""
    monkeypatch.setattr(deadline, "MOST_CONNECTIONS", 5)
    deadlines = deadline.Deadlines()
    made: list[Any] = []

    class Transport:
        is_cut = False

        def abort(self) -> None:
            self.is_cut = True

    class Protocol:
        def __init__(self) -> None:
            self._current_request: object = None
            made.append(self)

        def connection_made(self, transport: object) -> None: ...

        def connection_lost(self, exc: object) -> None: ...

    transports = [Transport() for _ in range(9)]
    for number, transport in enumerate(transports):
        one = deadline.Deadline(Protocol, deadlines)
        one.connection_made(transport)
        made[-1]._current_request = "asked" if number in (0, 5, 6, 7) else None
    assert [transport.is_cut for transport in transports] == [number in (1, 2, 3, 4) for number in range(9)]
    assert len(deadlines.open) == 5
    last = deadline.Deadline(Protocol, deadlines)
    made[-2]._current_request = "asked"
    last.connection_made(one_more := Transport())
    assert one_more.is_cut
    for transport in list(deadlines.open):
        deadlines.open[transport].connection_lost(None)
    assert not deadlines.open


@pytest.mark.parametrize("kind", ["length", "chunked", "packed", "packed chunks"])
async def test_s39_large_bodies(serve: Serve, kind: str) -> None:
    """Refused at once, before much of it has come, or after little of it has been unpacked."""
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    bomb = gzip.compress(bytes(50 << 20))
    chunked = ("Transfer-Encoding", "chunked")
    packed = ("Content-Encoding", "gzip")
    headers, body, status = {
        "length": ((("Content-Length", str(5 << 30)),), b"x" * 1000, 413),
        "chunked": ((chunked,), b"%x\r\n" % (2 << 20) + bytes(2 << 20), 413),
        "packed": ((packed, ("Content-Length", str(len(bomb)))), bomb, 415),
        "packed chunks": ((packed, chunked), b"%x\r\n%b\r\n0\r\n\r\n" % (len(bomb), bomb), 415),
    }[kind]
    before = memory(served.server)
    async with others_are_served(served), connection(served) as (reader, writer):
        writer.write(request(served, "POST", "/controls/rate", [cookie, same(served), *headers]) + body)
        async with asyncio.timeout(9):
            line = await reader.readline()
        assert line.startswith(b"HTTP/1.1 %d" % status), line
    assert memory(served.server) - before < 20


def memory(pid: int) -> float:
    """In MB."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0]) / 1000


async def test_s39_huge_heads(serve: Serve) -> None:
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    async with others_are_served(served):
        for headers, target in [
            ([("X", "y" * 100_000)], "/state"),
            ([(f"X{n}", "y") for n in range(20_000)], "/state"),
            ([("X" * 100_000, "y")], "/state"),
            ([("Cookie", "a=b; " * 50_000)], "/state"),
            ([], "/state?" + "x" * 100_000),
            ([], "/" + "a/" * 50_000),
        ]:
            answer = await sent(served, request(served, "GET", target, [cookie, *headers]))
            assert answer.status in (400, 0), answer.raw
            assert b"yyyy" not in answer.raw


FLOODS: dict[str, Iterable[bytes]] = {
    "a mebibyte": [frame(1, bytes(1 << 20))],
    "a head that promises more": [b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"],
    "tiny frames": [frame(1, b"x") * 100_000],
    "pings": [frame(9, b"x") * 1_000] * 100,
    "pongs": [frame(10) * 1_000] * 100,
    "endless fragments": [frame(1, b"x", final=False) + frame(0, b"x", final=False) * 100_000],
    "endless empty fragments": [frame(1, final=False), *[frame(0, final=False) * 1_000] * 100],
    "bad UTF-8": [frame(1, b"\xff\xfe")],
    "bad JSON": [frame(1, b"{{{")],
    "good JSON": [frame(1, b'{"do": "steer", "action": "exit"}')],
    "an unknown type": [frame(3, b"x")],
    "reserved bits": [frame(1, b"x", reserved=4)],
    "packed": [frame(1, b"\xaa\x56", reserved=4)],
    "a ping that is too long": [frame(9, bytes(126))],
    "a part without a beginning": [frame(0, b"x")],
    "no mask": [b"\x81\x01x"],
    "a strange end": [frame(8, b"\x00")],
    "no frames": [b"GET / HTTP/1.1\r\n\r\n"],
}


@pytest.mark.parametrize("packs", [False, True])
async def test_s40_hostile_frames(serve: Serve, packs: bool) -> None:
    """Each ends its own connection, and nothing else."""
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    pack = (("Sec-WebSocket-Extensions", "permessage-deflate"),) if packs else ()
    before = memory(served.server)
    async with others_are_served(served):
        for name, flood in FLOODS.items():
            async with connection(served) as (reader, writer):
                head = [cookie, same(served), *upgrade(), *pack]
                writer.write(request(served, "GET", "/events?since=0", head))
                answer = await reader.readuntil(b"\r\n\r\n")
                assert answer.startswith(b"HTTP/1.1 101 ")
                assert b"extensions" not in answer.lower(), "nothing is unpacked"
                ending = asyncio.create_task(ends(reader, 20))
                for data in flood:
                    writer.write(data)
                    await asyncio.sleep(0)
                try:
                    await ending
                except TimeoutError:
                    pytest.fail(f"{name} is borne")
        async with served.client() as session:
            assert (await state(session))["viewers"] == 1
    assert memory(served.server) - before < 30


async def test_s40_who_asks_without_listening(serve: Serve) -> None:
    """Requests one behind the other, and streams that nobody reads: what waits is bounded."""
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    keep = ("Connection", "keep-alive")
    before = memory(served.server)
    async with others_are_served(served), AsyncExitStack() as stack:
        for target in ["/nothing", "/", "/stream?since=0", "/log", "/log?tail=0"] * 4:
            for headers in ([keep], [keep, cookie]):
                _, writer = await stack.enter_async_context(connection(served))
                # A megabyte, or what of it the server takes.
                writer.write(request(served, "GET", target, headers) * 5_000)
        await asyncio.sleep(1)
    assert memory(served.server) - before < 60


BAD_VALUES: dict[str, list[str]] = {
    "slider": ["NaN", "Infinity", "1e308", "1e999", "-1", '"x"', "null", "true", "[]", "{}", "1" + "0" * 400],
    "number": [
        "NaN",
        "-Infinity",
        "1e999",
        '"1"',
        "null",
        "false",
        "[1]",
        "1" + "0" * 400,
        "-1" + "0" * 4000,
    ],
    "choice": ['"c"', "1", "null", '["a"]', '""'],
    "checkbox": ["1", '"true"', "null", "[]"],
    "text": ["1", '"12345678901"', "null", '["a"]'],
    "button": ["-1", "1.5", "true", "9007199254740992", '"1"', "1" + "0" * 400],
    "sketch": [
        "[]",
        "[1, 2, 3]",
        "[0, 0, 0, 2]",
        "[0, 0, 0, -1]",
        '[0, 0, 0, "x"]',
        "[NaN, 0, 0, 0]",
        "1",
        "null",
    ],
}


async def test_s41_values_that_are_none(serve: Serve) -> None:
    """Refused with the name of the field; what was set before stays."""
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    before = (await asked(served, "GET", "/", cookie)).body

    async def refused(path: str, body: str, *fields: str) -> None:
        answer = await asked(served, "POST", path, cookie, same(served), body=body.encode())
        assert answer.status == 422, (path, body[:99], answer.raw)
        told = json.loads(answer.body)
        assert told["field"] in fields, (body[:99], told)
        assert len(told["error"]) < 500

    for key, values in BAD_VALUES.items():
        for value in values:
            await refused(f"/controls/{key}", f'{{"value": {value}}}', "value", "body")
    million = json.dumps([0] * 300_000)
    await refused("/controls/sketch", f'{{"value": {million}}}', "value")
    await refused("/controls/slider", "{}", "value")
    for body in ("[]", "1", "null", "{", "\x00", "[" * 100_000, '{"value": ' + "[" * 100_000, "1" * 5_000):
        await refused("/controls/slider", body, "value", "body")
    for body, field in [
        ("{}", "values"),
        ('{"values": 1}', "values"),
        ('{"values": [1, "x"]}', "values"),
        ('{"values": [1e999]}', "values"),
        (f'{{"values": {million}}}', "values"),
        ('{"values": [1], "name": 1}', "name"),
        ('{"values": [1], "exact": 2}', "exact"),
        ('{"values": [1], "exact": []}', "exact"),
        ('{"values": [1], "other": 2}', "other"),
        ('{"values": [1], "__class__": 2}', "__class__"),
    ]:
        await refused("/api/total", body, field)
    for query, field in [
        ("", "n"),
        ("n=", "n"),
        ("n=x", "n"),
        ("n=nan", "n"),
        ("n=1.5", "n"),
        ("n=1e308", "n"),
        ("n=" + "9" * 5_000, "n"),
        ("n=1&scale=inf", "scale"),
        ("n=1&scale=1e999", "scale"),
        ("n=1&evil=1", "evil"),
    ]:
        answer = await asked(served, "GET", f"/api/times?{query}", cookie)
        assert (answer.status, json.loads(answer.body)["field"]) == (422, field), query
    for path in (
        "/log?from=x",
        "/log?tail=1.5",
        "/poll?since=x",
        "/events?since=",
        f"/stream?since={'9' * 5000}",
    ):
        answer = await asked(served, "GET", path, cookie, *(upgrade() if "events" in path else ()))
        assert answer.status == 422, (path, answer.raw)
    assert not (served.folder / "called").exists()
    assert controls(before) == controls((await asked(served, "GET", "/", cookie)).body)


def controls(page: bytes) -> list[str]:
    """The fields on a page as they stand."""
    return re.findall(r"<(?:input|select|option|button)[^>]*>", page.decode())


async def test_s41_places_that_are_none(serve: Serve) -> None:
    """Far beyond the end of the log, and of all numbers."""
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    huge = 10**30
    for query in (
        f"from={huge}",
        f"from=5&to={huge}",
        f"from={huge}&to={2 * huge}",
        f"tail={huge}",
        "from=9&to=2",
    ):
        answer = await asked(served, "GET", f"/log?{query}", cookie)
        assert answer.status == 200, query
        assert answer.raw.endswith(b"0\r\n\r\n"), query
    answer = await asked(served, "GET", f"/poll?since={huge}", cookie)
    assert json.loads(answer.body)["reset"]


async def test_a_text_that_is_no_text(serve: Serve) -> None:
    """Half of a pair of surrogates is in no encoding: the page is still there for all."""
    served = await serve(RUN + "# ").begun()
    cookie = await cookie_of(served)
    for value in (r'"\ud800"', r'"\u0000\u001b[31m"', r'"\u202e\u2028"'):
        answer = await asked(
            served, "POST", "/controls/text", cookie, same(served), body=f'{{"value": {value}}}'.encode()
        )
        assert answer.status in (204, 422)
        for path in ("/", "/report.html", "/report.zip", "/poll?since=0"):
            assert (await asked(served, "GET", path, cookie)).status == 200, (value, path)
    async with others_are_served(served):
        pass


FORBIDDEN = {"eval", "exec", "compile", "__import__"}
LOADERS = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "marshal",
    "shelve",
    "yaml",
    "xml",
}
ROOMS = ["live", "web", "controls.py", "fields.py", "interaction.py", "steering.py", "codec.py", "journal.py"]
ROOMS += ["record.py", "offers.py", "folder.py", "names.py", "tree.py", "terminal_text.py", "images.py"]


def sources() -> list[Path]:
    """The modules that see what comes from a request."""
    root = Path(quire.__file__).parent
    rooms = [root / room for room in ROOMS]
    assert all(room.exists() for room in rooms)
    return sorted(path for room in rooms for path in ([room] if room.is_file() else room.rglob("*.py")))


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.stem)
def test_s43_nothing_runs_what_comes_from_a_request(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = node.module if isinstance(node, ast.ImportFrom) else ""
            roots = {(name or "").partition(".")[0] for name in [module, *(part.name for part in node.names)]}
            assert not roots & LOADERS, f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else ""
            assert name not in FORBIDDEN, f"{path.name}:{node.lineno}"
            options = {option.arg: option.value for option in node.keywords}
            for option in ("allow_pickle", "shell"):
                assert option not in options, f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Attribute):
            assert node.attr not in ("system", "import_module"), f"{path.name}:{node.lineno}"


async def test_s44_s45_answers_tell_nothing_of_the_machine(serve: Serve) -> None:
    served = await serve(RUN).begun()
    cookie = await cookie_of(served)
    answers = [
        await asked(served, "GET", "/api/broken", cookie),
        await asked(served, "GET", "/nothing", cookie),
        await asked(served, "GET", "/p/none/", cookie),
        await asked(served, "POST", "/nothing", cookie, same(served)),
        await asked(served, "DELETE", "/", cookie, same(served)),
        await asked(served, "GET", "/events", cookie),
        await asked(served, "GET", "/events", cookie, *upgrade()[:2]),
        await asked(served, "GET", "/", ("Accept", "text/html")),
        await asked(served, "GET", "/", host="evil.example"),
        await sent(served, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        await sent(served, b"GET / HTTP/1.1\r\nHost\r\n\r\n"),
        await sent(served, b"<script>alert(1)</script> / HTTP/1.1\r\n\r\n"),
        await sent(served, b"GET / HTTP/1.1\r\nAccept: text/html\r\nX: \x1b]0;owned\x07\x00\r\n\r\n"),
        await sent(served, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ]
    for answer in answers:
        assert 400 <= answer.status <= 505, answer.raw
        assert answer.headers["server"] == "quire"
        for told in (
            "aiohttp",
            "Python/",
            "/home",
            "secret",
            "site-packages",
            str(served.folder),
            "Traceback",
        ):
            assert told.encode() not in answer.raw, (told, answer.raw)
        for told in (version("aiohttp"), quire.__version__, "alert(1)", "owned"):
            assert told.encode() not in answer.raw, (told, answer.raw)
    assert json.loads(answers[0].body)["error"].startswith("ValueError (error ")
    # Nor does a stranger write on the user's terminal.
    text = served.err.read_text() + served.out.read_text()
    for told in ("aiohttp", "owned", "alert(1)", "\x1b", "BadStatusLine", "BadHttpMessage"):
        assert told not in text, told
