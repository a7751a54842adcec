"""Claims that count only once replicas have them (WAIT).

WAIT speaks for the writes of its own connection, and stops it meanwhile. So a claim is
made on the main line like any other, and confirmed on a line of its own: by one more
write, which reaches replicas after the claim, and one WAIT for all that came together.
"""

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from .calls import Visit
from .line import Command, Line


class Replicas:
    """`timeout` is in seconds."""

    def __init__(self, wanted: int, timeout: float) -> None:
        self._wait: Command = ("WAIT", wanted, round(timeout * 1000))
        self.wanted = wanted
        self._groups: WeakKeyDictionary[Line, _Group] = WeakKeyDictionary()

    async def have(self, visit: Visit, write: Command) -> bool:
        """Whether as many as wanted have what stands under the name. Raises as
        `Line.send`."""
        group = self._groups.get(visit.line)
        if group is None:
            group = self._groups[visit.line] = _Group(self.wanted, self._wait)
        return await group.add(visit, write)


class _Group:
    """Claims that come while others wait for replicas wait for the next turn."""

    def __init__(self, wanted: int, wait: Command) -> None:
        self._wanted = wanted
        self._wait = wait
        self._coming: list[tuple[Visit, Command, asyncio.Future[bool]]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, visit: Visit, write: Command) -> bool:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        self._coming.append((visit, write, future))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._confirm(visit.line))
        return await future

    async def _confirm(self, line: Line) -> None:
        while self._coming:
            together, self._coming = self._coming, []
            until = max(visit.until for visit, _, _ in together)
            replies: list[Any] = await asyncio.gather(
                *(visit.send(*write) for visit, write, _ in together),
                line.send(self._wait, until),
                return_exceptions=True,
            )
            acknowledged = replies.pop()
            for (_, _, future), written in zip(together, replies, strict=True):
                self._tell(future, written, acknowledged)

    def _tell(
        self, future: "asyncio.Future[bool]", written: Any, acknowledged: Any
    ) -> None:
        if future.done():
            return
        for reply in (written, acknowledged):
            if isinstance(reply, BaseException):
                future.set_exception(reply)
                return
        future.set_result(written == 1 and acknowledged >= self._wanted)
