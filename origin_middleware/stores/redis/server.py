"""One step of the protocol, tried again until it is answered or its budget is spent.

redis-py 8 tries a command ten times with five seconds each unless told otherwise: a
paused server would hold a request for a minute, twice as long as CloudFront waits.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from ...errors import RecordDamaged, StoreUnavailable
from .asking import Asking
from .clock import now
from .endpoint import Purpose
from .error_reply import ErrorReply
from .line import Argument, Line
from .safety import Safety
from .scripts import Script
from .topology import topology

T = TypeVar("T")
Step = Callable[[Line], Awaitable[T]]

_SHORTEST_SILENCE = 0.25
_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2


class Server:
    """What holds the records: one server, or a cluster of them."""

    def __init__(
        self, client: Redis | RedisCluster, budget: float, safety: Safety
    ) -> None:
        self._budget = budget
        self._topology = topology(client, safety.greet, silence(budget))

    def deadline(self) -> float:
        """When a call that begins now has to be over, on the event loop's clock."""
        return now() + self._budget

    async def run(
        self,
        name: bytes,
        step: Step[T],
        until: float,
        purpose: Purpose = Purpose.MAIN,
    ) -> T:
        """Take the step on a line to whoever holds the name. Raises StoreUnavailable
        and RecordDamaged.

        The step may be taken several times, and a line may be lost in the middle of it.
        """
        pause, asking = _FIRST_PAUSE, ""
        failure: Exception = TimeoutError("no reply within the budget")
        while True:
            try:
                line = self._line(name, purpose)
                if line is None or asking:
                    line = await self._open(name, purpose, until, asking)
                return await step(line)
            except ErrorReply as error:
                raise_if_final(error)
                failure = error
            except OSError as lost:
                if str(lost):  # a time limit of ours tells less than what came before
                    failure = lost
            if now() + pause >= until:
                raise StoreUnavailable(f"Redis did not answer: {failure}") from failure
            asking = await self._adapt(name, purpose, failure, until)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def evaluate(
        self, script: Script, name: bytes, *arguments: Argument, until: float
    ) -> Any:
        """A script's reply."""
        return await self.run(
            name, lambda line: evaluated(line, script, name, arguments, until), until
        )

    async def reach(self) -> None:
        """Every server that holds records. Raises StoreUnavailable."""
        until = self.deadline()
        await self.run(b"", lambda line: line.send(("PING",), until), until)
        for endpoint in self._topology.endpoints():
            try:
                await endpoint.open(Purpose.MAIN, until)
            except (OSError, ErrorReply) as failure:
                raise StoreUnavailable(f"Redis did not answer: {failure}") from failure

    async def aclose(self) -> None:
        await self._topology.aclose()

    def _line(self, name: bytes, purpose: Purpose) -> Line | None:
        endpoint = self._topology.endpoint(name)
        return None if endpoint is None else endpoint.line(purpose)

    async def _open(
        self, name: bytes, purpose: Purpose, until: float, asking: str
    ) -> Line:
        endpoint = self._topology.at(asking) if asking else None
        if endpoint is not None:
            return Asking(await endpoint.open(purpose, until))
        endpoint = self._topology.endpoint(name)
        if endpoint is None:
            await self._learn(until)
            endpoint = self._topology.endpoint(name)
        if endpoint is None:
            raise ConnectionError("no node of the cluster holds the slot")
        await endpoint.open(Purpose.MAIN, until)  # which learns what the others rely on
        return await endpoint.open(purpose, until)

    async def _adapt(
        self, name: bytes, purpose: Purpose, failure: Exception, until: float
    ) -> str:
        """Whom to ask instead, for once; the ordinary one next time where it is ''."""
        code = failure.code if isinstance(failure, ErrorReply) else ""
        if code == "ASK":
            return str(failure).split(" ")[-1]
        if code in ("READONLY", "MASTERDOWN"):
            # A primary that is none any more: who is, the next connection will find.
            line = self._line(name, purpose)
            if line is not None:
                line.close(f"the server answered {code}")
        if not isinstance(failure, ErrorReply) or code in ("MOVED", "READONLY"):
            with suppress(OSError):  # the next attempt may find more
                await self._learn(until)
        return ""

    async def _learn(self, until: float) -> None:
        async with asyncio.timeout_at(until):
            await self._topology.learn()


def silence(budget: float) -> float:
    """A reply that takes longer is more often lost than late; asking again is safe."""
    return max(_SHORTEST_SILENCE, budget / 4)


async def evaluated(
    line: Line,
    script: Script,
    name: bytes,
    arguments: tuple[Argument, ...],
    until: float,
    *,
    keys: int = 1,
) -> Any:
    """`name` is the first of the keys; `arguments` begin with the others."""
    try:
        return await line.send(("EVALSHA", script.sha, keys, name, *arguments), until)
    except ErrorReply as error:
        if error.code != "NOSCRIPT":
            raise
    # After a restart or a failover. Nothing has run, and EVAL puts the script back into
    # the cache.
    return await line.send(("EVAL", script.source, keys, name, *arguments), until)


def raise_if_final(error: ErrorReply) -> None:
    """Some answers would be the same a moment later: no permission, out of memory, not
    a record of ours.
    """
    if error.passing:
        return
    if error.code == "WRONGTYPE":
        raise RecordDamaged("The key holds something that is not a record.") from error
    raise StoreUnavailable(f"Redis refused: {error}") from error
