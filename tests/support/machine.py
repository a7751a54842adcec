"""What the machine could do while something was measured on it."""

import asyncio
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from .servers import RedisServer

_TICK = 0.02
_ORDINARY = 0.005

# The longest of many pings in a row, on a machine that has nothing else to do.
_LONGEST_PING = 0.008
_PINGED_FOR = 0.1
_SLOWEST = 8.0


async def pace(server: RedisServer) -> float:
    """How many times longer than on an idle machine everything takes here and now."""
    loop, longest = asyncio.get_running_loop(), 0.0
    async with Redis.from_url(server.url) as client:
        await client.ping()
        until = loop.time() + _PINGED_FOR
        while (begun := loop.time()) < until:
            await client.ping()
            longest = max(longest, loop.time() - begun)
    return min(max(longest / _LONGEST_PING, 1.0), _SLOWEST)


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
