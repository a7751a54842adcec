"""The origin, over real HTTP: attempts and timeouts, and nothing a client would add.

Bodies are buffered, so a connection that breaks half-way is a 502 here.
The real CloudFront has begun to send by then: its viewer gets a truncated response.
"""

import httpx

from .errors import OriginError, OriginTimeoutError
from .messages import Request, Response
from .origins import Origin

# Only these are asked again after a timeout (AWS "Origin response timeout").
REPEATED = frozenset({"GET", "HEAD"})

# Shorter than any server's keep-alive, so that no request meets a closing connection.
KEEP_ALIVE_SECONDS = 1.0


class OriginClient:
    """A transport with no client on top: no redirects, cookies or default headers."""

    def __init__(
        self, origin: Origin, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._origin = origin
        self._transport = transport or httpx.AsyncHTTPTransport(
            limits=httpx.Limits(keepalive_expiry=KEEP_ALIVE_SECONDS)
        )
        self._timeouts = {
            "connect": origin.connection_timeout,
            "read": origin.response_timeout,  # to the first byte, and between packets
            "write": origin.response_timeout,
            "pool": None,
        }

    async def close(self) -> None:
        """Close the idle connections."""
        await self._transport.aclose()

    async def fetch(self, request: Request) -> Response:
        """The origin's response, whatever its status; OriginError if there is none."""
        attempts = self._origin.attempts
        while True:
            attempts -= 1
            try:
                return await self._attempt(request)
            except httpx.TransportError as exc:
                if attempts == 0 or not _repeats(request, exc):
                    raise _translated(exc) from exc

    async def _attempt(self, request: Request) -> Response:
        # Of an abandoned attempt the origin only sees its connection close.
        response = await self._transport.handle_async_request(self._message(request))
        try:
            body = b"".join([chunk async for chunk in response.aiter_raw()])
        finally:
            await response.aclose()
        reason: bytes = response.extensions.get("reason_phrase", b"")
        headers = tuple(response.headers.raw)
        return Response(response.status_code, reason.decode("latin-1"), headers, body)

    def _message(self, request: Request) -> httpx.Request:
        return httpx.Request(
            request.method,
            self._origin.url,
            headers=list(request.headers),
            content=request.body or None,
            # A URL would normalise the path; the target goes out byte for byte.
            extensions={
                "target": self._origin.path.encode() + request.target,
                "timeout": self._timeouts,
            },
        )


def _repeats(request: Request, exc: httpx.TransportError) -> bool:
    # Before there is a connection nothing was sent, so every method may try again.
    never_sent = isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout)
    return never_sent or request.method in REPEATED


def _translated(exc: httpx.TransportError) -> OriginError:
    if isinstance(exc, httpx.TimeoutException):
        return OriginTimeoutError(f"The origin did not answer ({type(exc).__name__}).")
    return OriginError(f"The origin closed or refused the connection: {exc}")
