"""What may hold, end or question a run, and where."""

import signal
import threading
import time
from concurrent.futures import CancelledError

import pytest

from quire import RunStopped
from quire.steering import Busy, Steering


def later(seconds: float, function: object, *arguments: object) -> None:
    assert callable(function)
    threading.Timer(seconds, function, arguments).start()


def test_nothing_happens_where_nothing_is_asked() -> None:
    steering = Steering()
    for _ in range(1000):
        steering.pause_point()


def test_a_pause_holds_the_run_and_its_clock() -> None:
    steering = Steering()
    heard: list[str] = []
    steering.listeners = {name: [lambda name=name: heard.append(name)] for name in ("pause", "resume")}  # type: ignore[misc]
    steering.request("pause")
    later(0.3, steering.request, "resume")
    began, clock = time.perf_counter(), steering.now()
    steering.pause_point()
    assert time.perf_counter() - began >= 0.3
    assert steering.now() - clock < 0.2
    assert heard == ["pause", "resume"]


def test_a_stop_ends_the_run_once() -> None:
    """What closes the report afterwards may come by pause points of its own."""
    steering = Steering()
    steering.request("stop")
    with pytest.raises(RunStopped) as raised:
        steering.pause_point()
    assert raised.value.code == 0
    steering.pause_point()


def test_a_stop_ends_a_pause() -> None:
    steering = Steering()
    steering.request("pause")
    later(0.1, steering.request, "stop")
    with pytest.raises(RunStopped):
        steering.pause_point()


def test_calls_are_made_in_the_runs_own_thread() -> None:
    steering = Steering()
    answers = [steering.ask(threading.get_ident), steering.ask(lambda: 1 / 0)]
    assert not answers[0].done()
    steering.pause_point()
    assert answers[0].result() == threading.get_ident()
    assert isinstance(answers[1].exception(), ZeroDivisionError)


def test_calls_are_answered_while_paused() -> None:
    steering = Steering()
    steering.request("pause")
    asked: list[object] = []
    later(0.1, lambda: asked.append(steering.ask(lambda: "answered")))
    later(0.3, steering.request, "resume")
    steering.pause_point()
    assert asked[0].result(0) == "answered"  # type: ignore[attr-defined]


def test_of_calls_with_one_key_the_latest_is_made() -> None:
    steering = Steering()
    made: list[int] = []
    answers = [steering.ask(lambda n=n: made.append(n), key="slider") for n in range(10)]  # type: ignore[misc]
    steering.pause_point()
    assert made == [9]
    with pytest.raises(CancelledError):
        answers[0].result(0)


def test_f32_a_bounded_queue() -> None:
    steering = Steering()
    for _ in range(32):
        steering.ask(lambda: None)
    with pytest.raises(Busy):
        steering.ask(lambda: None)
    steering.pause_point()
    steering.ask(lambda: None)


def test_f32_a_thousand_interleavings() -> None:
    """Requests from three threads against a run that steps: none is lost, nothing locks up."""
    steering = Steering()
    answers: list[object] = []

    def ask(on_thread: bool) -> None:
        for n in range(340):
            while True:
                try:
                    answers.append(steering.ask(lambda n=n: n, on_thread=on_thread))  # type: ignore[misc]
                    break
                except Busy:
                    time.sleep(0.0005)
            if n % 50 == 0:
                steering.request("pause")
                steering.request("resume")

    threads = [threading.Thread(target=ask, args=(on_thread,)) for on_thread in (False, False, True)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 20
    while any(thread.is_alive() for thread in threads):
        assert time.monotonic() < end
        steering.pause_point()
    steering.pause_point()
    assert len(answers) == 1020
    assert all(answer.result(5) is not None for answer in answers)  # type: ignore[attr-defined]


def test_f32_a_call_that_hangs_on_its_thread_holds_nothing_up() -> None:
    steering = Steering()
    gate = threading.Event()
    hanging = steering.ask(gate.wait, key="a", on_thread=True)
    quick = steering.ask(lambda: 1, key="b", on_thread=True)
    assert quick.result(5) == 1
    began = time.perf_counter()
    steering.pause_point()
    assert time.perf_counter() - began < 1
    gate.set()
    assert hanging.result(5)


def test_ctrl_c_waits_for_the_step_but_not_for_long() -> None:
    steering = Steering()
    assert not steering.interrupt(), "a run that never came to a pause point is not waited for"
    steering.pause_point()
    assert steering.interrupt()
    with pytest.raises(KeyboardInterrupt):
        steering.pause_point()
    steering.pause_point()
    assert steering.interrupt()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            time.sleep(10)
        time.sleep(0.3)  # the interruption that was granted before does not come again
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_twice_is_at_once() -> None:
    steering = Steering()
    steering.pause_point()
    assert steering.interrupt()
    assert not steering.interrupt()
    with pytest.raises(KeyboardInterrupt):
        steering.pause_point()
