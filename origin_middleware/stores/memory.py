"""The lifecycle with a dictionary: for one process, for tests, and as the model of
every other store.
"""

import heapq
import logging
import multiprocessing
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from .. import lifecycle
from ..key import Key
from ..record import (
    Absent,
    Answer,
    Claim,
    Facts,
    Finished,
    Held,
    Outcome,
    Preceded,
    Record,
    Recorded,
)
from .waiting import Waiting

T = TypeVar("T")


class MemoryStore:
    """Keeps records in this process: they do not survive it, and other workers do not
    see them.

    Not for production with more than one worker process: each would execute once.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._records: dict[Key, Record] = {}
        self._expiries: list[tuple[float, Key]] = []
        self._waiting = Waiting()
        self._lock = threading.Lock()  # tests run an app in several threads

    async def check(self) -> None:
        """At the start of an app: warns in a worker, which has siblings as a rule."""
        if multiprocessing.parent_process() is not None:
            logging.getLogger("origin_middleware").warning(
                "MemoryStore is for one process: other workers do not see its records, "
                "and would run a handler again. With several workers, use RedisStore."
            )

    async def claim(self, key: Key, claim: Claim, /) -> Answer:
        with self._lock:
            self._forget_expired()
        return self._apply(key, claim, lifecycle.claim)

    async def take_over(self, key: Key, claim: Claim, /) -> Answer:
        return self._apply(key, claim, lifecycle.take_over)

    async def wait(
        self, key: Key, held: Held, timeout: float, /
    ) -> Absent | Held | Finished:
        async def look() -> Absent | Held | Finished:
            return lifecycle.view(self._records.get(key), self._clock())

        return await self._waiting.wait(key, held, timeout, look)

    async def renew(self, key: Key, claim: Claim, /) -> bool:
        return self._apply(key, claim, lifecycle.renew)

    async def begin_effects(self, key: Key, claim: Claim, /) -> bool:
        return self._apply(key, claim, lifecycle.begin_effects)

    async def complete(
        self, key: Key, claim: Claim, outcome: Outcome, status: int = 0, /
    ) -> Recorded | Preceded:
        complete = partial(lifecycle.complete, outcome=outcome, status=status)
        return self._apply(key, claim, complete)

    async def release(self, key: Key, claim: Claim, /) -> bool:
        return self._apply(key, claim, lifecycle.release)

    async def abandon(self, key: Key, claim: Claim, /) -> bool:
        return self._apply(key, claim, lifecycle.abandon)

    async def look(self, key: Key, /) -> Facts | None:
        return lifecycle.facts(self._records.get(key), self._clock())

    async def aclose(self) -> None:
        """Nothing to end: records stay as long as the store object does."""

    def _apply(
        self,
        key: Key,
        claim: Claim,
        transition: Callable[[Record | None, Claim, float], tuple[Record | None, T]],
    ) -> T:
        with self._lock:
            before = self._records.get(key)
            after, answer = transition(before, claim, self._clock())
            if after is None:
                self._records.pop(key, None)
            elif after is not before:
                self._records[key] = after
                if before is None:
                    heapq.heappush(self._expiries, (after.expires, key))
        if after is not before:
            self._waiting.wake(key)
        return answer

    def _forget_expired(self) -> None:
        now = self._clock()
        while self._expiries and self._expiries[0][0] <= now:
            _, key = heapq.heappop(self._expiries)
            record = self._records.get(key)
            if lifecycle.retained(record, now) is None:
                self._records.pop(key, None)
            elif record is not None:  # it was renewed or completed meanwhile
                heapq.heappush(self._expiries, (record.expires, key))
