"""Remembers who has read the body of a request. A server delivers a body only once, but
a middleware outside may dispatch the request again, for example after a failure.
"""

import asyncio
from typing import NamedTuple

from .asgi import Message, Receive, Scope
from .request import RequestBody

_PLACE = "origin_middleware.body"

# A middleware that kept the body gives it at once, whatever is in between, in seconds.
_MOMENT = 0.05


class Reading(NamedTuple):
    """What is in the scope until an answer is on record."""

    reader: object
    """One instance of the middleware."""
    source: Receive
    body: RequestBody

    def begin(self, scope: Scope) -> None:
        scope[_PLACE] = self

    async def again(
        self, reader: object, receive: Receive
    ) -> tuple[Receive, RequestBody]:
        """What is still to be read, from where, and what is known of it."""
        body = self.body.again()
        if body is not None and self.source == receive:
            return receive, body
        if body is None or not body.whole or reader is not self.reader:
            return receive, RequestBody()
        asked = asyncio.ensure_future(receive())
        try:
            if not (await asyncio.wait([asked], timeout=_MOMENT))[0]:
                return receive, body
        finally:
            asked.cancel()
        first = [asked.result()]

        async def anew() -> Message:
            return first.pop() if first else await receive()

        return anew, RequestBody()


def read_before(scope: Scope) -> Reading | None:
    found: Reading | None = scope.get(_PLACE)
    return found


def forget(scope: Scope) -> None:
    scope.pop(_PLACE, None)
