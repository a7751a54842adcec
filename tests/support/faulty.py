"""A store that fails on request, in front of a real one."""

import asyncio
import time
from collections.abc import Callable, Mapping

from origin_middleware import MemoryStore, StoreUnavailable
from origin_middleware.key import Key
from origin_middleware.record import (
    Absent,
    Answer,
    Claim,
    Facts,
    Finished,
    Held,
    Outcome,
    Preceded,
    Recorded,
)


class FaultyStore:
    """`faults` names the methods that fail, and how; `calls` is what was asked, in
    order.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.behind = MemoryStore(clock=clock)
        self.faults: Mapping[str, BaseException] = {}
        self.calls: list[str] = []
        self._called = asyncio.Event()

    async def asked(self, method: str, times: int) -> None:
        """Returns once `method` has been called so many times."""
        while self.calls.count(method) < times:
            self._called.clear()
            await self._called.wait()

    def away(self, *methods: str) -> None:
        self.faults = {method: StoreUnavailable("away") for method in methods}

    async def claim(self, key: Key, claim: Claim, /) -> Answer:
        self._asked("claim")
        return await self.behind.claim(key, claim)

    async def take_over(self, key: Key, claim: Claim, /) -> Answer:
        self._asked("take_over")
        return await self.behind.take_over(key, claim)

    async def wait(
        self, key: Key, held: Held, timeout: float, /
    ) -> Absent | Held | Finished:
        self._asked("wait")
        return await self.behind.wait(key, held, timeout)

    async def renew(self, key: Key, claim: Claim, /) -> bool:
        self._asked("renew")
        return await self.behind.renew(key, claim)

    async def begin_effects(self, key: Key, claim: Claim, /) -> bool:
        self._asked("begin_effects")
        return await self.behind.begin_effects(key, claim)

    async def complete(
        self, key: Key, claim: Claim, outcome: Outcome, status: int = 0, /
    ) -> Recorded | Preceded:
        self._asked("complete")
        return await self.behind.complete(key, claim, outcome, status)

    async def release(self, key: Key, claim: Claim, /) -> bool:
        self._asked("release")
        return await self.behind.release(key, claim)

    async def abandon(self, key: Key, claim: Claim, /) -> bool:
        self._asked("abandon")
        return await self.behind.abandon(key, claim)

    async def look(self, key: Key, /) -> Facts | None:
        self._asked("look")
        return await self.behind.look(key)

    async def aclose(self) -> None:
        self._asked("aclose")

    def _asked(self, method: str) -> None:
        self.calls.append(method)
        self._called.set()
        if method in self.faults:
            raise self.faults[method]
