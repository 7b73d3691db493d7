"""A sweep that is served: its table, the pages of its runs, and what viewers may ask of both."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import psutil
import pytest
from yarl import URL

from tests.live.conftest import Served, state, until, wait_for
from tests.notebook.sweep.conftest import DEMO, is_alive

Sweep = Callable[..., Served]

ROWS = "seed,wait\n0,0\n1,0\n2,60\n3,60\n4,0\n"
"""The first ends, the second fails, two run on, and the last is queued."""
ARGUMENTS = ("--rows", "rows.csv", "--fail", "1", "--workers", "2")


@pytest.fixture
def sweep(tmp_path: Path) -> Iterator[Sweep]:
    """Serves a sweep of the demo; ends it when the test has."""
    served: list[Served] = []
    (tmp_path / "demo.py").write_text(DEMO)
    (tmp_path / "rows.csv").write_text(ROWS)

    def start(*options: str, serve: bool = True) -> Served:
        serving = ["--serve"] if serve else []
        served.append(Served(tmp_path, *serving, *options, command="sweep"))
        return served[-1]

    yield start
    for one in served:
        one.end()


@pytest.fixture
def view(tmp_path: Path) -> Iterator[Callable[[], Served]]:
    """Serves the finished report on the sweep; ends that when the test has."""
    served: list[Served] = []

    def start() -> Served:
        served.append(Served(tmp_path, script="reports/demo-sweep", command="view"))
        return served[-1]

    yield start
    for one in served:
        one.end()


async def page(session: aiohttp.ClientSession, path: str = "") -> str:
    async with session.get(f"/{path}") as answer:
        assert answer.status == 200, path
        return await answer.text()


async def shown(session: aiohttp.ClientSession, told: str, path: str = "") -> str:
    """A page once it matches a pattern."""
    async with asyncio.timeout(20):
        while not re.search(told, text := await page(session, path), re.DOTALL):
            await asyncio.sleep(0.1)
    return text


async def steer(session: aiohttp.ClientSession, action: str, run: str = "") -> None:
    async with session.post(f"/{run}run/{action}") as answer:
        assert answer.status < 300, await answer.text()


def cell(seed: int, state: str, name: str = "") -> str:
    """The pattern of a row's seed and state, which links to the page of its run if it has one."""
    told = f'<a href="runs/{name}/"[^>]*>{state}</a>' if name else state
    return f"<td[^>]*>{seed}</td>\\s*<td[^>]*>[^<]*</td>\\s*<td[^>]*>{told}</td>"


async def test_the_table_tells_of_all_runs(sweep: Sweep) -> None:
    served = sweep(*ARGUMENTS)
    async with served.client() as session:
        text = await shown(session, cell(3, r"running, \d+ %", "seed-3-wait-60"))
        assert re.search(cell(0, "done", "seed-0-wait-0"), text)
        assert re.search(cell(1, "failed: ValueError: no seed 1 [^<]*", "seed-1-wait-0"), text)
        assert re.search(cell(2, r"running, \d+ %", "seed-2-wait-60"), text)
        assert re.search(cell(4, "queued"), text)
        assert "1 of 5 done, 1 failed, 2 running." in text
        assert '<th scope="col"' in text
        assert "accuracy" in text, "the figure of the run that is done"
        async with asyncio.timeout(5):
            while (told := (await state(session))["progress"])["done"] < 2:
                await asyncio.sleep(0.1)
        assert (told["label"], told["total"]) == ("runs", 5)
        async with session.get("/charts/a-sweep-of-demo-board-curves-chart") as answer:
            points = (await answer.json())["points"]
        assert {name for name, *_ in points} == {"seed 0, wait 0", "seed 1, wait 0"}


async def test_a_row_opens_the_live_page_of_its_run(sweep: Sweep) -> None:
    served = sweep(*ARGUMENTS)
    async with served.client() as session:
        await shown(session, cell(2, r"running, \d+ %", "seed-2-wait-60"))
        run = "runs/seed-2-wait-60/"
        text = await page(session, run)
        assert "Something" in text
        assert re.search(r'<a [^>]*href="../../"[^>]*>[^<]*A sweep of demo', text), "the way back"
        async with session.get(f"/{run}state") as answer:
            told = await answer.json()
        assert (told["state"], told["can"]) == ("running", ["pause", "stop"])
        async with session.ws_connect(f"/{run}events?since=0&page=") as viewer:
            async with asyncio.timeout(10):
                while "progress" not in (await viewer.receive_json()).get("state", {}):
                    pass
        text = await page(session, "runs/seed-1-wait-0/")
        assert "no seed 1 | please" in text


async def test_one_run_is_stopped_and_the_others_go_on(sweep: Sweep) -> None:
    served = sweep(*ARGUMENTS, "--exit-when-done")
    async with served.client() as session:
        await shown(session, cell(3, r"running, \d+ %", "seed-3-wait-60"))
        await steer(session, "stop", "runs/seed-2-wait-60/")
        await shown(session, cell(2, "stopped", "seed-2-wait-60"))
        await shown(session, cell(4, "done", "seed-4-wait-0"))
        await shown(session, cell(3, r"running, \d+ %", "seed-3-wait-60"))
        await steer(session, "stop", "runs/seed-3-wait-60/")
    assert await asyncio.to_thread(served.process.wait, 20) == 1, "one has failed"
    summary = (served.folder / "reports/demo-sweep/demo-sweep.md").read_text()
    assert "> 2 of 5 runs done, 2 finished early, 1 failed." in summary
    assert re.search(r"\| 2 \| 60 \|.*\| stopped \|", summary)
    assert re.search(r"\| 4 \| 0 \|.*\| done \|", summary)


async def test_nobody_ends_a_sweep_from_the_page_of_a_run(sweep: Sweep) -> None:
    served = sweep(*ARGUMENTS)
    async with served.client() as session:
        await shown(session, cell(2, r"running, \d+ %", "seed-2-wait-60"))
        async with session.post("/runs/seed-2-wait-60/run/exit") as answer:
            assert answer.status == 404


async def test_all_are_stopped_and_the_same_command_goes_on(sweep: Sweep) -> None:
    served = sweep(*ARGUMENTS, "--exit-when-done")
    async with served.client() as session:
        await shown(session, cell(3, r"running, \d+ %", "seed-3-wait-60"))
        await steer(session, "stop")
        assert await asyncio.to_thread(served.process.wait, 20) == 0
    assert "Finished early, as asked; " in served.out.read_text()
    assert "The same command runs what is missing." in served.out.read_text()
    summary = (served.folder / "reports/demo-sweep/demo-sweep.md").read_text()
    assert "\nstate: stopped\n" in summary
    assert "> 1 of 5 runs done, 1 failed, 3 not done." in summary
    interrupted = (served.folder / "reports/demo-sweep/runs/seed-2-wait-60/seed-2-wait-60.md").read_text()
    assert "\nstate: interrupted\n" in interrupted
    again = sweep(*ARGUMENTS)
    async with again.client() as session:
        await shown(session, cell(3, r"running, \d+ %", "seed-3-wait-60"))
        assert "1 of 5 are there already" in again.out.read_text()


async def test_no_run_begins_while_a_sweep_is_paused(sweep: Sweep) -> None:
    served = sweep("--set", "seed=0:40", "--wait", "0.2", "--workers", "2", "--exit-when-done")
    async with served.client() as session:
        await shown(session, "[1-9] of 40 done")
        await steer(session, "pause")
        await until(session, "paused")
        await shown(session, r"\d+ of 40 done\.")
        begun = len(list((served.folder / "reports/demo-sweep/runs").iterdir()))
        await asyncio.sleep(0.6)
        assert len(list((served.folder / "reports/demo-sweep/runs").iterdir())) == begun < 40
        await steer(session, "resume")
        assert await asyncio.to_thread(served.process.wait, 30) == 0
    assert len(list((served.folder / "reports/demo-sweep/runs").iterdir())) == 40


async def test_the_page_stays_with_the_summary_until_ctrl_c(sweep: Sweep) -> None:
    served = sweep("--set", "seed=0:3")
    async with served.client() as session:
        await until(session, "done")
        text = await page(session)
        assert "The runs" in text
        assert "queued" not in text
        assert "3 of 3 done" not in text, "the table is gone"
        assert (await state(session))["progress"] is None
        assert 'href="runs/seed-1/"' in text
        assert "run 1 with" in await page(session, "runs/seed-1/")
    served.process.send_signal(signal.SIGINT)
    assert await asyncio.to_thread(served.process.wait, 20) == 0


async def test_ctrl_c_ends_a_served_sweep_with_all_of_its_processes(sweep: Sweep) -> None:
    served = sweep(*ARGUMENTS)
    async with served.client() as session:
        await shown(session, cell(3, r"running, \d+ %", "seed-3-wait-60"))
        family = psutil.Process(served.process.pid).children(recursive=True)
        assert len(family) == 6, "keeper, server, nursery, what draws for the runs, two runs"
        served.process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(served.process.wait, 20) == 130
    await asyncio.to_thread(wait_for, lambda: not any(is_alive(process.pid) for process in family))


async def test_nothing_listens_but_at_this_machines_own_address(sweep: Sweep) -> None:
    served = sweep(*ARGUMENTS)
    async with served.client() as session:
        await shown(session, cell(3, r"running, \d+ %", "seed-3-wait-60"))
        family = [process := psutil.Process(served.process.pid), *process.children(recursive=True)]
        listening = {
            (connection.laddr.ip, connection.laddr.port)
            for process in family
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening == {("127.0.0.1", served.port)}


def test_a_served_sweep_writes_what_any_other_does(sweep: Sweep, tmp_path: Path) -> None:
    def written() -> dict[str, str]:
        folder = tmp_path / "reports/demo-sweep"
        # Records tell times, which differ.
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".json"]
        return {
            str(path.relative_to(folder)): path.read_bytes()
            .decode("latin-1")
            .replace(f" {' '.join(serving)}", "")
            for path in files
        }

    arguments = ("--set", "seed=0:5", "--set", "rate=0.1,0.2", "--reproducible")
    serving = ("--serve", "--no-browser", "--json", "--exit-when-done")
    for options in (serving, ()):
        command = [sys.executable, "-m", "quire", "sweep", "demo.py", *arguments, *options]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
        if options:
            served = written()
            (tmp_path / "reports").rename(tmp_path / "served")
    assert written() == served
    assert len(served) > 20


def test_how_to_serve_is_said_of_what_is_served(sweep: Sweep) -> None:
    plain = sweep("--set", "seed=0", "--port", "80", serve=False)
    assert plain.process.wait(30) == 2
    assert "--port says how to serve the sweep: add --serve" in plain.err.read_text()
    assert not (plain.folder / "reports").exists()


async def test_the_runs_of_a_finished_sweep_are_viewed_with_it(
    sweep: Sweep, view: Callable[[], Served]
) -> None:
    assert sweep("--set", "seed=0:2", "--exit-when-done").process.wait(30) == 0
    viewed = view()
    async with viewed.client() as session:
        assert 'href="runs/seed-1/"' in await page(session)
        text = await page(session, "runs/seed-1/")
        assert "run 1 with" in text
        async with session.get("/runs/seed-1/state") as answer:
            assert (await answer.json())["can"] == []
        picture = re.search(r'<img [^>]*src="([^"]+)"', text)
        assert picture
        async with session.get(f"/runs/seed-1/{picture[1]}") as answer:
            assert answer.content_type == "image/png"


@pytest.mark.parametrize(
    "path", ["seed-9", "..", "%2e%2e", "..%2fruns%2fseed-0", "seed-0%00", ".hidden", "linked", "%2ftmp"]
)
async def test_what_is_no_run_is_not_there(sweep: Sweep, view: Callable[[], Served], path: str) -> None:
    assert sweep("--set", "seed=0:1", "--exit-when-done").process.wait(30) == 0
    viewed = view()
    other = viewed.folder / "linked"
    (viewed.folder / "reports/demo-sweep/runs/seed-0").rename(other)
    (other / "seed-0.json").rename(other / "linked.json")
    (viewed.folder / "reports/demo-sweep/runs/linked").symlink_to(other)
    async with viewed.client() as session:
        for what in ("", "state", "files/linked.json"):
            address = f"http://127.0.0.1:{viewed.port}/runs/{path}/{what}"
            async with session.get(URL(address, encoded=True)) as answer:
                assert answer.status in (400, 404), answer.url
