"""The one guard before all of the server: who may ask, from where, and how much.

Every request passes it before any route is looked up, WebSockets included, so that a route that is
added later is guarded too.
"""

import secrets
import time
from collections import deque
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

MOST_BODY = 1 << 20
"""The largest body of a request, in bytes."""

# More wrong tokens than this in a minute are told to wait. A right one is always right: it cannot be guessed.
_MOST_WRONG = 30
_MINUTE = 60.0
_READS = ("GET", "HEAD")
_SAME_SITE = ("same-origin", "none")
# Assets hold nothing of the run's; an icon is asked for without a cookie by some browsers.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    # Neither the program nor its version.
    "Server": "quire",
}


class Guard:
    """Lets the owner's requests through, and refuses all others.

    Args:
        port: the port that is served.
        hosts: the names and addresses under which it may be asked for.
        origins: whole origins of proxies under which browsers see it.
        token: what a viewer must know, or "" if nothing.
        session: what the cookie holds.
    """

    def __init__(self, *, port: int, hosts: list[str], origins: list[str], token: str, session: str) -> None:
        self._cookie = f"quire-{port}"
        self._hosts = {_with_port(host, port) for host in hosts} | {urlsplit(o).netloc for o in origins}
        self._origins = {f"http://{_with_port(host, port)}" for host in hosts} | set(origins)
        self._token = token
        self._session = session
        self._wrong: deque[float] = deque(maxlen=2 * _MOST_WRONG)

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware: the handler's answer, or a refusal."""
        if request.headers.get("Host", "").lower() not in self._hosts:
            return refusal(HTTPStatus.MISDIRECTED_REQUEST, "this address is not served here")
        if not self._is_right_origin(request):
            return refusal(HTTPStatus.FORBIDDEN, "a request from another site")
        if self._token and not self._is_known(request):
            return self._let_in(request)
        if not self._is_from_here(request):
            return refusal(HTTPStatus.FORBIDDEN, "a request from another site")
        if (request.content_length or 0) > MOST_BODY:
            return refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MOST_BODY:,} bytes")
        return await handler(request)

    async def finish(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Puts the headers of every answer on it."""
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["Server"] = _HEADERS["Server"]

    def _is_right_origin(self, request: web.Request) -> bool:
        """Whether the page that asks, if one does, is one of ours."""
        return request.headers.get("Origin", "").lower() in self._origins | {""}

    def _is_from_here(self, request: web.Request) -> bool:
        """Whether the request comes from the page itself, or from no page at all."""
        origin = request.headers.get("Origin")
        is_upgrade = "upgrade" in request.headers.get("Connection", "").lower()
        if request.method in _READS and not is_upgrade:
            return True
        site = request.headers.get("Sec-Fetch-Site")
        if site is not None and site not in _SAME_SITE:
            return False
        # A form of another site sends a cookie, and, if the browser is old, no word of where it stands.
        return origin is not None or self._has_bearer(request) or not self._token or is_upgrade

    def _is_known(self, request: web.Request) -> bool:
        cookie = request.cookies.get(self._cookie, "")
        return _same(cookie, self._session) or self._has_bearer(request)

    def _has_bearer(self, request: web.Request) -> bool:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return kind.lower() == "bearer" and self._is_right(token.strip())

    def _is_right(self, token: str) -> bool:
        if _same(token, self._token):
            return True
        self._wrong.append(time.monotonic())
        return False

    def _let_in(self, request: web.Request) -> web.Response:
        """Gives the cookie to who has the token, in a redirect to an address without it."""
        token = request.query.get("token", "")
        if request.method == "GET" and request.path == "/" and token and self._is_right(token):
            response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "./"})
            response.set_cookie(
                self._cookie, self._session, httponly=True, samesite="Strict", path="/", secure=False
            )
            return response
        while self._wrong and time.monotonic() - self._wrong[0] > _MINUTE:
            self._wrong.popleft()
        if len(self._wrong) > _MOST_WRONG:
            return refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many wrong tokens: wait a minute")
        return refusal(HTTPStatus.UNAUTHORIZED, "open the address that was printed where the run was started")


def refusal(status: HTTPStatus, message: str) -> web.Response:
    """An answer that says no, and tells nothing of the run."""
    return web.Response(status=status, text=f"{status.value} {status.phrase}: {message}\n")


def guarded(guard: Guard) -> Middleware:
    """The guard as aiohttp's outermost middleware."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await guard.handle(request, handler)

    return middleware


def _same(given: str, right: str) -> bool:
    # Of bytes: compare_digest takes no text beyond ASCII.
    return secrets.compare_digest(given.encode("utf-8", "replace"), right.encode())


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
