"""One script, one round trip, within a budget of time, whatever the client's own
settings are.

redis-py 8 tries a command ten times with five seconds each unless told otherwise: a
paused server would hold a request for a minute, twice as long as CloudFront waits.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterDownError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from ...errors import RecordDamaged, StoreUnavailable
from .scripts import Script

T = TypeVar("T")

MAX_CONNECTIONS = 64
Argument = bytes | str | int

_SHORTEST_ATTEMPT = 0.25
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2

# Answers of a server that is failing over or moving a slot: the next attempt may find
# it well.
_PASSING = (ReadOnlyError, TryAgainError, ClusterDownError)
_FINAL = (AuthenticationError, AuthorizationError, ResponseError)


class LateClaim(Exception):
    """The claim came after its not-after instant and was not applied."""


class Server:
    def __init__(self, client: Redis, budget: float) -> None:
        self._client = client
        self._command: Callable[..., Awaitable[Any]] = client.execute_command
        self._budget = budget
        # A reply that takes longer is more often lost than late; sending again is safe.
        self._attempt = max(_SHORTEST_ATTEMPT, budget / 4)
        self._places = asyncio.Semaphore(_places(client))
        self._offset: int | None = None

    def deadline(self) -> float:
        """When a call that begins now has to be over, on the event loop's clock."""
        return _now() + self._budget

    async def run(
        self,
        script: Script,
        name: bytes,
        *arguments: Argument,
        until: float | None = None,
        doubt: Callable[[], None] = lambda: None,
    ) -> Any:
        """The script's reply. Raises StoreUnavailable.

        `doubt` is called for every attempt without a reply: it may be applied yet.
        """
        evaluate = partial(self._evaluate, script, name, *arguments)
        deadline = self.deadline() if until is None else until
        return await self._insist(evaluate, deadline, doubt)

    async def read_clock(self, until: float | None = None) -> int:
        """The server's clock, in ms."""
        deadline = self.deadline() if until is None else until
        seconds, microseconds = await self._insist(self._client.time, deadline)
        clock: int = seconds * 1000 + microseconds // 1000
        self._offset = clock - round(_now() * 1000)
        return clock

    async def not_after(self, until: float) -> int:
        """`until`, on the server's clock in ms; an estimate, from one reading."""
        if self._offset is None:
            await self.read_clock(until)
        return (self._offset or 0) + round(until * 1000)

    def forget_clock(self) -> None:
        self._offset = None

    async def _evaluate(self, script: Script, name: bytes, *arguments: Argument) -> Any:
        try:
            return await self._command("EVALSHA", script.sha, 1, name, *arguments)
        except NoScriptError:
            # After a restart or a failover. Nothing has run, and EVAL puts the script
            # back into the cache.
            return await self._command("EVAL", script.source, 1, name, *arguments)

    async def _insist(
        self,
        attempt: Callable[[], Awaitable[T]],
        until: float,
        doubt: Callable[[], None] = lambda: None,
    ) -> T:
        pause = _FIRST_PAUSE
        while True:
            await self._take_place(until)
            try:
                async with asyncio.timeout_at(min(_now() + self._attempt, until)):
                    return await attempt()
            except (RedisError, OSError) as exc:  # TimeoutError is an OSError
                _raise_if_final(exc)
                doubt()
                if _now() + pause >= until:
                    reason = f"{type(exc).__name__} {exc}".strip()
                    raise StoreUnavailable(f"Redis did not answer: {reason}") from exc
            finally:
                self._places.release()
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _take_place(self, until: float) -> None:
        """A burst waits here, and not in the pool, where waiting would look like a
        server that does not answer."""
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout_at(until):
                await self._places.acquire()
        except TimeoutError as exc:
            raise StoreUnavailable("Every connection to Redis was busy.") from exc


def _places(client: Redis) -> int:
    """As many as the client has connections, less two for the subscription."""
    most = getattr(client.connection_pool, "max_connections", MAX_CONNECTIONS)
    return max(1, min(most, MAX_CONNECTIONS) - 2)


def _raise_if_final(exc: Exception) -> None:
    """Some answers would be the same a moment later: no permission, out of memory, not
    our record, too late.
    """
    if not isinstance(exc, _FINAL) or isinstance(exc, _PASSING):
        return
    if str(exc).startswith("LATE"):
        raise LateClaim from exc
    if str(exc).startswith("WRONGTYPE"):
        raise RecordDamaged("The key holds something that is not a record.") from exc
    raise StoreUnavailable(f"Redis refused: {exc}") from exc


def _now() -> float:
    return asyncio.get_running_loop().time()
