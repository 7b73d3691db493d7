"""HTTP as aiohttp speaks it, but for what is no HTTP at all: no guard and no route is asked about that."""

import logging
from http import HTTPStatus

from aiohttp import http_exceptions, web

from quire.live.guard import put_headers, refusal

# Once a request is answered, so long, in seconds, may the rest of its body come before it is cut off.
_LINGERING = 3.0
_KEEPALIVE = 15.0


class Protocol(web.RequestHandler):
    """One connection.

    Args:
        server: aiohttp's server, which answers whole requests.
    """

    def __init__(self, server: web.Server) -> None:
        super().__init__(
            server,
            loop=server._loop,
            access_log=None,  # type: ignore[arg-type]  # as aiohttp's own runner has it
            keepalive_timeout=_KEEPALIVE,
            lingering_time=_LINGERING,
            # A compressed body is refused; nothing of it is unpacked before.
            auto_decompress=False,
        )

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers without a word of what was sent, or of what answers."""
        super().handle_error(request, status, exc, message)
        response = refusal(HTTPStatus(status), "this is not understood")
        put_headers(response)
        response.force_close()
        return response


def be_quiet() -> None:
    """Keeps what strangers send off the terminal."""
    logging.getLogger("aiohttp.server").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, http_exceptions.HttpProcessingError)
