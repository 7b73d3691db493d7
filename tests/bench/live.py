"""What serving a run costs the run, and how soon and how much its viewers see.

    python -m tests.bench.live [--quick] [--write docs/performance.md]

Measured beside a bare aiohttp WebSocket that sends the same lines in batches of 16 ms, which is the
limit, in the same run. Viewers are sockets of one other process, which reads what comes and looks into
the messages of one viewer in ten. All of it shares the machine: nothing else may run meanwhile.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from quire import provenance
from tests.bench.document import tell

NUMPY_STEP = "x = np.tanh(x @ w)"
PYTHON_STEP = "x = sum(i * i for i in range(60_000))"

TRAIN = """
import time
import numpy as np
from quire import NotebookOutput

def train(log: NotebookOutput, seconds: float = 10.0, events: float = 20.0) -> None:
    x = np.random.rand(500, 500); w = np.random.rand(500, 500) / 500
    steps = 0
    told = began = time.perf_counter()
    while (now := time.perf_counter()) - began < seconds:
        {step}
        steps += 1
        if events and now - told > 1 / events:
            told = now
            print("event", time.time())
    print("steps", steps)
"""
LINES = """
import time
from quire import NotebookOutput

def lines(log: NotebookOutput, seconds: float = 10.0, rate: float = 0.0) -> None:
    began, number = time.perf_counter(), 0
    while (now := time.perf_counter()) - began < seconds:
        if rate and number > (now - began) * rate:
            time.sleep(0.001)
            continue
        print(f"line {number:08d} {time.time():.4f} ................")
        number += 1
    print("printed", number)
"""
MANY = """
from quire import NotebookOutput

def lines(log: NotebookOutput, count: int) -> None:
    with log.code():
        for number in range(count):
            print(f"line {number:08d}", "." * 80)
    print("printed", count)
"""
BARE = """
import asyncio, json, sys, time
from aiohttp import web

RATE = float(sys.argv[1])

async def main():
    sockets = set()

    async def events(request):
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        sockets.add(socket)
        async for _ in socket:
            pass
        sockets.discard(socket)
        return socket

    app = web.Application()
    app.router.add_get("/events", events)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    print(json.dumps({"url": f"http://127.0.0.1:{port}/?token=", "port": port, "pid": 0}), flush=True)
    number, began = 0, time.perf_counter()
    while True:
        await asyncio.sleep(0.016)
        if not sockets:
            number, began = 0, time.perf_counter()
            continue
        due = int((time.perf_counter() - began) * RATE) - number if RATE else 4000
        text = "".join(
            f"line {number + n:08d} {time.time():.4f} ................\\n" for n in range(due)
        )
        number += due
        if text:
            message = json.dumps({"log": {"text": text}})
            await asyncio.gather(*(socket.send_str(message) for socket in sockets))

asyncio.run(main())
"""


class Reader(asyncio.Protocol):
    """A viewer: counts lines, and of every tenth looks when each was printed."""

    def __init__(self, number: int, head: bytes) -> None:
        self.head = head
        self.looks = number % 10 == 0
        self.lines = 0
        self.delays: list[float] = []
        self.rest = b""
        self.began = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(self.head)

    def data_received(self, data: bytes) -> None:
        if not self.began:
            self.began = True
            assert data.startswith(b"HTTP/1.1 101"), data[:200]
        self.lines += data.count(b"line 0") + data.count(b"event ")
        if self.looks:
            now = time.time()
            for piece in data.replace(b"event ", b"line 00000000 ").split(b"line 0")[1:]:
                with contextlib.suppress(ValueError, IndexError):
                    self.delays.append(now - float(piece.split(b" ", 2)[1].split(b"\\")[0]))


async def watch(told: dict[str, Any], viewers: int, seconds: float, ask: bool) -> dict[str, Any]:
    """Connects so many viewers for so long; what they saw."""
    address = urlsplit(told["url"])
    token = address.query.removeprefix("token=")
    key = base64.b64encode(os.urandom(16)).decode()
    head = (
        f"GET /events?since=0&page= HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Origin: http://{address.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    readers = [Reader(number, head) for number in range(viewers)]
    for reader in readers:
        await loop.create_connection(lambda reader=reader: reader, address.hostname, told["port"])  # type: ignore[misc]
    await asyncio.sleep(1.0)
    for reader in readers:
        reader.lines = 0
        reader.delays.clear()
    began = time.perf_counter()
    asked: list[float] = []
    while time.perf_counter() - began < seconds:
        await asyncio.sleep(0.25)
        if ask:
            asked.append(await timed_get(address.hostname or "", told["port"], address.netloc, token))
    spent = time.perf_counter() - began
    delays = sorted(delay for reader in readers for delay in reader.delays)
    return {
        "lines": sum(reader.lines for reader in readers) / spent,
        "median": delays[len(delays) // 2] if delays else 0.0,
        "p99": delays[int(len(delays) * 0.99)] if delays else 0.0,
        "get": sorted(asked)[int(len(asked) * 0.99)] if asked else 0.0,
    }


async def timed_get(host: str, port: int, netloc: str, token: str) -> float:
    """How long the page takes to come, in seconds."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        f"GET / HTTP/1.1\r\nHost: {netloc}\r\nAuthorization: Bearer {token}\r\n"
        "Connection: close\r\n\r\n".encode()
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    await reader.read()
    writer.close()
    return time.perf_counter() - began


def page_of(told: dict[str, Any]) -> float:
    """How long the page of a server takes to come, in seconds."""
    address = urlsplit(told["url"])
    token = address.query.removeprefix("token=")
    return asyncio.run(timed_get(address.hostname or "", told["port"], address.netloc, token))


@contextmanager
def serving(
    folder: Path, script: str, *options: str
) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """A script under `quire serve`."""
    (folder / "script.py").write_text(script)
    out = folder / "out.txt"
    command = [sys.executable, "-m", "quire", "serve", "script.py", "--no-browser", "--json", *options]
    with out.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, stdout=file, text=True)
    try:
        yield first_line(out), process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def bare(folder: Path, rate: float) -> Iterator[dict[str, Any]]:
    """The bare server."""
    (folder / "bare.py").write_text(BARE)
    out = folder / "bare.txt"
    with out.open("w") as file:
        process = subprocess.Popen([sys.executable, "bare.py", str(rate)], cwd=folder, stdout=file)
    try:
        yield first_line(out)
    finally:
        process.kill()
        process.wait()


def first_line(out: Path) -> dict[str, Any]:
    """What a server says of its address."""
    end = time.monotonic() + 20
    while "\n" not in (text := out.read_text()):
        assert time.monotonic() < end, "the server did not start"
        time.sleep(0.01)
    told: dict[str, Any] = json.loads(text.partition("\n")[0])
    return told


def server_of(process: "subprocess.Popen[str]") -> int:
    """The process id of the server that a keeper keeps."""
    found = subprocess.run(
        ["pgrep", "-P", str(process.pid), "-f", "quire.live.server"],
        capture_output=True,
        text=True,
        check=True,
    )
    return int(found.stdout.split()[0])


def memory_of(pid: int) -> float:
    """The memory that a process has, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1000


def viewers_and_training(folder: Path, seconds: float, rounds: int) -> Iterator[str]:
    """200 viewers x 20 events/s beside training: what they see, and what it costs.

    The viewers cost something too; the bare server with as many tells how much.
    """
    yield "### 200 viewers, 20 events a second, beside training\n"
    yield "Step time is that over the same run without server and viewers.\n"
    yield ("| training | step time | beside bare aiohttp | delay, median | delay, p99 | GET, p99 | server |")
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, step in (("NumPy", NUMPY_STEP), ("pure Python, holding the GIL", PYTHON_STEP)):
        script = TRAIN.format(step=step)
        alone, limit, served, seen, memory = [], [], [], [], 0.0
        for _ in range(rounds):
            (folder / "script.py").write_text(script)
            alone.append(trained(folder, seconds))
            with bare(folder, 20) as told:
                limit.append(asyncio.run(beside(folder, told, seconds)))
            with serving(folder, script, "--seconds", str(seconds + 4)) as (told, process):
                seen.append(asyncio.run(watch(told, 200, seconds, ask=True)))
                memory = max(memory, memory_of(server_of(process)))
                text = printed(folder, "steps")
            served.append(steps_in(text) / (seconds + 4))
        plain = statistics.median(alone)
        ours, theirs = plain / statistics.median(served), plain / statistics.median(limit)
        worst = {part: statistics.median(one[part] for one in seen) for part in seen[0]}
        yield (
            f"| {name} | x {ours:.3f} | x {theirs:.3f} "
            f"| {worst['median'] * 1e3:.0f} ms | {worst['p99'] * 1e3:.0f} ms "
            f"| {worst['get'] * 1e3:.0f} ms | {memory:.0f} MB |"
        )
    yield ""


def trained(folder: Path, seconds: float) -> float:
    """Steps a second of the script under `quire run`."""
    command = [sys.executable, "-m", "quire", "run", "script.py", "--seconds", str(seconds)]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return steps_in(run.stdout) / seconds


async def beside(folder: Path, told: dict[str, Any], seconds: float) -> float:
    """Steps a second of the script beside 200 viewers of another server."""
    viewers = asyncio.create_task(watch(told, 200, seconds + 3, ask=False))
    await asyncio.sleep(1.0)
    found = await asyncio.to_thread(trained, folder, seconds)
    await viewers
    return found


def printed(folder: Path, what: str, seconds: float = 60.0) -> str:
    """The output of a served run, once it holds `what`."""
    end = time.monotonic() + seconds
    while what not in (text := (folder / "out.txt").read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    return text


def steps_in(text: str) -> float:
    """How many steps a run says it took."""
    return float(text.rpartition("steps ")[2].split()[0])


def throughput(folder: Path, seconds: float) -> Iterator[str]:
    """Lines a second, as fast as they can be printed, in all viewers together."""
    yield "### Lines a second, in all viewers together, of a run that prints as fast as it can\n"
    yield "| viewers | bare aiohttp | quire | ratio |"
    yield "| ---: | ---: | ---: | ---: |"
    for viewers in (1, 50, 200):
        with bare(folder, 0) as told:
            limit = asyncio.run(watch(told, viewers, seconds, ask=False))["lines"]
        with serving(folder, LINES, "--seconds", str(seconds + 5)) as (told, _):
            ours = asyncio.run(watch(told, viewers, seconds, ask=False))["lines"]
        yield f"| {viewers} | {limit:,.0f} | {ours:,.0f} | {ours / limit:.2f} |"
    yield ""


def delays(folder: Path, seconds: float) -> Iterator[str]:
    """200 lines a second to 200 viewers."""
    yield "### 200 lines a second to 200 viewers\n"
    yield "| | delay, median | delay, p99 |"
    yield "| --- | ---: | ---: |"
    with bare(folder, 200) as told:
        seen = asyncio.run(watch(told, 200, seconds, ask=False))
    yield f"| bare aiohttp | {seen['median'] * 1e3:.0f} ms | {seen['p99'] * 1e3:.0f} ms |"
    with serving(folder, LINES, "--seconds", str(seconds + 6), "--rate", "200") as (told, process):
        page_of(told)
        before = memory_of(server_of(process))
        seen = asyncio.run(watch(told, 200, seconds, ask=False))
        grown = memory_of(server_of(process)) - before
    yield f"| quire | {seen['median'] * 1e3:.0f} ms | {seen['p99'] * 1e3:.0f} ms |"
    yield f"\nThe server's memory grew by {grown:.0f} MB.\n"


def starting(folder: Path, rounds: int) -> str:
    """From the command to the first byte of the page, and the same script bare."""
    (folder / "script.py").write_text(LINES)
    served, plain = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        body = "import quire.notebook, script\nclass Log: pass\nscript.lines(Log(), seconds=0.0)"
        subprocess.run([sys.executable, "-c", body], cwd=folder, check=True, capture_output=True)
        plain.append(time.perf_counter() - began)
        began = time.perf_counter()
        with serving(folder, LINES, "--seconds", "30") as (told, _):
            page_of(told)
            served.append(time.perf_counter() - began)
    more = statistics.median(served) - statistics.median(plain)
    return f"From `quire serve` to the page: {more * 1e3:.0f} ms more than running the script bare.\n"


def many_lines(folder: Path, count: int) -> Iterator[str]:
    """So many lines: whether all are on disk, and when the page is there."""
    with serving(folder, MANY, "--count", str(count)) as (told, _):
        began = time.perf_counter()
        first = page_of(told)
        printed(folder, f"printed {count}")
        spent = time.perf_counter() - began
        last = page_of(told)
        printed(folder, "The page stays")
        kept = sum(file.read_bytes().count(b"line ") for file in folder.glob("reports/script/etc/*.txt"))
    yield (
        f"{count:,} lines, printed in {spent:.1f} s: {kept:,} are on disk; the page is there after "
        f"{first:.2f} s as they begin, and after {last:.2f} s when all are printed.\n"
    )


def cuts(folder: Path, count: int) -> str:
    """A viewer of a run that prints 500 lines a second, cut off at random and resuming by number."""

    async def look(told: dict[str, Any]) -> tuple[int, int, int]:
        address = urlsplit(told["url"])
        headers = {
            "Authorization": f"Bearer {address.query.removeprefix('token=')}",
            "Origin": f"http://{address.netloc}",
        }
        choose = random.Random(1)
        since, text = 0, ""
        base = f"http://{address.netloc}/"
        async with aiohttp.ClientSession(base, headers=headers) as session:
            for cut in range(count + 1):
                async with session.ws_connect(f"events?since={since}&page=") as socket:
                    end = time.monotonic() + (1.0 if cut == count else choose.uniform(0, 0.03))
                    while (left := end - time.monotonic()) > 0:
                        with contextlib.suppress(TimeoutError):
                            message = json.loads((await socket.receive(left)).data)
                            since = message["n"]
                            text += message.get("log", {}).get("text", "")
                    socket._response.close()
        numbers = [int(line.split()[1]) for line in text.splitlines()[:-1]]
        doubled = len(numbers) - len(set(numbers))
        return len(numbers), numbers[-1] + 1 - len(set(numbers)), doubled

    with serving(folder, LINES, "--seconds", "600", "--rate", "500") as (told, _):
        seen, lost, doubled = asyncio.run(look(told))
    return f"{count:,} random cuts over {seen:,} lines: {lost} lost, {doubled} doubled.\n"


def demo_speed(folder: Path, rounds: int) -> str:
    """The MNIST demo, run and served to 100 viewers."""
    demo = Path(__file__).parents[2] / "demos/mnist.py"
    run, served = [], []
    for _ in range(rounds):
        subprocess.run(
            [sys.executable, "-m", "quire", "run", str(demo)], cwd=folder, check=True, capture_output=True
        )
        run.append(elapsed_in(folder))
        with serving_demo(folder, demo) as told:
            asyncio.run(watch(told, 100, 6.0, ask=False))
            printed(folder, "The page stays")
        served.append(elapsed_in(folder))
    ratio = statistics.median(run) / statistics.median(served)
    return (
        f"The MNIST demo, served to 100 viewers, has {ratio:.1%} of the speed that it has when it is run.\n"
    )


@contextmanager
def serving_demo(folder: Path, demo: Path) -> Iterator[dict[str, Any]]:
    """A demo under `quire serve`."""
    out = folder / "out.txt"
    command = [sys.executable, "-m", "quire", "serve", str(demo), "--no-browser", "--json"]
    with out.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, stdout=file)
    try:
        yield first_line(out)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def elapsed_in(folder: Path) -> float:
    """How long the run of the MNIST demo took, by its record."""
    record = json.loads((folder / "reports/mnist/mnist.json").read_text())
    return float(record["events"][-1]["elapsed"])


def main() -> None:
    """Measures, and prints what was found or writes it into a document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a shorter look, for working on the engine")
    parser.add_argument(
        "--write", type=Path, help="a document that has a part between this benchmark's marks"
    )
    options = parser.parse_args()
    seconds, rounds = (3.0, 1) if options.quick else (8.0, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = [
            f"{provenance.versions().partition(',')[0]}; {provenance.machine()}.\n",
            *viewers_and_training(folder, seconds, rounds),
            *throughput(folder, seconds),
            *delays(folder, seconds),
            "### Starting, and much output\n",
            starting(folder, 2 * rounds + 1),
            *many_lines(folder, 100_000 if options.quick else 1_000_000),
            cuts(folder, 100 if options.quick else 1_000),
            demo_speed(folder, rounds),
        ]
    found = "\n".join(lines)
    tell(found, "live", options.write)


if __name__ == "__main__":
    main()
