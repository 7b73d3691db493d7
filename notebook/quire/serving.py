"""How a live report is to be served."""

from dataclasses import dataclass

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Where and how to serve a live report: `open_report(path, live=Serving(port=8000))`.

    Attributes:
        host: the address to listen on; by default only this machine's own programs can reach it.
        port: the port to listen on; 0 for any that is free.
        browser: whether to open the page in the user's browser.
        token: whether a viewer must know the token that the printed address holds.
        exit_when_done: whether to end when the run ends, instead of serving on until a viewer ends it.
        origins: further addresses under which browsers see it, such as `https://hub.example` of a proxy.
        watch: whether to run a script anew when it, or a module of the author's that it imports, is saved;
            for `quire serve` alone.
        json: whether to tell the address, port and process as a line of JSON.
    """

    host: str = "127.0.0.1"
    port: int = 0
    browser: bool = True
    token: bool = True
    exit_when_done: bool = False
    origins: tuple[str, ...] = ()
    watch: bool = False
    json: bool = False

    @property
    def is_local(self) -> bool:
        """Whether only this machine's own programs can reach the page."""
        return self.host in _LOOPBACK
