"""One timer for everything that a process does at intervals."""

import asyncio
import math
from collections.abc import Callable

# A call comes at most this part of its delay too late.
_LATE = 1 / 4


class Ticker:
    """Like `loop.call_later`, less precise, and much cheaper for calls that are nearly
    always stopped: a cancelled timer of the event loop stays in its heap until it would
    have fired, and a busy process makes thousands in that time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: dict[Callable[[], None], float] = {}
        self._pause = math.inf
        self._timer: asyncio.TimerHandle | None = None

    def start(self, call: Callable[[], None], delay: float) -> None:
        """Call after `delay` seconds, once."""
        self._due[call] = self._loop.time() + delay
        if delay * _LATE < self._pause:
            self._pause = delay * _LATE
            self._arm()

    def stop(self, call: Callable[[], None]) -> None:
        self._due.pop(call, None)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._pause, self._tick)

    def _tick(self) -> None:
        now = self._loop.time()
        try:
            for call in [call for call, due in self._due.items() if due <= now]:
                del self._due[call]
                call()
        finally:  # one that raises must not stop the others
            if self._due:
                self._arm()
            else:
                self._pause = math.inf
