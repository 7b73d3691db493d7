"""Where a live report is served: the listening socket, and what opens it to a viewer."""

import contextlib
import errno
import json
import os
import secrets
import socket
import sys
import threading
import webbrowser
from pathlib import Path

from quire.live.channel import Message
from quire.serving import Serving

_BACKLOG = 512
# 192 bits: nobody guesses them.
_TOKEN_BYTES = 24


class Address:
    """A bound socket with its secrets, which stay the same if the server has to be started again.

    Raises:
        OSError: the address cannot be served; the message says why.
    """

    def __init__(self, serving: Serving) -> None:
        if not serving.token and not serving.is_local:
            raise OSError(f"{serving.host} can be reached by others: it is not served without a token")
        self._serving = serving
        self._socket = _bound(serving)
        self.host, self.port = self._socket.getsockname()[:2]
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._session = secrets.token_urlsafe(_TOKEN_BYTES)

    @property
    def url(self) -> str:
        """The address that opens the page."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = f"?token={self._token}" if self._serving.token else ""
        return f"http://{host}:{self.port}/{query}"

    @property
    def descriptors(self) -> list[int]:
        """The listening socket, for the server."""
        return [self._socket.fileno()]

    def told(self) -> Message:
        """What the server must know."""
        return {
            "port": self.port,
            "hosts": list({self.host, self._serving.host, "localhost", "127.0.0.1", "::1"}),
            "origins": list(self._serving.origins),
            "token": self._token if self._serving.token else "",
            "session": self._session,
        }

    def said(self, pid: int) -> list[str]:
        """What to tell the user."""
        if self._serving.json:
            return [json.dumps({"url": self.url, "port": self.port, "pid": pid})]
        lines = [f"Serving at {self.url}"]
        if not self._serving.is_local:
            lines.insert(
                0, f"Warning: {self.host} can be reached by others; who knows the address can steer."
            )
        return lines

    def close(self) -> None:
        """Stops listening."""
        self._socket.close()


def open_browser(url: str, private: Path) -> None:
    """Opens `url` in the user's browser, if there is a screen; the token is in no list of processes.

    Args:
        url: what to open.
        private: a folder that only this user can read.
    """
    has_screen = sys.platform == "darwin" or os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}
    if not has_screen or os.environ.keys() & {"SSH_CONNECTION", "CI"}:
        return
    page = private / "open.html"
    with contextlib.suppress(OSError):
        fd = os.open(page, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(
                f'<meta http-equiv="refresh" content="0;url={url}"><a href="{url}">Open the report</a>'
            )
        threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()


def _bound(serving: Serving) -> socket.socket:
    hosts = [serving.host]
    if serving.host == Serving().host:
        # A machine may have but one kind of loopback.
        hosts.append("::1")
    failures = []
    for host in hosts:
        listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, serving.port))
            listening.listen(_BACKLOG)
        except (OSError, OverflowError) as error:
            listening.close()
            failures.append(error)
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                break
            continue
        return listening
    raise OSError(_told(serving, failures[0]))


def _told(serving: Serving, error: Exception) -> str:
    if getattr(error, "errno", None) == errno.EADDRINUSE:
        return (
            f"port {serving.port} of {serving.host} is in use: choose another, or none for any that is free"
        )
    return (
        f"cannot listen on {serving.host}, port {serving.port}: {getattr(error, 'strerror', None) or error}"
    )
