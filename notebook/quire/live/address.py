"""Where a live report is served: the listening socket, and what opens it to a viewer."""

import contextlib
import errno
import ipaddress
import json
import os
import secrets
import socket
import sys
import threading
import webbrowser
from pathlib import Path
from urllib.parse import urlsplit

from quire.live.channel import Message
from quire.serving import Serving

_BACKLOG = 512
_PORTS = {"http": 80, "https": 443}
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
        self._origins = [_origin(given) for given in serving.origins]
        self._socket = _bound(serving)
        self.host, self.port = self._socket.getsockname()[:2]
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._session = secrets.token_urlsafe(_TOKEN_BYTES)

    @property
    def url(self) -> str:
        """The address that opens the page."""
        # Who looks from elsewhere needs a name that leads here.
        name = socket.gethostname().lower() if self._is_everywhere else self.host
        host = f"[{name}]" if ":" in name else name
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
            "hosts": self._hosts(),
            "origins": self._origins,
            "everywhere": self._is_everywhere,
            "token": self._token if self._serving.token else "",
            "session": self._session,
        }

    @property
    def _is_everywhere(self) -> bool:
        return ipaddress.ip_address(self.host.partition("%")[0]).is_unspecified

    def _hosts(self) -> list[str]:
        """The names that lead here."""
        names = {"localhost", "127.0.0.1", "::1"}
        if self._is_everywhere:
            names.add(socket.gethostname())
        else:
            names |= {self.host, self._serving.host}
        return sorted(name.lower() for name in names)

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


def _origin(given: str) -> str:
    """An origin as browsers write it: scheme, host, and port if it is not the usual one.

    Raises:
        OSError: it is none.
    """
    try:
        parts = urlsplit(given.lower())
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    is_whole = parts.scheme in _PORTS and parts.hostname and not parts.path.strip("/")
    if not is_whole or parts.query or parts.fragment or "@" in parts.netloc:
        raise OSError(
            f"{given!r} is no origin: write one like https://hub.example or http://hub.example:8080"
        )
    host = parts.netloc if port != _PORTS[parts.scheme] else parts.netloc.rpartition(":")[0]
    return f"{parts.scheme}://{host}"


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
