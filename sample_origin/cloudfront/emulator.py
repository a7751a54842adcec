"""The emulator: an ASGI app that is one distribution. Start reading in exchange.py.

It keeps AWS's rules where they decide what a gate is worth: who is asked, with what,
how often, and what the viewer gets when something fails. It has no TLS, HTTP/2,
compression, ranges, signed URLs, WebSockets, origin-request and viewer-response
triggers, bodies in events, or CloudFront-* headers; it does not enforce a function's
memory, slow it down to its share of a CPU, or throttle it; an expired response is not
served while the origin fails; and a path beyond ASCII is refused at the door.

What AWS's guide leaves open is decided here, and may be otherwise there:
errors are not kept under CachingDisabled; an error page is asked for as a request of
its own, with the headers of the one that failed; the page does not replace what a
function generates, nor the 502 or 503 of a function that fails; and both origins of a
group are followed by origin-response.
"""

import secrets
import time

from starlette.types import Receive, Scope, Send

from .cache import Clock
from .distribution import Distribution
from .edge_location import EdgeLocation
from .exchange import Exchange
from .viewer import receive_request


class CloudFront:
    """One distribution. Serve it with `server_config`."""

    def __init__(
        self, distribution: Distribution, *, clock: Clock = time.monotonic
    ) -> None:
        self._location = EdgeLocation(distribution, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise NotImplementedError(f"CloudFront does not do {scope['type']} here")
        request = await receive_request(scope, receive)
        if request is not None:
            await Exchange(self._location, secrets.token_urlsafe(40)).run(request, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._location.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._location.close()
        await send({"type": "lifespan.shutdown.complete"})
