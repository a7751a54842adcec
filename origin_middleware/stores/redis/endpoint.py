"""One server, and the lines to it: opened when needed, and again when lost."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum, auto

from .line import Line

Reach = Callable[[], Awaitable[Line]]
Greet = Callable[["Endpoint", Line], Awaitable[None]]
"""Learns what has to be known of a server that was just reached."""


class Purpose(Enum):
    """What is slow has a line of its own, so that nothing quick waits behind it."""

    MAIN = auto()
    LARGE = auto()
    """Bodies of large responses."""
    REPLICAS = auto()
    """Claims that wait for replicas."""


class Endpoint:
    def __init__(self, reach: Reach, greet: Greet) -> None:
        self._reach = reach
        self._greet = greet
        self._lines: dict[Purpose, Line] = {}
        self._opening: dict[Purpose, asyncio.Task[Line]] = {}

    def line(self, purpose: Purpose) -> Line | None:
        """The line, where it is open."""
        line = self._lines.get(purpose)
        return None if line is None or line.closed else line

    async def open(self, purpose: Purpose, until: float) -> Line:
        """Raises OSError where there is no connection by `until`, and ErrorReply."""
        line = self.line(purpose)
        if line is not None:
            return line
        task = self._opening.get(purpose)
        if task is None or task.done():
            task = asyncio.get_running_loop().create_task(self._opened(purpose))
            task.add_done_callback(_retrieve)
            self._opening[purpose] = task
        async with asyncio.timeout_at(until):
            return await asyncio.shield(task)

    def close(self, reason: str) -> None:
        for line in self._lines.values():
            line.close(reason)

    async def aclose(self) -> None:
        for task in list(self._opening.values()):
            task.cancel()
            await asyncio.wait([task])
        lines = list(self._lines.values())
        self.close("the store was closed")
        for line in lines:
            await line.wait_closed()

    async def _opened(self, purpose: Purpose) -> Line:
        line = await self._reach()
        if purpose is Purpose.MAIN:
            try:
                await self._greet(self, line)
            except BaseException:
                line.close("the server was not accepted")
                raise
        self._lines[purpose] = line
        return line


def _retrieve(task: "asyncio.Task[Line]") -> None:
    """Whoever waited may be gone; then nobody would, and asyncio would complain."""
    if not task.cancelled():
        task.exception()
