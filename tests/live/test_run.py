"""What happens to a run happens to its page: faults, kills, pauses, endings. Names are the cases'."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.live.conftest import Served, state, until, wait_for
from tests.notebook.reports import check, litter

Serve = Callable[..., Served]

STEPS = """
log.h1("Steps")
with log.code():
    for step in log.progress(range(10_000), "steps"):
        print("step", step)
        time.sleep(0.01)
"""

# Waits for the test.
GO = "while not Path('go').exists(): time.sleep(0.01)"


def tells(document: Path, text: str) -> bool:
    """Whether a report, if it is there already, holds a text."""
    return document.exists() and text in document.read_text()


def test_the_same_markdown_as_a_run_writes(serve: Serve) -> None:
    """The function is the very same, and so is what it leaves behind."""
    body = """
    log.h1("Title")
    slider = log.slider("rate", 0, 1, value=0.5)
    with log.code():
        print("printed")
    log.image(np.eye(4), "a picture")
    log.metric("loss", 1, 0.5)

    @log.interact("Twice", n=log.slider("n", 1, 9))
    def twice(n: int) -> int:
        return 2 * n

    @log.page("history")
    def history(page: NotebookOutput) -> None:
        page.p("One step.")

    log.p(f"rate is {slider.value}")
    """
    served = serve(body, "--exit-when-done", "--reproducible")
    assert served.process.wait(20) == 0
    text = served.document.read_text()
    folder = served.document.parent
    files = {path.relative_to(folder) for path in folder.rglob("*")}
    subprocess.run(
        [sys.executable, "-m", "quire", "run", "demo.py", "--reproducible"],
        cwd=served.folder,
        check=True,
        capture_output=True,
    )
    assert re.sub("quire (run|serve) .*", "", served.document.read_text()) == re.sub(
        "quire (run|serve) .*", "", text
    )
    assert {path.relative_to(folder) for path in folder.rglob("*")} == files
    assert litter(folder) == set()
    assert "*rate:* 0.5" in text
    assert "**Twice**" in text
    assert "→ `2`" in text
    assert "[History](history/history.md)" in text
    assert "One step." in (folder / "history/history.md").read_text()


async def test_f1_a_failing_run_says_so(serve: Serve) -> None:
    served = serve(f"log.p('begun')\n{GO}\nraise ValueError('broken')")
    async with served.client() as session:
        await until(session, "running")
        (served.folder / "go").touch()
        told = await until(session, "failed")
        wait_for(lambda: "ValueError: broken" in served.out.read_text())
        assert told["can"] == ["exit"]
        async with session.get("") as answer:
            assert "broken" in await answer.text()
        wait_for(lambda: tells(served.document, "state: failed"))
        check(served.document)
        async with session.post("run/exit") as answer:
            assert answer.status == 204
    assert served.process.wait(10) == 1
    assert (served.out.read_text() + served.err.read_text()).count("ValueError: broken") == 1


def test_a_failing_run_that_ends_with_its_page_tells_what_a_run_tells(serve: Serve) -> None:
    """And nothing else, though it is over before its server has begun."""
    served = serve("with log.code():\n    1 / 0", "--exit-when-done")
    assert served.process.wait(20) == 1
    run = subprocess.run(
        [sys.executable, "-m", "quire", "run", "demo.py"],
        cwd=served.folder,
        check=False,
        capture_output=True,
        text=True,
    )
    assert "ZeroDivisionError" in run.stderr
    assert "in the block of code at demo.py:8; reports/demo/demo.md says more" in run.stderr
    assert served.err.read_text() == run.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_f3_a_killed_run(serve: Serve, number: int) -> None:
    """F3, F33: the page says within 2 s how the run died, and serves on; the report says so too."""
    served = serve(STEPS)
    async with served.client() as session:
        wait_for(lambda: "step 5" in served.out.read_text())
        os.kill(served.pid, number)
        told = await until(session, "died", 2)
        assert f"signal {int(number)}" in told["detail"]
        async with session.get("") as answer:
            assert "step 5" in await answer.text()
        async with session.get("log") as answer:
            assert (await answer.text()).startswith("step 0\nstep 1\n")
        wait_for(lambda: tells(served.document, "state: died"))
        assert f"signal {int(number)}" in check(served.document)
        assert "step 5" in served.document.read_text()
        async with session.post("run/exit") as answer:
            assert answer.status == 204
    assert served.process.wait(10) == 128 + number
    assert litter(served.document.parent) == set()


def test_f33_left_without_closing(serve: Serve) -> None:
    served = serve("log.p('begun')\nos._exit(3)", "--exit-when-done")
    assert served.process.wait(20) == 3
    assert "it left with exit status 3" in check(served.document)


async def test_f4_a_killed_server(serve: Serve) -> None:
    """The run goes on; the server is back within 3 s at the same port, and lets the same viewers in."""
    served = serve(STEPS)
    async with served.client() as session:
        before = (await state(session))["n"]
        first = served.server
        os.kill(first, signal.SIGKILL)
        end = time.monotonic() + 3
        while True:
            try:
                told = await state(session)
                break
            except aiohttp.ClientError:
                assert time.monotonic() < end
                await asyncio.sleep(0.05)
        assert served.server != first
        assert told["n"] >= before
        assert told["state"] == "running"
        async with session.get("log?tail=100000") as answer:
            lines = (await answer.text()).splitlines()
        assert lines == [f"step {n}" for n in range(len(lines))]


def test_a_server_that_dies_again_and_again_takes_no_run_along(serve: Serve) -> None:
    body = "while not Path('end').exists():\n    time.sleep(0.05)\nlog.p('whole')"
    served = serve(body, "--exit-when-done")
    killed: set[int] = set()

    def given_up() -> bool:
        if (pid := served.server) and pid not in killed:
            os.kill(pid, signal.SIGKILL)
            killed.add(pid)
        return "given up" in served.err.read_text()

    wait_for(given_up, 60)
    (served.folder / "end").touch()
    assert served.process.wait(30) == 0
    assert "whole" in check(served.document)
    assert "state: done" in served.document.read_text()


async def test_f9_random_cuts_lose_and_double_nothing(serve: Serve) -> None:
    """A viewer who is cut off a hundred times, resuming by number, has every line once and in order."""
    served = serve(STEPS.replace("0.01", "0.002"))
    since, text, at = 0, "", 0
    async with served.client() as session:
        for cut in range(100):
            async with session.ws_connect(f"events?since={since}&page=") as socket:
                for _ in range(cut % 4 + 1):
                    told = json.loads((await socket.receive()).data)
                    since = told["n"]
                    if "log" in told:
                        assert told["log"]["at"] == at
                        text += told["log"]["text"]
                        at += len(told["log"]["text"])
                socket._response.close()  # cut, not closed
        lines = text.splitlines()
    assert len(lines) > 100
    assert lines == [f"step {n}" for n in range(len(lines))]
    assert served.err.read_text() == "", "a cut is no error"


async def test_f8_viewers_at_any_time_see_the_same(serve: Serve) -> None:
    """F8, F29, F30: before, during and after; one run only."""
    served = serve("for n in range(30):\n    log.p(f'paragraph {n}')\n    time.sleep(0.05)")
    async with served.client() as session:
        sockets = [await session.ws_connect("events?since=0&page=") for _ in range(9)]
        await until(session, "done")
        async with session.get("") as answer:
            page = await answer.text()
        for socket in sockets:
            seen: dict[str, str] = {}
            while seen.get("state") != "done":
                told = json.loads((await socket.receive()).data)
                seen |= {patch["id"]: patch["html"] for patch in told.get("patches", [])}
                seen |= {"state": told["state"]["state"]} if "state" in told else {}
            del seen["state"]
            assert len(seen) == 30
            assert all(html.strip() in page for html in seen.values())
    assert page.count("paragraph 7<") == 1
    assert served.out.read_text().count('"url"') == 1


async def test_f12_answers_while_the_run_holds_the_gil(serve: Serve) -> None:
    served = serve("import re\nlog.p('begun')\nre.match('(a?){27}a{27}', 'a' * 27)\ntime.sleep(60)")
    async with served.client() as session:
        for _ in range(20):
            began = time.monotonic()
            await state(session)
            assert time.monotonic() - began < 1
            await asyncio.sleep(0.02)


async def test_f13_many_lines(serve: Serve) -> None:
    """A fifth of a million lines: all in the log, none lost; the page shows head and tail."""
    count = 200_000
    served = serve(f"with log.code():\n    for n in range({count}):\n        print('line', n, '.' * 80)")
    async with served.client() as session:
        await until(session, "done", 30)
        async with session.get("log") as answer:
            lines = (await answer.text()).splitlines()
        assert [line.split()[1] for line in lines] == [str(n) for n in range(count)]
        async with session.get("") as answer:
            page = await answer.text()
        assert "lines left out" in page
        assert len(page) < 100_000


async def test_f14_many_points_are_thinned(serve: Serve) -> None:
    served = serve("for n in range(30_000):\n    log.metric('loss', n, 99.0 if n == 12_345 else n % 7)")
    async with served.client() as session:
        await until(session, "done", 30)
        async with session.get("charts/chart") as answer:
            points = (await answer.json())["points"]
    assert len(points) <= 4_000
    assert ["loss", 12_345.0, 99.0] in points


async def test_f15_numbers_that_are_none(serve: Serve) -> None:
    served = serve(
        "for v in (1.0, float('nan'), float('inf'), 1e308, None, np.float32(2), 2**60):\n"
        "    log.metric('loss', 1, v)\n"
        "log.table({'a': [float('nan'), 2**60]})\ntime.sleep(1)"
    )
    async with served.client() as session:
        async with session.ws_connect("events?since=0&page=") as socket:
            text = (await socket.receive()).data
        await until(session, "done")
        async with session.get("charts/chart") as answer:
            points = json.loads(await answer.text(), parse_constant=pytest.fail)["points"]
    json.loads(text, parse_constant=pytest.fail)
    assert [value for _, _, value in points].count(None) == 3


def test_f18_a_forked_child_owns_no_socket(serve: Serve) -> None:
    served = serve(
        """
        log.p("begun")
        if not os.fork():
            Path("child").write_text(str(os.getpid()))
            time.sleep(30)
            os._exit(0)
        """
    )
    wait_for(lambda: (served.folder / "child").exists() and (served.folder / "child").read_text())
    child = (served.folder / "child").read_text()

    def listening() -> str:
        return subprocess.run(["ss", "-Htlxnp"], capture_output=True, text=True, check=True).stdout

    try:
        wait_for(lambda: f"pid={served.server}," in listening())
        assert f"pid={child}," not in listening()
    finally:
        os.kill(int(child), signal.SIGKILL)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_f19_f20_interrupted(serve: Serve, number: int, status: int) -> None:
    """By a signal to the command, with streams open; all has ended within 5 s."""
    served = serve(STEPS)
    async with served.client() as session:
        sockets = [await session.ws_connect("events?since=0&page=") for _ in range(190)]
        logs = [await session.get("log") for _ in range(10)]
        sent = time.monotonic()
        served.process.send_signal(number)
        assert await asyncio.to_thread(served.process.wait, 10) == status
        assert time.monotonic() - sent < 5
        del sockets, logs
    assert "state: interrupted" in check(served.document)
    assert litter(served.document.parent) == set()
    assert not Path(f"/proc/{served.pid}").exists()


async def test_f21_a_pause_loses_nothing(serve: Serve) -> None:
    """Compressed: a pause of a second in a run of a few; it is left out of the time that a loop takes."""
    served = serve(
        """
        log.on("pause", lambda: print("it pauses"))
        with log.code():
            for step in log.progress(range(60), "steps"):
                print("step", step)
                time.sleep(0.02)
        """
    )
    async with served.client() as session:
        async with session.post("run/pause") as answer:
            assert answer.status == 204
        told = await until(session, "paused")
        assert told["can"] == ["resume", "stop", "exit"]
        await asyncio.sleep(0.2)
        before = (await state(session))["n"]
        await asyncio.sleep(1)
        assert (await state(session))["n"] == before
        async with session.post("run/resume") as answer:
            assert answer.status == 204
        await until(session, "done")
        async with session.get("log") as answer:
            lines = (await answer.text()).splitlines()
    assert [line for line in lines if line != "it pauses"] == [f"step {n}" for n in range(60)]
    assert lines.count("it pauses") == 1
    record = json.loads(served.document.with_suffix(".json").read_text())
    assert record["events"][-1]["state"] == "done"


async def test_a_stopped_run_is_whole(serve: Serve) -> None:
    served = serve(STEPS + "log.p('never')")
    async with served.client() as session:
        wait_for(lambda: "step 3" in served.out.read_text())
        async with session.post("run/stop") as answer:
            assert answer.status == 204
        await until(session, "stopped")
        wait_for(lambda: tells(served.document, "state: stopped"))
        text = check(served.document)
        assert "state: stopped" in text
        assert "asked to finish early" in text
        assert "step 3" in text
        assert "never" not in text.rpartition("```")[2]
        async with session.post("run/exit") as answer:
            assert answer.status == 204
    assert served.process.wait(10) == 0


async def test_f25_a_port_in_use(serve: Serve) -> None:
    first = serve("time.sleep(20)")
    second = serve("time.sleep(20)", "--port", str(first.port), name="other.py")
    assert second.process.wait(10) == 2
    assert f"port {first.port} of 127.0.0.1 is in use" in second.err.read_text()
    assert "http" not in second.out.read_text()


def test_a_wrong_parameter_serves_nothing(serve: Serve) -> None:
    served = serve("pass", "--colour", "red")
    assert served.process.wait(10) == 2
    assert "No such option" in served.err.read_text()
    assert served.out.read_text() == ""


async def test_f34_a_finished_report_is_served_again(serve: Serve) -> None:
    served = serve(
        """
        log.h1("Title")
        with log.code():
            print(*range(5000), sep="\\n")
        log.image(np.eye(4), "a picture")
        log.metric("loss", 1, 0.5)
        with log.subreport("Inner") as page:
            page.p("inner words")
        """,
        "--exit-when-done",
    )
    assert served.process.wait(20) == 0
    (served.folder / "demo.py").unlink()
    out = served.folder / "view.txt"
    command = [sys.executable, "-m", "quire", "view", "reports/demo", "--json", "--no-browser"]
    with out.open("w") as file:
        view = subprocess.Popen(command, cwd=served.folder, stdout=file)
    try:
        wait_for(lambda: "\n" in out.read_text(), 20)
        url = json.loads(out.read_text())["url"]
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            async with session.get(url) as answer:
                page = await answer.text()
            assert "4,950 lines left out" in page
            base = url.partition("?")[0]
            file_url = re.search(r'src="(files/[^"]*)"', page)
            assert file_url
            async with session.get(base + file_url[1]) as answer:
                assert (await answer.read()).startswith(b"\x89PNG")
            inner = re.search(r'href="(p/[^"]*)"', page)
            assert inner
            async with session.get(base + inner[1]) as answer:
                assert "inner words" in await answer.text()
            assert (await (await session.get(base + "state")).json())["state"] == "done"
        view.send_signal(signal.SIGINT)
        assert view.wait(10) == 0
    finally:
        view.kill()
        view.wait()


async def test_a_script_of_its_own_serves_itself(tmp_path: Path) -> None:
    """`open_report(…, live=…)`: the same from a plain script; a kill is told there too."""
    script = tmp_path / "mine.py"
    script.write_text(
        "import time\nfrom quire import Serving, open_report\n"
        "with open_report('mine', live=Serving(browser=False, json=True)) as log:\n"
        "    log.h1('Mine')\n"
        "    for step in log.progress(range(1000)):\n        time.sleep(0.01)\n"
    )
    out = tmp_path / "out.txt"
    with out.open("w") as file:
        run = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, stdout=file)
    try:
        wait_for(lambda: "\n" in out.read_text(), 20)
        told = json.loads(out.read_text().partition("\n")[0])
        assert told["pid"] == run.pid
        jar = aiohttp.CookieJar(unsafe=True)
        headers = {"Origin": told["url"].partition("/?")[0]}
        base = told["url"].partition("?")[0]
        async with aiohttp.ClientSession(base, cookie_jar=jar, headers=headers) as session:
            async with session.get(told["url"]) as answer:
                assert "Mine" in await answer.text()
            run.kill()
            run.wait()
            detail = (await until(session, "died", 3))["detail"]
            assert "signal 9" in detail or "nobody knows" in detail
            async with session.post("run/exit") as answer:
                assert answer.status == 204
        wait_for(lambda: tells(tmp_path / "mine/mine.md", "state: died"))
    finally:
        run.kill()
        run.wait()


async def test_watch_runs_anew_and_the_page_follows(serve: Serve) -> None:
    served = serve("log.p('the first words')\ntime.sleep(30)", "--watch")
    async with served.client() as session, session.ws_connect("events?since=0&page=") as socket:
        await socket.receive()
        time.sleep(0.5)
        script = served.folder / "demo.py"
        script.write_text(script.read_text().replace("first", "second"))
        while not (told := json.loads((await socket.receive(15)).data)).get("reset"):
            pass
        page, end = "", time.monotonic() + 15
        # The run has only just begun.
        while "the second words" not in page:
            assert time.monotonic() < end, page
            async with session.get("") as answer:
                page = await answer.text()
            assert "the first words" not in page
    assert told["reset"]


def test_the_log_streams_to_curl(serve: Serve) -> None:
    """`GET /log` with curl, from the first line to the end."""
    served = serve(
        "with log.code():\n    for n in range(50):\n        print('line', n)\n        time.sleep(0.02)"
    )
    address = served.base + "log"
    got = subprocess.run(
        ["curl", "-sN", "-H", f"Authorization: Bearer {served.token}", address],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert got.stdout.splitlines() == [f"line {n}" for n in range(50)]
