"""The executor that runs the rows of a sweep on a Dask cluster."""

import os
import queue
import shlex
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from signal import SIGINT, SIGKILL
from typing import Any

from quire import digests, origins, words
from quire.errors import ParameterError, ReportError
from quire.folder import ReportFolder
from quire.names import is_beneath
from quire.sweep import remote
from quire.sweep.news import Ended, News, from_json
from quire.sweep.nursery import Job
from quire.sweep.parcel import Parcel
from quire.sweep.remote import Data, Errand
from quire.sweep.rows import Row

# How long to wait for the scheduler, in seconds.
_PATIENCE = 10
# Data that workers do not have are sent if they are no more than this, in bytes.
_MOST = 1_000_000_000


class Cluster:
    """Runs rows on the workers of a Dask cluster; an `Executor`.

    A row whose worker is lost is run again on another one. The scheduler gives it up when that has happened
    several times (Dask's `allowed-failures`).

    Args:
        address: of the scheduler, such as `tcp://scheduler:8786`.
        job: what the runs have in common.
        rows: all that may be run.
        script: as the command line names it.

    Raises:
        ParameterError: `distributed` is missing, or no scheduler answers.
        ReportError: code or data cannot be read, or are too large to be sent.
    """

    def __init__(self, address: str, job: Job, rows: Sequence[Row], script: str) -> None:
        self._client = _client(address)
        self._sweep = f"quire-{uuid.uuid4().hex}"
        self._job = job
        file, _, function = script.partition("::")
        self._script = os.path.relpath(file) + (f"::{function}" if function else "")
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._futures: dict[str, tuple[Any, Row]] = {}
        self._client.subscribe_topic(self._sweep, lambda event: self._events.put(event[1]["told"]))
        self._parcel = Parcel.of(Path(file))
        self._data: dict[str, Any] = {}
        for path in {value for row in rows for value in row.values.values() if isinstance(value, Path)}:
            if path.exists():
                self._data[str(path)] = self._client.scatter(self._found(path), broadcast=True, hash=False)

    @property
    def workers(self) -> int:
        """How many threads the workers have; while there is no worker, the first row waits for one."""
        return max(1, sum(map(int, self._client.nthreads().values())))

    def answer_at(self, links: Path) -> None:
        """Does nothing: runs on other machines answer no viewers of this one."""

    def start(self, row: Row) -> None:
        """Begins the run of a row."""
        data = [self._data[str(value)] for value in row.values.values() if str(value) in self._data]
        key = f"{self._sweep}-{row.number}"
        future = self._client.submit(
            remote.run, self._parcel, self._errand(row), tuple(data), key=key, pure=False
        )
        self._futures[key] = future, row
        future.add_done_callback(self._events.put)

    def news(self, seconds: float) -> Iterator[News]:
        """What has happened since the last call, awaited for so many seconds at most."""
        while True:
            try:
                event = self._events.get(timeout=seconds)
            except queue.Empty:
                return
            seconds = 0
            if not isinstance(event, dict):
                yield self._ended(event.key)
            elif f"{self._sweep}-{event['row']}" in self._futures:
                yield from_json(event)

    def end(self, *, at_once: bool) -> None:
        """Has those that run end."""
        self._client.run(remote.end, self._sweep, SIGKILL if at_once else SIGINT)

    def close(self) -> None:
        """Ends all that still runs, and lets the cluster go."""
        if self._futures:
            self._client.run(remote.end, self._sweep, SIGKILL)
            self._client.cancel([future for future, _ in self._futures.values()])
        self._client.close()

    def _found(self, path: Path) -> Data:
        """Data, with what they hold if a worker has not got them."""
        try:
            return self._sent(path, origins.digest(path, "data"))
        except ReportError:
            raise
        except OSError as error:
            raise ReportError(f"{error.filename or path} cannot be sent to the workers: {error}") from error

    def _sent(self, path: Path, sha256: str) -> Data:
        data = Data(str(path), str(path.absolute()), sha256)
        answers = self._client.run(remote.has, ((data.absolute, sha256),))
        if all(answer[0] for answer in answers.values()):
            return data
        packed = _packed(path)
        if (size := sum(map(len, packed.values()))) > _MOST:
            raise ReportError(
                f"{path} is not on all workers, and with {words.size(size)} too large to be sent: "
                f"put it there, at {data.absolute}"
            )
        return Data(data.path, data.absolute, sha256, packed)

    def _errand(self, row: Row) -> Errand:
        folder = os.path.relpath(self._job.folder / row.name)
        given = shlex.split(row.command)[3:]
        hosts: Counter[str] = Counter()
        for worker in self._client.scheduler_info(n_workers=-1)["workers"].values():
            hosts[worker["host"]] += worker["nthreads"]
        return Errand(
            self._sweep,
            row.number,
            "" if folder.startswith("..") else folder,
            row.name,
            self._script,
            tuple(word for word in given if word != "--reproducible"),
            row.command,
            self._job.reproducible,
            self._job.cache,
            hosts,
        )

    def _ended(self, key: str) -> Ended:
        future, row = self._futures.pop(key)
        if future.cancelled():
            return Ended(row.number, "interrupted")
        if error := future.exception():
            return Ended(row.number, "died", words.in_a_line(f"{type(error).__name__}: {error}"))
        returned = future.result()
        future.release()
        try:
            _bring(returned.files, self._job.folder / row.name, force=self._job.force)
        except OSError as error:
            return Ended(row.number, "failed", f"its report cannot be written: {error.strerror or error}")
        return Ended(row.number, returned.state, returned.detail)


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise ParameterError(
            f"--dask needs Dask's distributed scheduler: pip install 'quire[sweeps]' ({error})"
        ) from error
    try:
        return Client(  # type: ignore[no-untyped-call]
            address, timeout=_PATIENCE, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise ParameterError(
            f"--dask {address}: no scheduler answers there ({error}); `dask scheduler` starts one"
        ) from error


def _packed(path: Path) -> dict[str, bytes]:
    if path.is_file():
        return {"": path.read_bytes()}
    return {each.relative_to(path).as_posix(): each.read_bytes() for each in digests.files(path)}


def _bring(files: "dict[str, bytes]", folder: Path, *, force: bool) -> None:
    """Puts the files of a report into its folder, in place of those of an earlier run."""
    claimed = ReportFolder.claim(folder, force=force)
    is_written = False
    try:
        # The pages first, the record last: it is what tells that the report is whole.
        if not all(map(is_beneath, files)):
            raise ReportError("a worker has sent files that are none of the report's")
        for name in sorted(files, key=lambda name: name.endswith(".json")):
            claimed.fill(name, partial(_write, files[name]))
        is_written = True
    finally:
        claimed.release(tidy=is_written)


def _write(content: bytes, path: Path) -> None:
    path.write_bytes(content)
