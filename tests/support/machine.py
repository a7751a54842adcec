"""What the machine could do while something was measured on it."""

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable

_TICK = 0.02
_ORDINARY = 0.005

# The longest of many echoes in a row, on a machine that has nothing else to do.
_LONGEST_ECHO = 0.008
_ECHOED_FOR = 0.1
_SLOWEST = 8.0


async def pace() -> float:
    """How many times longer than on an idle machine it takes here and now until another
    process has answered.
    """
    loop, longest = asyncio.get_running_loop(), 0.0
    echo = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
    assert echo.stdin is not None
    assert echo.stdout is not None
    until = loop.time() + _ECHOED_FOR
    while (begun := loop.time()) < until:
        echo.stdin.write(b".")
        await echo.stdout.readexactly(1)
        longest = max(longest, loop.time() - begun)
    echo.stdin.close()
    await echo.wait()
    return min(max(longest / _LONGEST_ECHO, 1.0), _SLOWEST)


class Stalls:
    """How long this process stood still, by a clock that ticks on its loop; and a
    server that is probed.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.seconds = 0.0
        self._wind()

    def stop(self) -> None:
        self._timer.cancel()

    async def probe(self, ping: Callable[[], Awaitable[object]]) -> None:
        """For ever: cancel it."""
        while True:
            begun = self._loop.time()
            await ping()
            self._note(self._loop.time() - begun)
            await asyncio.sleep(_TICK)

    def _wind(self) -> None:
        self._due = self._loop.time() + _TICK
        self._timer = self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._note(self._loop.time() - self._due)
        self._wind()

    def _note(self, late: float) -> None:
        if late > _ORDINARY:
            self.seconds += late
