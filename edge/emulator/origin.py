"""The origin's side: which request it gets, how often, and how patiently.

AWS "Controlling origin requests", "Using the managed origin request policies" and
"Request and response behavior for custom origins".

Bodies are buffered, so a connection that breaks half-way is a 502 here.
The real CloudFront has begun to send by then: its viewer gets a truncated response.
"""

from dataclasses import replace

import httpx

from ..aws.forwarding import Forwarded
from .distribution import Origin
from .errors import OriginError, OriginTimeoutError
from .messages import Headers, Request, Response, values
from .restrictions import is_disallowed, lower
from .transcript import Transcript

# Only these are asked again after a timeout (AWS "Origin response timeout").
REPEATED = frozenset({"GET", "HEAD"})

# Shorter than any server's keep-alive, so that no request meets a closing connection.
KEEP_ALIVE_SECONDS = 1.0

# Set by CloudFront itself, below; the body is buffered, so its framing is ours too.
REPLACED = frozenset(
    {"content-length", "te", "transfer-encoding", "via", "x-forwarded-for"}
)
# Hidden from functions, but not removed on the way to the origin.
FORWARDED_UNSEEN = ("x-accel-", "x-amzn-")
# Whatever the policy is: the body goes along, so what it is goes, too.
ALWAYS_FORWARDED = frozenset({"content-type"})


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

    async def fetch(self, request: Request, transcript: Transcript) -> Response:
        """The origin's response, whatever its status; OriginError if there is none."""
        attempts = self._origin.attempts
        while True:
            attempts -= 1
            try:
                response = await self._attempt(request)
            except httpx.TransportError as exc:
                transcript.add("origin", self._described(exc))
                if attempts == 0 or not _repeats(request, exc):
                    raise _translated(exc) from exc
            else:
                replayed = values(response.headers, b"idempotent-replayed") == [b"true"]
                said = f"{response.status}" + (", replayed" if replayed else "")
                transcript.add("origin", said)
                return response

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

    def _described(self, exc: httpx.TransportError) -> str:
        """For the transcript: is the origin down, slow, or did it break off?"""
        match exc:
            case httpx.ConnectTimeout():
                return f"no connection within {self._origin.connection_timeout:g} s"
            case httpx.TimeoutException():
                return f"no answer within {self._origin.response_timeout:g} s"
            case httpx.ConnectError() if _is_refused(exc):
                return f"{self._origin.url} refused the connection: does it run?"
            case _:
                return f"{self._origin.url} failed: {str(exc) or type(exc).__name__}"


def _is_refused(exc: BaseException | None) -> bool:
    while exc is not None and not isinstance(exc, ConnectionRefusedError):
        exc = exc.__cause__ or exc.__context__
    return exc is not None


def _repeats(request: Request, exc: httpx.TransportError) -> bool:
    # Before there is a connection nothing was sent, so every method may try again.
    never_sent = isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout)
    return never_sent or request.method in REPEATED


def _translated(exc: httpx.TransportError) -> OriginError:
    if isinstance(exc, httpx.TimeoutException):
        return OriginTimeoutError(f"The origin did not answer ({type(exc).__name__}).")
    return OriginError(f"The origin closed or refused the connection: {exc}")


def origin_request(
    request: Request, policy: Forwarded, origin: Origin, request_id: str
) -> Request:
    """The headers that the policy lets through, and those that CloudFront adds."""
    kept = tuple(pair for pair in request.headers if _goes_along(pair[0], policy))
    return replace(
        request,
        query=request.query if policy.whole_query else b"",
        headers=_instead(policy, origin) + kept + _added(request, request_id),
    )


def via(request_id: str) -> bytes:
    """CloudFront's entry in a Via header."""
    return f"1.1 {request_id[:32].lower()}.cloudfront.net (CloudFront)".encode()


def _goes_along(key: bytes, policy: Forwarded) -> bool:
    name = lower(key)
    if name in REPLACED or (is_disallowed(name) and not _is_unseen(name)):
        return False
    return name in ALWAYS_FORWARDED or _lets_through(policy, name)


def _lets_through(policy: Forwarded, name: str) -> bool:
    # A policy has a setting of its own for cookies, beside its list of headers.
    return policy.cookies == "all" if name == "cookie" else policy.has(name)


def _is_unseen(name: str) -> bool:
    return name.startswith(FORWARDED_UNSEEN)


def _instead(policy: Forwarded, origin: Origin) -> Headers:
    """Replaces a viewer's header that the policy keeps back."""
    host = (b"Host", origin.split.netloc.encode())
    agent = (b"User-Agent", b"Amazon CloudFront")
    return tuple(pair for pair in (host, agent) if not policy.has(lower(pair[0])))


def _added(request: Request, request_id: str) -> Headers:
    forwarded_for = [
        *values(request.headers, b"x-forwarded-for"),
        request.client_ip.encode(),
    ]
    added = [
        (b"X-Forwarded-For", b",".join(forwarded_for)),
        (b"Via", b", ".join([*values(request.headers, b"via"), via(request_id)])),
        (b"X-Amz-Cf-Id", request_id.encode()),
        (b"Connection", b"Keep-Alive"),
    ]
    if request.body or values(request.headers, b"content-length"):
        added.append((b"Content-Length", str(len(request.body)).encode()))
    return tuple(added)
