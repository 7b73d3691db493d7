"""A demo that is served for real: a process of its own, a real client, real kills."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import aiohttp
import pytest

HEAD = "import os, time\nimport numpy as np\nfrom pathlib import Path\nfrom quire import NotebookOutput\n"


class Served:
    """A demo under `quire serve`, or what another `command` serves.

    Attributes:
        process: the keeper, which is what the user started.
        url: the address with the token.
        pid: the process of the run.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        script: str = "demo.py",
        command: Literal["serve", "sweep", "view"] = "serve",
    ) -> None:
        self.folder = folder
        # To files: a pipe that nobody reads would hold the run up.
        name = Path(script).name
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "quire", command, script, "--no-browser", "--json", *options],
                cwd=folder,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        wait_for(lambda: "\n" in self.out.read_text() or self.process.poll() is not None, 20)
        told = json.loads((self.out.read_text() or "{}").partition("\n")[0] or "{}")
        self.url: str = told.get("url", "")
        self.port: int = told.get("port", 0)
        self.pid: int = told.get("pid", 0)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def token(self) -> str:
        return self.url.rpartition("token=")[2]

    @property
    def document(self) -> Path:
        return self.folder / "reports/demo/demo.md"

    @property
    def server(self) -> int:
        """The process id of the server."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", "quire.live.server"],
            capture_output=True,
            text=True,
            check=False,
        )
        return int(found.stdout.split()[0]) if found.stdout.strip() else 0

    async def begun(self) -> "Served":
        """This, once the demo has made the file `begun`."""
        await asyncio.to_thread(wait_for, (self.folder / "begun").exists, 20)
        return self

    @asynccontextmanager
    async def client(self) -> "AsyncIterator[aiohttp.ClientSession]":
        """A viewer who has opened the page."""
        jar = aiohttp.CookieJar(unsafe=True)
        headers = {"Origin": self.base.rstrip("/")}
        everyone = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(
            self.base, cookie_jar=jar, headers=headers, connector=everyone
        ) as session:
            async with session.get(self.url) as answer:
                assert answer.status == 200
            yield session

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        for pid in (self.pid, self.server if self.process.poll() is None else 0):
            if pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def serve(tmp_path: Path) -> "Iterator[Callable[..., Served]]":
    """Serves a demo with the given body; ends it when the test has."""
    served: list[Served] = []

    def start(body: str, *options: str, name: str = "demo.py") -> Served:
        statements = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
        (tmp_path / name).write_text(f"{HEAD}\ndef main(log: NotebookOutput) -> None:\n{statements}\n")
        served.append(Served(tmp_path, *options, script=name))
        return served[-1]

    yield start
    for one in served:
        one.end()


def wait_for(is_true: Callable[[], Any], seconds: float = 10.0) -> None:
    """Waits until something is true.

    Raises:
        AssertionError: it is not, after so many seconds.
    """
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


async def state(session: aiohttp.ClientSession) -> dict[str, Any]:
    """How the run stands."""
    async with session.get("state") as answer:
        told: dict[str, Any] = await answer.json()
        return told


async def until(session: aiohttp.ClientSession, wanted: str, seconds: float = 10.0) -> dict[str, Any]:
    """Waits until the run stands as wanted."""
    end = time.monotonic() + seconds
    while (told := await state(session))["state"] != wanted:
        assert time.monotonic() < end, told
        await asyncio.sleep(0.02)
    return told
