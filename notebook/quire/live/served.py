"""A report as it is served: its run, and those who look at it."""

import asyncio

from quire.live.feed import Message
from quire.live.run_view import RunView
from quire.live.viewers import Viewer, Viewers


class Served:
    """A report that is served; its run may be followed by another one of the same report.

    Args:
        run: what is served now.
    """

    def __init__(self, run: RunView) -> None:
        self.run = run
        self.viewers = Viewers(lambda: self.run.feed.number)
        self._rendered: tuple[tuple[int, str], str] | None = None

    async def take_all(self) -> None:
        """Takes all that the journal has to tell by now; others get their turns meanwhile."""
        while self.run.feed.take():
            await asyncio.sleep(0)
        self.refresh()

    async def follow(self, run: RunView) -> None:
        """Serves another run from here on; who looks at the one before begins anew."""
        before, self.run, self._rendered = self.run, run, None
        before.close()
        self.viewers.tell({"n": run.feed.number, "reset": True})
        await self.take_all()

    def refresh(self) -> None:
        """Takes what the journal has to tell by now, for a moment, and tells it to viewers."""
        feed = self.run.feed
        feed.take()
        if feed.has_news:
            self.viewers.tell(feed.news())

    def page(self, key: str) -> str:
        """A page of the report as HTML, as it is now.

        Raises:
            KeyError: there is none with this key.
        """
        self.refresh()
        now = self.run.feed.number, key
        # Many viewers who come at once get the same page.
        if self._rendered is None or self._rendered[0] != now:
            self._rendered = now, self.run.page(key)
        return self._rendered[1]

    def missed(self, since: int) -> Message:
        """What a viewer has missed who has seen the event with this number."""
        self.refresh()
        return self.run.feed.since(since)

    def greet(self, viewer: Viewer, since: int) -> None:
        """Tells a viewer what they have missed since an event, and from here on everything."""
        self.viewers.add(viewer, self.missed(since))

    def close(self) -> None:
        """Cuts off who looks, and lets the journal go."""
        self.viewers.close()
        self.run.close()
