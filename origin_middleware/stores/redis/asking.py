"""How a cluster node is asked for keys of a slot that it is only taking over."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from .line import Command, Line


class Asking:
    """A line to the node that is taking a slot over, for names that it has already."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.closed = line.closed
        self.quarantine = line.quarantine
        self.in_order = line.in_order

    @property
    def offset(self) -> int:
        return self._line.offset

    @offset.setter
    def offset(self, measured: int) -> None:
        self._line.offset = measured

    def send(self, command: Command, until: float) -> Awaitable[Any]:
        # The node counts it for the very next command, which no other can precede: both
        # are sent in the same turn.
        asking = asyncio.ensure_future(self._line.send(("ASKING",), until))
        asking.add_done_callback(_ignore)
        return self._line.send(command, until)

    def close(self, reason: str) -> None:
        self._line.close(reason)

    async def wait_closed(self) -> None:
        await self._line.wait_closed()


def _ignore(reply: "asyncio.Future[Any]") -> None:
    if not reply.cancelled():
        reply.exception()
