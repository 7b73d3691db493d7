"""Viewers act upon a run that trains: pages, endpoints and controls, answered by the live model."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from tests.live.conftest import Served, state, until

Serve = Callable[..., Served]

MODEL = """
log.h1("Model")
model = {"step": 0}
rate = log.slider("rate", 0, 1, value=0.5)
press = log.button("go on")

@log.interact("Times the step", n=log.slider("n", 1, 9))
def times(n: int) -> int:
    return n * 1000

@log.page("history")
def history(page: NotebookOutput, last: int = 3) -> None:
    page.h2(f"At step {model['step']}, the last {last}")
    page.image(np.eye(4), "a picture")

@log.page("aside", thread=True)
def aside(page: NotebookOutput) -> None:
    page.p("answered at once")

@log.endpoint("GET", "/api/step")
def step(scale: float = 1.0) -> object:
    return {"step": np.int64(model["step"]), "code": np.arange(3) * scale}

@log.endpoint("POST", "/api/echo")
def echo(text: str) -> bytes:
    return text.encode()
"""
BROKEN = """
@log.page("broken")
def broken(page: NotebookOutput) -> None:
    raise ValueError("/home/secret")
"""
LATE = """
log.h1("Late")
n = log.slider("n", 1, 9)
log.button("go on").wait()

@log.interact("Double", n=n)
def double(n: int) -> int:
    return 2 * n

time.sleep(30)
"""
TRAIN = """
for n in log.progress(range(100_000), "training"):
    model["step"] = n
    time.sleep(0.002)
"""


async def test_pages_show_the_model_as_it_is(serve: Serve) -> None:
    served = serve(MODEL + TRAIN)
    async with served.client() as session:
        texts = []
        for query in ("", "?last=5"):
            async with session.get(f"pages/history{query}") as answer:
                assert answer.status == 200
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                texts.append(await answer.text())
        steps = [int(text.partition("At step ")[2].partition(",")[0]) for text in texts]
        assert 0 < steps[0] <= steps[1]
        assert "the last 5" in texts[1]
        source = texts[0].partition('src="../files/')[2].partition('"')[0]
        async with session.get(f"files/{source}") as answer:
            assert (await answer.read()).startswith(b"\x89PNG")
        async with session.get("") as answer:
            assert 'href="pages/history"' in await answer.text()
        for path, status in (("pages/none", 404), ("pages/history?last=x", 422)):
            async with session.get(path) as answer:
                assert answer.status == status


async def test_endpoints_answer_with_data(serve: Serve) -> None:
    served = serve(MODEL + TRAIN)
    async with served.client() as session:
        async with session.get("api/step?scale=2") as answer:
            told = await answer.json()
            assert told["step"] >= 0
            assert told["code"] == [0.0, 2.0, 4.0]
        async with session.post("api/echo", json={"text": "é"}) as answer:
            assert await answer.read() == "é".encode()
        async with session.post("api/echo", json={}) as answer:
            assert answer.status == 422
            assert (await answer.json())["field"] == "text"
        for method, path, status in (("GET", "api/echo", 405), ("GET", "api/none", 404)):
            async with session.request(method, path) as answer:
                assert answer.status == status


async def test_a_control_is_set_for_the_run_and_all_viewers(serve: Serve) -> None:
    served = serve(MODEL + "press.wait()\nprint('rate is', rate.value)\ntime.sleep(30)")
    async with served.client() as session, session.ws_connect("events?since=0&page=") as socket:
        await socket.receive()
        await set_to(session, "model-slider", 0.75)
        assert "0.75" in await shown(socket, "model-slider")
        # The run waits for the button, and answers others meanwhile.
        await set_to(session, "model-slider-2", 7)
        assert "7000" in await shown(socket, "model-interact-result-value", "model-result-value")
        await set_to(session, "model-button", 1)
        end = time.monotonic() + 5
        while "rate is 0.75" not in served.out.read_text():
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
        async with session.post("controls/model-slider", json={"value": 2}) as answer:
            assert answer.status == 422
            assert (await answer.json())["field"] == "value"


async def test_a_control_that_stood_alone_leaves_its_place_for_its_function(serve: Serve) -> None:
    served = serve(LATE)
    async with served.client() as session, session.ws_connect("events?since=0&page=") as socket:
        assert "n" in await shown(socket, "late-slider")
        await set_to(session, "late-button", 1)
        patches: list[dict[str, Any]] = []
        while not any('id="late-slider"' in one.get("html", "") for one in patches):
            patches += json.loads((await socket.receive(10)).data).get("patches", [])
    about = [one for one in patches if "late-slider" in (one["id"], *one.get("html", "").split('"'))]
    assert about[0].get("gone"), "it is taken away before it comes in its new place"


async def test_controls_answer_after_the_end_as_well(serve: Serve) -> None:
    served = serve(MODEL)
    async with served.client() as session:
        told = await until(session, "done")
        async with session.ws_connect(f"events?since={told['n']}&page=") as socket:
            await set_to(session, "model-slider-2", 8)
            assert "8000" in await shown(socket, "model-interact-result-value", "model-result-value")
        async with session.get("pages/aside") as answer:
            assert "answered at once" in await answer.text()


async def test_f32_an_author_who_raises_or_hangs(serve: Serve) -> None:
    served = serve(MODEL + "Path('begun').touch()\ntime.sleep(30)")
    async with served.client() as session:
        while not (served.folder / "begun").exists():
            await asyncio.sleep(0.02)
        # The run comes to no pause point: a page on a thread of its own is answered all the same.
        async with session.get("pages/aside") as answer:
            assert answer.status == 200
        began = time.monotonic()
        async with session.get("pages/history") as answer:
            assert answer.status == 504
            assert "pause point" in await answer.text()
        assert 9 < time.monotonic() - began < 15
        assert (await state(session))["state"] == "running"


async def test_s44_a_traceback_stays_in_the_log(serve: Serve) -> None:
    served = serve(MODEL + BROKEN + TRAIN)
    async with served.client() as session:
        async with session.get("pages/broken") as answer:
            assert answer.status == 500
            told = await answer.json()
        assert "secret" not in json.dumps(told)
        number = told["error"].partition("error ")[2].partition(";")[0]
        log = ""
        end = time.monotonic() + 5
        while "ValueError: /home/secret" not in log:
            assert time.monotonic() < end
            async with session.get("log?tail=10000") as answer:
                log = await answer.text()
        assert f"error {number}" in log


async def test_a_file_is_sent(serve: Serve) -> None:
    served = serve(
        "file = log.upload('data')\npath = file.wait()\nprint('got', path.read_bytes())\ntime.sleep(9)"
    )
    async with served.client() as session:
        headers = {"X-Name": "../../evil name.bin"}
        async with session.post("uploads/upload", data=b"\x00\xff", headers=headers) as answer:
            assert answer.status == 204
        end = time.monotonic() + 5
        while "got b'\\x00\\xff'" not in served.out.read_text():
            assert time.monotonic() < end
            await asyncio.sleep(0.02)
    files = [path.name for path in (served.document.parent / "etc").iterdir()]
    assert files == ["evil-name.bin"]


async def set_to(session: aiohttp.ClientSession, key: str, value: Any) -> None:
    async with session.post(f"controls/{key}", json={"value": value}) as answer:
        assert answer.status == 204, await answer.text()


async def shown(socket: aiohttp.ClientWebSocketResponse, *keys: str) -> str:
    """What the next message that places one of these blocks, or what holds it, shows."""
    while True:
        told = json.loads((await socket.receive(10)).data)
        for patch in told.get("patches", []):
            if any(key == patch["id"] or f'id="{key}"' in patch.get("html", "") for key in keys):
                return str(patch["html"])
