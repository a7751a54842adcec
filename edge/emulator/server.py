"""The emulator: an ASGI app that is one distribution. Start reading in pipeline.py.

It keeps AWS's rules where they decide what a gate is worth: who is asked, with what,
how often, and what the viewer gets when something fails. It has no TLS, HTTP/2,
compression, ranges, signed URLs, WebSockets, origin-request and viewer-response
triggers, bodies in events, or CloudFront-* headers; it does not enforce a function's
memory, slow it down to its share of a CPU, freeze it between invocations, or throttle
it; an expired response is not served while the origin fails; and a path beyond ASCII
is refused at the door.

What AWS's guide leaves open is decided here, and may be otherwise there:
errors are not kept under CachingDisabled; an error page is asked for as a request of
its own, with the headers of the one that failed; the page does not replace what a
function generates, nor the 502 or 503 of a function that fails; and both origins of a
group are followed by origin-response.
"""

import secrets
import socket
import time
from collections.abc import Callable

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from .cache import Clock
from .distribution import Distribution
from .lambda_function import LambdaFunction
from .pipeline import EdgeLocation, Pipeline
from .transcript import Transcript
from .viewer import receive_request


class CloudFront:
    """One distribution. Serve it with `server_config`.

    `show` is called with what happened to each request, once it is answered.
    `function` takes the place of the distribution's own: one that somebody watches."""

    def __init__(
        self,
        distribution: Distribution,
        *,
        clock: Clock = time.monotonic,
        function: LambdaFunction | None = None,
        show: Callable[[str], None] | None = None,
    ) -> None:
        self._location = EdgeLocation(distribution, clock, function)
        self._show = show

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise NotImplementedError(f"CloudFront does not do {scope['type']} here")
        request = await receive_request(scope, receive)
        if request is None:
            return
        transcript = Transcript(request)
        pipeline = Pipeline(self._location, secrets.token_urlsafe(40), transcript)
        status = await pipeline.run(request, send)
        if self._show is not None:
            self._show(transcript.text(status))

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._location.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._location.close()
        await send({"type": "lifespan.shutdown.complete"})


class Server(uvicorn.Server):
    """Calls `ready` with its URL once it accepts requests."""

    def __init__(self, app: ASGIApp, ready: Callable[[str], None]) -> None:
        super().__init__(server_config(app))
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or () if self.started else ():
            host, port = listener.getsockname()[:2]
            self._ready(f"http://{host}:{port}")


def server_config(app: ASGIApp, *, grace: int = 1) -> uvicorn.Config:
    """For a CloudFront app, without what uvicorn would add or interpret by itself.
    Shutting down gives running requests `grace` seconds."""
    return uvicorn.Config(
        app,
        http="h11",  # keeps the raw path as it came
        loop="asyncio",
        ws="none",
        lifespan="on",
        # The client address is the connection's, whatever X-Forwarded-For claims.
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=grace,
    )
