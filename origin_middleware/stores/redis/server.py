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
from .endpoint import Purpose
from .line import Argument, Command, Line
from .refused import Refused
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
            except Refused as refused:
                raise_if_final(refused)
                failure = refused
            except OSError as lost:
                if str(lost):  # a time limit of ours tells less than what came before
                    failure = lost
            if now() + pause >= until:
                raise StoreUnavailable(f"Redis did not answer: {failure}") from failure
            asking = await self._adapt(name, purpose, failure, until)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def evaluate(
        self, script: Script, name: bytes, *arguments: Argument, until: float = 0.0
    ) -> Any:
        """A script's reply."""
        until = until or self.deadline()
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
            except (OSError, Refused) as failure:
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
            return _Asking(await endpoint.open(purpose, until))
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
        code = failure.code if isinstance(failure, Refused) else ""
        if code == "ASK":
            return str(failure).split(" ")[-1]
        if code in ("READONLY", "MASTERDOWN"):
            # A primary that is none any more: who is, the next connection will find.
            line = self._line(name, purpose)
            if line is not None:
                line.close(f"the server answered {code}")
        if not isinstance(failure, Refused) or code in ("MOVED", "READONLY"):
            with suppress(OSError):  # the next attempt may find more
                await self._learn(until)
        return ""

    async def _learn(self, until: float) -> None:
        async with asyncio.timeout_at(until):
            await self._topology.learn()


class _Asking:
    """A line to the node that is taking a slot over, for names that it has already."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self.closed = line.closed
        self.offset = line.offset
        self.quarantine = line.quarantine
        self.in_order = line.in_order

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
    except Refused as refused:
        if refused.code != "NOSCRIPT":
            raise
    # After a restart or a failover. Nothing has run, and EVAL puts the script back into
    # the cache.
    return await line.send(("EVAL", script.source, keys, name, *arguments), until)


def raise_if_final(refused: Refused) -> None:
    """Some answers would be the same a moment later: no permission, out of memory, not
    a record of ours.
    """
    if refused.passing:
        return
    if refused.code == "WRONGTYPE":
        raise RecordDamaged(
            "The key holds something that is not a record."
        ) from refused
    raise StoreUnavailable(f"Redis refused: {refused}") from refused


def now() -> float:
    return asyncio.get_running_loop().time()


def _ignore(reply: "asyncio.Future[Any]") -> None:
    if not reply.cancelled():
        reply.exception()
