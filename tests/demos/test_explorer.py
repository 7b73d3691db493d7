"""The explorer: a report when it is run, a workbench when it is served."""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from quire.events import Control, Picture
from quire.testing import Recorder
from tests.demos.modes import ROOT, recorded
from tests.live.conftest import Served, state, until

DEMO = ROOT / "demos/explorer.py"
# A pad of 16x16 with a 7 of two strokes, as the page sends it.
SEVEN = np.zeros((16, 16))
SEVEN[2:4, 3:13] = 1
for row in range(4, 15):
    SEVEN[row, 13 - row // 2 - 2 : 13 - row // 2 + 1] = 1


@pytest.fixture(scope="module")
def report() -> Recorder:
    return recorded("explorer", quick=True)


def test_explorer_has_a_part_for_each_thing_to_do(report: Recorder) -> None:
    wanted = [
        "How they learn",
        "A digit of your own",
        "The numbers of a code",
        "Training",
        "What a unit does",
    ]
    assert [heading for heading in report.headings if heading in wanted] == wanted
    kinds = [control.kind for control in report.blocks(Control)]
    assert (kinds.count("slider"), kinds.count("sketch")) == (3 + 25, 1)


def test_explorer_learns_and_says_so(report: Recorder) -> None:
    errors, shares = ([value for _, value in report.metric(name)] for name in ("squared error", "recognised"))
    assert errors[-1] < errors[0] < 0.1
    assert shares[0] < 0.97 < 0.9 + shares[-1] / 10
    told = " ".join(report.texts[1].split())
    assert f"fell from {errors[0]:.4f} to {errors[-1]:.4f}" in told
    assert f"rose from {shares[0]:.1%} to {shares[-1]:.1%}" in told


def test_explorer_takes_its_drawn_example_for_a_7(report: Recorder) -> None:
    table = next(table for table in report.tables if table.columns[0].name == "drawn")
    (row,) = table.rows
    assert all(isinstance(cell, Picture) for cell in row[:4])
    assert str(row[4]).startswith("7 (")
    assert "An example" in table.caption


def test_explorer_writes_its_pages_at_the_end(report: Recorder) -> None:
    assert {"History", "Reconstructions", "Representation"} <= set(report.headings)
    history = next(table for table in report.tables if table.columns[0].name == "step")
    steps = [int(str(row[0])) for row in history.rows]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] == 0
    back = [
        table for table in report.tables if [c.name for c in table.columns][:2] == ["picture", "given back"]
    ]
    assert len(back[-1].rows) == 20


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The explorer while it trains, for as long as the test takes."""
    served = Served(tmp_path, "--epochs", "1000000", "--output", str(tmp_path), script=str(DEMO))
    yield served
    served.end()


async def test_explorer_answers_while_it_trains(served: Served, tmp_path: Path) -> None:
    async with served.client() as session, session.ws_connect("events?since=0&page=") as socket:
        await shown(socket, "training-code", 60)
        await put(session, "a-digit-of-your-own-sketch", SEVEN.ravel().tolist())
        # As the network learns, the drawing is shown again, without being drawn again.
        while "Your drawing" not in (drawing := await shown(socket, "drawing", 30)):
            pass
        end = time.monotonic() + 30
        while not re.search(r">\s*7 \(", drawing := await shown(socket, "drawing", 30)):
            assert time.monotonic() < end, drawing

        before = pictures(await shown(socket, "moved", 30))
        await put(session, "run/pause", None)
        await until(session, "paused", 30)
        await put(session, "the-numbers-of-a-code-slider", 1.0)
        while pictures(after := await shown(socket, "moved", 30)) == before:
            pass
        assert "Test picture" in after

        await put(session, "run/resume", None)
        steps = [await newest_step(session) for _ in range(2)]
        assert 0 <= steps[0] <= steps[1]
        for page, told in (("reconstructions?count=3", "taken for"), ("representation", "Layer 2")):
            async with session.get(f"pages/{page}") as answer:
                assert answer.status == 200
                assert told in await answer.text()
        await put(session, "run/stop", None)
        await until(session, "stopped", 30)
    written = (tmp_path / "explorer/explorer.md").read_text()
    assert "**What came out:** in " in written
    assert "*a digit:* a drawing" in written


async def test_explorer_learns_by_what_is_set(served: Served) -> None:
    async with served.client() as session:
        async with session.ws_connect("events?since=0&page=") as socket:
            await shown(socket, "training-code", 60)
        await put(session, "how-they-learn-slider", -5)
        await put(session, "how-they-learn-slider-2", 0.5)
        end = time.monotonic() + 30
        while True:
            async with session.get("pages/history") as answer:
                first = re.findall(r"<td[^>]*>\s*([^<]*?)\s*</td>", await answer.text())[:6]
            if first[3:5] == ["1e-05", "0.5"]:
                break
            assert time.monotonic() < end, first
            await asyncio.sleep(0.2)
        assert (await state(session))["state"] == "running"


async def newest_step(session: aiohttp.ClientSession) -> int:
    async with session.get("pages/history") as answer:
        assert answer.status == 200
        found = re.search(r"<td[^>]*>\s*([\d,]+)", await answer.text())
        assert found
        return int(found[1].replace(",", ""))


def pictures(html: str) -> list[str]:
    return re.findall(r'src="([^"]+)"', html)


async def put(session: aiohttp.ClientSession, path: str, value: Any) -> None:
    """Sets a control, or asks the run for something."""
    address = path if path.startswith("run/") else f"controls/{path}"
    body = None if value is None else {"value": value}
    async with session.post(address, json=body) as answer:
        assert answer.status in (200, 202, 204), await answer.text()


async def shown(socket: aiohttp.ClientWebSocketResponse, key: str, seconds: float) -> str:
    """What the next message shows of a block."""
    while True:
        told = json.loads((await socket.receive(seconds)).data)
        for patch in told.get("patches", []):
            if patch["id"] == key or f'id="{key}"' in patch.get("html", ""):
                return str(patch.get("html", ""))
