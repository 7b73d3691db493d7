"""The one guard before all of the server: who may ask, from where, and how much.

Every request passes it before any route is looked up, WebSockets included, so that a route that is
added later is guarded too.
"""

import ipaddress
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
_LINK = ("navigate", "document")
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
        everywhere: whether all addresses of this machine are served, whatever they are.
    """

    def __init__(
        self, *, port: int, hosts: list[str], origins: list[str], token: str, session: str, everywhere: bool
    ) -> None:
        self._cookie = f"quire-{port}"
        self._port = port
        self._hosts = {_with_port(host, port) for host in hosts}
        self._proxies = {urlsplit(origin).netloc for origin in origins}
        self._origins = set(origins)
        self._everywhere = everywhere
        self._token = token
        self._session = session
        self._wrong: deque[float] = deque(maxlen=2 * _MOST_WRONG)

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """The middleware: the handler's answer, or a refusal."""
        if not self._is_right_host(request):
            return refusal(HTTPStatus.MISDIRECTED_REQUEST, "this address is not served here")
        if not self._is_right_origin(request):
            return refusal(HTTPStatus.FORBIDDEN, "a request from another site")
        if self._token and _shown_token(request):
            return self._let_in(request)
        if self._token and not self._is_known(request):
            is_followed = _is_from_elsewhere(request) and _is_link(request)
            return _once_more("0", HTTPStatus.UNAUTHORIZED) if is_followed else self._refused()
        if not self._is_from_here(request):
            return refusal(HTTPStatus.FORBIDDEN, "a request from another site")
        if (request.content_length or 0) > MOST_BODY:
            return refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MOST_BODY:,} bytes")
        if request.headers.get("Content-Encoding", "identity") != "identity":
            # A few bytes would become many.
            return refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a body is taken as it is, not compressed")
        return await handler(request)

    async def finish(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        """Puts the headers of every answer on it."""
        put_headers(response)

    def _is_right_host(self, request: web.Request) -> bool:
        """Whether the request is for one of our addresses, and says so once."""
        hosts = request.headers.getall("Host", ())
        # The target of what is meant for a proxy names a host of its own.
        return len(hosts) == 1 and request.raw_path.startswith("/") and self._is_ours(request, hosts[0])

    def _is_ours(self, request: web.Request, host: str) -> bool:
        host = host.lower()
        if host in self._hosts | self._proxies:
            return True
        # The address that was reached is no name, which somebody else could have lead here.
        return self._everywhere and host == _with_port(_reached(request), self._port)

    def _is_right_origin(self, request: web.Request) -> bool:
        """Whether the page that asks, if one does, is one of ours, and not that of another port or name."""
        host = request.headers["Host"].lower()
        ours = self._origins if host in self._proxies else self._origins | {f"http://{host}"}
        return all(origin.lower() in ours for origin in request.headers.getall("Origin", ()))

    def _is_from_here(self, request: web.Request) -> bool:
        """Whether the request comes from the page itself, or from no page at all."""
        is_upgrade = "upgrade" in request.headers.get("Connection", "").lower()
        if _is_from_elsewhere(request):
            return _is_link(request) and not is_upgrade
        if request.method in _READS or is_upgrade:
            return True
        # A form of another site sends a cookie, and, if the browser is old, no word of where it stands.
        return "Origin" in request.headers or self._has_bearer(request) or not self._token

    def _is_known(self, request: web.Request) -> bool:
        # Another server of this machine can set a cookie of the same name: any of them may be ours.
        cookies = [
            part.strip().partition("=")
            for header in request.headers.getall("Cookie", ())
            for part in header.split(";")
        ]
        is_ours = [name == self._cookie and _same(value, self._session) for name, _, value in cookies]
        return any(is_ours) or self._has_bearer(request)

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
        if not (self._is_right(_shown_token(request)) or self._is_known(request)):
            return self._refused()
        if _is_from_elsewhere(request):
            response = _once_more("0;url=./", HTTPStatus.OK)
        else:
            response = web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": "./"})
        response.set_cookie(
            self._cookie, self._session, httponly=True, samesite="Strict", path="/", secure=False
        )
        return response

    def _refused(self) -> web.Response:
        while self._wrong and time.monotonic() - self._wrong[0] > _MINUTE:
            self._wrong.popleft()
        if len(self._wrong) > _MOST_WRONG:
            return refusal(HTTPStatus.TOO_MANY_REQUESTS, "too many wrong tokens: wait a minute")
        return refusal(HTTPStatus.UNAUTHORIZED, "open the address that was printed where the run was started")


def refusal(status: HTTPStatus, message: str) -> web.Response:
    """An answer that says no, and tells nothing of the run."""
    return web.Response(status=status, text=f"{status.value} {status.phrase}: {message}\n")


def put_headers(response: web.StreamResponse) -> None:
    """Puts the headers of every answer on one."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = _HEADERS["Server"]


def guarded(guard: Guard) -> Middleware:
    """The guard as aiohttp's outermost middleware."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await guard.handle(request, handler)

    return middleware


def _shown_token(request: web.Request) -> str:
    """The token in the address of a page that is opened with it, or ""."""
    return request.query.get("token", "") if request.method == "GET" and request.path == "/" else ""


def _once_more(where: str, status: HTTPStatus) -> web.Response:
    """A page that leads where it says, now from this site.

    A browser that follows a link from elsewhere (a file that opens the page is elsewhere, too) keeps our
    cookie back, and all along redirects.
    """
    html = f'<!doctype html><meta http-equiv="refresh" content="{where}"><title>The report opens</title>'
    headers = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
    return web.Response(status=status, text=html, content_type="text/html", headers=headers)


def _is_from_elsewhere(request: web.Request) -> bool:
    return request.headers.get("Sec-Fetch-Site", "none") not in _SAME_SITE


def _is_link(request: web.Request) -> bool:
    """Whether a browser follows a link to a page: all that other sites may have it do."""
    wanted = request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest")
    return request.method == "GET" and wanted == _LINK and not request.path.startswith("/api/")


def _reached(request: web.Request) -> str:
    """The address of this machine that the connection came to."""
    assert request.transport is not None
    name = request.transport.get_extra_info("sockname")[0]
    # Browsers leave out which network card is meant.
    address = ipaddress.ip_address(name.partition("%")[0])
    return str(getattr(address, "ipv4_mapped", None) or address)


def _same(given: str, right: str) -> bool:
    # Of bytes: compare_digest takes no text beyond ASCII.
    return secrets.compare_digest(given.encode("utf-8", "replace"), right.encode())


def _with_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
