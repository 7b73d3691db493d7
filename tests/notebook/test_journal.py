"""Events on disk: as JSON and back, in the journal of a run, in the record beside its report."""

import json
import math
import os
import resource
from pathlib import Path

import pytest

from quire import ReportError, codec, open_report, record
from quire.events import (
    Code,
    Column,
    Control,
    Event,
    Metadata,
    Metric,
    Opened,
    Output,
    Picture,
    Table,
    Text,
)
from quire.journal import EVENTS, Journal, Reader
from quire.markdown import MarkdownBackend
from quire.testing import Recorder
from tests.notebook.test_markdown import everything

PICTURE = Picture(file="etc/a.png", alt="a", width=1, height=2)
EVENTS_OF_ALL_KINDS: list[Event] = [
    Opened(title="T", started="2026-01-01T00:00:00+00:00", parameters={"a": 1, "b": None}),
    Text(key="t", markdown="lone \udc80, `{{` and \u2028"),
    Metric(chart="c", name="loss", step=1.0, value=math.inf),
    Table(key="x", columns=(Column(name="n", numeric=True),), rows=((1, PICTURE, None, -math.inf),)),
    Control(key="s", kind="slider", label="s", value=0.5, settings={"least": 0, "options": ("a", "b")}),
    Code(key="k", source="x = 1", elapsed=0.5, state="done"),
    Metadata(fields={"tags": ("a", "b")}),
]


@pytest.mark.parametrize("event", EVENTS_OF_ALL_KINDS, ids=lambda event: type(event).__name__)
def test_json_and_back(event: Event) -> None:
    text = codec.dumps(event)
    assert "\n" not in text
    assert codec.from_json(json.loads(text)) == event
    json.loads(text, parse_constant=pytest.fail)


def test_json_that_is_no_event() -> None:
    for told in ({"event": "Explosion"}, {}, {"event": "Text"}):
        with pytest.raises(ValueError, match=r"event|Text"):
            codec.from_json(told)


def test_a_journal_is_read_while_it_grows(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    reader = Reader(tmp_path)
    read: list[Event] = []
    for event in [
        *EVENTS_OF_ALL_KINDS,
        Output(parent="k", text="é\n"),
        Output(parent="k", text="lone \udc80"),
    ]:
        journal.write(event)
        read += reader.read()
        assert reader.number == len(read)
    assert read[:-1] == [*EVENTS_OF_ALL_KINDS, Output(parent="k", text="é\n")]
    assert read[-1] == Output(parent="k", text="lone \\udc80")
    assert reader.text(0, 3) == "é\n".encode()


def test_a_line_that_is_not_whole_counts_for_nothing(tmp_path: Path) -> None:
    """What a kill within a write leaves."""
    Journal(tmp_path).write(EVENTS_OF_ALL_KINDS[0])
    with (tmp_path / EVENTS).open("ab") as file:
        file.write(b'{"event": "Text", "key": "t"')
    reader = Reader(tmp_path)
    assert list(reader.read()) == [EVENTS_OF_ALL_KINDS[0]]
    with (tmp_path / EVENTS).open("ab") as file:
        file.write(b', "markdown": "m"}\n')
    assert list(reader.read()) == [Text(key="t", markdown="m")]


def test_f5_a_full_disk_holds_a_journal_up_and_no_more(tmp_path: Path) -> None:
    """What cannot be written for a while is written later; no piece is there in part."""
    journal = Journal(tmp_path)
    child = os.fork()
    if not child:
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, resource.RLIM_INFINITY))
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        for n in range(200):
            journal.write(Text(key=str(n), markdown="m" * 50))
        half = (tmp_path / EVENTS).read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        journal.write(Text(key="last", markdown=""))
        os._exit(0 if half.endswith(b"\n") and len(half) < 3_000 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    events = list(Reader(tmp_path).read())
    assert [event.key for event in events if isinstance(event, Text)] == [*map(str, range(200)), "last"]


def test_the_journal_tells_all_that_the_report_shows(tmp_path: Path) -> None:
    """Replayed into a Markdown backend of its own, the events give the same page."""
    recorder = Recorder()
    with open_report(tmp_path / "report", backends=[recorder], reproducible=True) as log:
        everything(log)
    (tmp_path / "journal").mkdir()
    journal = Journal(tmp_path / "journal")
    for event in recorder.events:
        journal.write(event)
    from quire.folder import ReportFolder

    folder = ReportFolder.claim(tmp_path / "again/report")
    markdown = MarkdownBackend(folder, times=False)
    for event in Reader(tmp_path / "journal").read():
        markdown.write(event)
    markdown.close()
    folder.release(tidy=False)
    assert folder.document.read_text() == (tmp_path / "report/report.md").read_text()


def test_a_record_gives_the_same_page_again(tmp_path: Path) -> None:
    with open_report(tmp_path / "report", reproducible=True) as log:
        everything(log)
        with log.code():
            print(*range(1000), sep="\n")
    from quire.folder import ReportFolder

    folder = ReportFolder.claim(tmp_path / "again/report")
    markdown = MarkdownBackend(folder, times=False)
    for event in record.load(tmp_path / "report/report.json"):
        markdown.write(event)
    markdown.close()
    folder.release(tidy=False)
    assert folder.document.read_text() == (tmp_path / "report/report.md").read_text()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "is missing"),
        ("{", "cannot be read"),
        ('{"quire": "9", "schema": 9, "events": []}', "another version"),
        ('{"quire": "0", "schema": 1, "events": [{"event": "X"}]}', "no event 'X'"),
    ],
)
def test_a_record_that_cannot_be_read(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ReportError, match=says):
        record.load(path)
