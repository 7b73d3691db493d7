"""The runs of a sweep, whose reports stand beside that on all: each is served when it is asked for."""

import asyncio
import contextlib
import tempfile
import time
from pathlib import Path

from quire import beside, journal, record
from quire.errors import ReportError
from quire.live.run_view import RunView
from quire.live.served import Served

# So many are kept open though nobody looks at them.
_MOST_IDLE = 16
# How often it is looked whether a run whose earlier report is served has begun anew, in seconds.
_LOOK = 1.0


class Runs:
    """The reports of a sweep's runs.

    Args:
        summary: the report on all of them.
        links: the folder of the sockets at which runs listen.
    """

    def __init__(self, summary: Served, links: Path) -> None:
        self._summary = summary
        self._links = links
        self._open: dict[str, Served] = {}
        self._epochs: dict[str, int] = {}
        self._opening = asyncio.Lock()
        self._looked = 0.0

    async def get(self, name: str) -> Served:
        """The report of the run with this name.

        Raises:
            KeyError: there is none, or none yet.
        """
        async with self._opening:
            served = self._open.pop(name, None)
            if served is None:
                served = Served(await self._view(name))
                await served.take_all()
            # The one that was asked for last stands last.
            self._open[name] = served
            self._close_idle()
        return served

    @property
    def viewers(self) -> int:
        """How many look at any of them."""
        return sum(len(served.viewers) for served in self._open.values())

    async def push(self) -> None:
        """Tells viewers what is new."""
        for served in list(self._open.values()):
            served.refresh()
            served.viewers.push()
        if time.monotonic() - self._looked > _LOOK:
            self._looked = time.monotonic()
            await self._renew()

    def close(self) -> None:
        """Cuts off who looks."""
        for served in self._open.values():
            served.close()
        self._open.clear()

    async def _renew(self) -> None:
        """Follows runs that have begun anew since their last report was opened."""
        for name, served in list(self._open.items()):
            if served.run.has_begun_anew:
                async with self._opening:
                    with contextlib.suppress(KeyError):
                        await served.follow(await self._view(name))

    def _close_idle(self) -> None:
        idle = [name for name, served in self._open.items() if not len(served.viewers)]
        # The one that was opened just now has no viewer yet.
        for name in idle[: max(0, len(idle) - _MOST_IDLE)]:
            self._open.pop(name).close()

    async def _view(self, name: str) -> RunView:
        """The run with this name, from its journal while it runs, else from its record."""
        summary = self._summary.run
        folder = beside.folder_of(summary.folder, name)
        if folder is None:
            raise KeyError(name)
        # Numbers of events must not be those that a viewer knows of an earlier opening.
        epoch = self._epochs[name] = self._epochs.get(name, -1) + 1
        told = {"folder": str(folder), "epoch": epoch, "above": [summary.title, "../../"]}
        with contextlib.suppress(FileNotFoundError):
            link = str(beside.link_of(self._links, name))
            return RunView({**told, "journal": str(folder), "link": link})
        try:
            with tempfile.TemporaryDirectory(prefix="quire-") as private:
                await asyncio.to_thread(_fill, Path(private), folder)
                return RunView({**told, "journal": private, "link": ""})
        except ReportError:
            raise KeyError(name) from None


def _fill(private: Path, folder: Path) -> None:
    journal.fill(private, record.load(folder / f"{folder.name}.json"))
