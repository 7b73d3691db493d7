"""U25-U27: the viewer's hand on the run and on its controls."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import expect

from quire.events import Control, Interact, Part, Text
from tests.live.conftest import wait_for
from tests.web.conftest import PATIENCE, Open, until
from tests.web.double import Double


def test_u25_pause_stop_and_exit(full: Double, open_page: Open) -> None:
    page = open_page(full.url)
    bar = page.get_by_role("toolbar")
    bar.get_by_role("button", name="pause").click()
    full.run(state="paused", can=["resume", "stop", "exit"])
    expect(bar.get_by_role("button", name="pause")).to_be_hidden()
    bar.get_by_role("button", name="resume").click()
    for verb, question in (("stop", "Finish the run early?"), ("exit", "End the run and its server?")):
        bar.get_by_role("button", name=verb).click()
        dialog = page.get_by_role("dialog", name=question)
        # What cannot be undone is not what Enter does.
        expect(dialog.get_by_role("button", name="cancel")).to_be_focused()
        page.keyboard.press("Enter")
        expect(dialog).to_be_hidden()
        assert (f"run/{verb}", b"") not in full.posted
        bar.get_by_role("button", name=verb).click()
        dialog.get_by_role("button").first.click()
        expect(dialog).to_be_hidden()
    wanted = [(f"run/{verb}", b"") for verb in ("pause", "resume", "stop", "exit")]
    wait_for(lambda: full.posted == wanted, PATIENCE)


def test_u26_a_slider_answers_at_each_step_and_the_latest_wins(full: Double, open_page: Open) -> None:
    full.reacts = lambda key, value: full.write(
        Text(key="play-text", parent="play-result", markdown=f"n is {value:g}")
    )
    page = open_page(full.url)
    slider = page.get_by_role("slider", name="n", exact=True)
    slider.focus()
    for n in range(3, 8):
        page.keyboard.press("ArrowRight")
        expect(page.locator("#play-text")).to_have_text(f"n is {n}")
    expect(page.locator("#play-n output")).to_have_text("7")
    full.posted.clear()
    full.delay = 3.0
    for _ in range(6):
        page.keyboard.press("ArrowLeft")
    full.delay = 0.0
    expect(page.locator("#play-text")).to_have_text("n is 1")
    # The first, and the latest that waited for it: none of those between.
    assert [value for _, value in full.posted] == [6, 1]
    expect(slider).to_be_focused()
    expect(slider).to_have_value("1")


def test_u26_an_answer_that_comes_late_does_not_turn_the_slider_back(full: Double, open_page: Open) -> None:
    event = full.tree.node("play-n").event
    assert isinstance(event, Control)

    def tell_late(key: str, value: float) -> None:
        """Tells, a moment after 4 was taken, that it is 3."""
        if value == 4:
            late = replace(event, value=3), Text(key="late", markdown="It came.")
            threading.Timer(0.1, lambda: full.write(*late)).start()

    full.reacts = tell_late
    page = open_page(full.url)
    slider = page.get_by_role("slider", name="n", exact=True)
    slider.focus()
    page.evaluate("""() => new MutationObserver(() => {
        const late = document.getElementById("late");
        if (late) window.shown ??= document.getElementById("play-n-input").value;
    }).observe(document.getElementById("page"), { childList: true })""")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    until(page, "window.shown === '4'")
    # In the end it is what the server says, and what another viewer sets.
    expect(slider).to_have_value("3")
    full.write(replace(event, value=8))
    expect(slider).to_have_value("8")


def test_every_kind_of_control_sends_its_value(full: Double, open_page: Open, tmp_path: Path) -> None:
    page = open_page(full.url)
    page.get_by_role("spinbutton", name="Epochs").fill("5")
    page.get_by_role("combobox", name="Kind").select_option("a")
    page.get_by_role("checkbox", name="Live").uncheck()
    page.get_by_role("textbox", name="Name").fill("new")
    page.get_by_role("textbox", name="Name").press("Enter")
    page.get_by_role("button", name="Go").click()
    (tmp_path / "x.png").write_bytes(b"bytes")
    page.get_by_label("Data").set_input_files(tmp_path / "x.png")
    expect(page.locator("#data output")).to_have_text("x.png")
    wanted = [
        ("controls/epochs", 5),
        ("controls/kind", "a"),
        ("controls/live", False),
        ("controls/name", "new"),
        ("controls/go", 1),
        ("uploads/data", b"bytes"),
    ]
    wait_for(lambda: sorted(full.posted, key=str) == sorted(wanted, key=str), PATIENCE)


def test_s41_what_is_refused_is_told_at_its_control(full: Double, open_page: Open) -> None:
    full.refuse = "the greatest is 9, not 50"
    page = open_page(full.url, expect_errors=True)
    field = page.get_by_role("spinbutton", name="Epochs")
    field.fill("50")
    field.press("Tab")
    expect(page.get_by_role("alert").filter(has_text="the greatest is 9")).to_be_visible()
    expect(field).to_have_attribute("aria-invalid", "true")
    full.refuse = ""
    field.fill("5")
    field.press("Tab")
    expect(page.locator("#epochs-error")).to_be_hidden()
    expect(field).not_to_have_attribute("aria-invalid", "true")


def test_another_viewers_choice_arrives(full: Double, open_page: Open) -> None:
    page = open_page(full.url)
    expect(page.locator("#state")).to_have_text("running")
    full.write(
        Control(
            key="noise",
            kind="slider",
            label="Noise",
            value=0.9,
            settings={"least": 0, "greatest": 1, "step": 0.1},
        )
    )
    expect(page.get_by_role("slider", name="Noise")).to_have_value("0.9")


def test_many_sliders_of_one_function_leave_its_result_in_sight(double: Double, open_page: Open) -> None:
    settings = {"least": -1, "greatest": 1, "step": 0.1}
    double.write(Interact(key="code", title="Move the numbers"))
    for n in range(25):
        slider = Control(
            kind="slider", label=f"unit {n}", value=0, settings=settings, key=f"c-{n}", parent="code"
        )
        double.write(slider)
    double.write(
        Part(key="made", parent="code"), Text(key="text", parent="made", markdown="What it makes of them")
    )
    for width in (1280, 360):
        page = open_page(double.url, viewport={"width": width, "height": 800})
        box = page.locator("#code").bounding_box()
        text = page.locator("#text").bounding_box()
        sliders = [page.locator(f"#c-{n} input").bounding_box() for n in (0, 1)]
        assert box
        assert text
        assert all(sliders)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if width == 1280:
            assert box["height"] < 640
            assert sliders[0]["y"] == sliders[1]["y"]  # type: ignore[index]
            assert text["width"] > 600


def test_a_control_moves_to_the_function_that_takes_it(full: Double, open_page: Open) -> None:
    page = open_page(full.url)
    expect(page.locator("#state")).to_have_text("running")
    form = page.locator("#noise").evaluate("form => form.outerHTML")
    expect(page.locator("#play #noise")).to_have_count(0)
    place = {"page": "", "id": "noise"}
    full.send({"patches": [{**place, "gone": True}, {**place, "parent": "play", "html": form}]})
    expect(page.locator("#play #noise")).to_have_count(1)
    expect(page.locator("#noise")).to_have_count(1)


def ink(full: Double) -> float:
    """How much ink the last drawing that was sent has."""
    values = [value for path, value in full.posted if path == "controls/pad"]
    if not values:
        return -1.0
    assert len(values[-1]) == 28 * 28
    assert all(0 <= one <= 1 for one in values[-1])
    return float(sum(values[-1]))


@pytest.mark.parametrize("by", ["mouse", "touch"])
def test_u27_drawing_by_mouse_and_touch(full: Double, open_page: Open, by: str) -> None:
    page = open_page(full.url, has_touch=by == "touch")
    pad = page.locator("#pad canvas")
    pad.scroll_into_view_if_needed()
    box = pad.bounding_box()
    assert box
    if by == "mouse":
        page.mouse.move(box["x"] + 40, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 200, box["y"] + 200, steps=5)
        page.mouse.up()
    else:
        page.touchscreen.tap(box["x"] + 100, box["y"] + 100)
    wait_for(lambda: ink(full) > (40 if by == "mouse" else 1), PATIENCE)
    page.locator("#pad").get_by_role("button", name="undo").click()
    wait_for(lambda: ink(full) == 0, PATIENCE)


def test_u27_drawing_by_keyboard(full: Double, open_page: Open) -> None:
    page = open_page(full.url)
    page.locator("#pad canvas").focus()
    page.keyboard.down(" ")
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    page.keyboard.up(" ")
    wait_for(lambda: ink(full) > 6, PATIENCE)
    line = ink(full)
    page.keyboard.press("c")
    wait_for(lambda: ink(full) == 0, PATIENCE)
    page.keyboard.press("z")
    wait_for(lambda: ink(full) == line, PATIENCE)
