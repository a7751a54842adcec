"""One step of the protocol, tried again until it is answered or its budget is spent.

redis-py 8 tries a command ten times with five seconds each unless told otherwise: a
paused server would hold a request for a minute, twice as long as CloudFront waits.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from ...errors import (
    RecordDamaged,
    StoreFailure,
    StoreUnavailable,
    WriteRefused,
)
from .line import Argument, Command, CutOff, ErrorReply, Line
from .options import silence
from .scripts import WATCH, Script
from .topology import Endpoint, Greet, Purpose, topology

T = TypeVar("T")
Step = Callable[["Visit"], Awaitable[T]]

# A service that has a limit says so under the general code.
_TOO_LARGE = {"OOM", "ERR"}

# After so many lost connections in one call, the body is taken to be too large.
_ENOUGH = 3

_DENIED = {"NOPERM", "NOAUTH", "WRONGPASS"}
# How servers say in a script that they denied a command.
_DENIED_TO_A_SCRIPT = ("ACL failure", "can't run this command")

_LATE = (
    "A claim reached Redis after its time limit: the event loop was blocked, the "
    "machine was stopped, or a clock was set."
)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.01, 0.2


class Calls:
    """To one server, or to a cluster of them."""

    def __init__(
        self, client: Redis | RedisCluster, budget: float, greet: Greet
    ) -> None:
        self.budget = budget
        self.now = asyncio.get_running_loop().time
        self._topology = topology(client, greet, silence(budget))
        self._under_way = 0
        self._ended = asyncio.Event()
        """The last call that was under way."""

    def deadline(self) -> float:
        """When a call that begins now has to be over, on the event loop's clock."""
        return self.now() + self.budget

    async def run(
        self,
        name: bytes,
        step: Step[T],
        until: float,
        purpose: Purpose = Purpose.MAIN,
    ) -> T:
        """Take the step at the server that holds the name. Raises StoreUnavailable and
        RecordDamaged.

        The step may be taken several times, and a line may be lost in the middle of it.
        """
        self._under_way += 1
        try:
            return await self._run(name, step, until, purpose)
        finally:
            self._end()

    async def _run(
        self, name: bytes, step: Step[T], until: float, purpose: Purpose
    ) -> T:
        pause, ask_at, cut_off = _FIRST_PAUSE, "", 0
        spelled_out = False
        failure: Exception | None = None
        while True:
            visit: Visit | None = None
            try:
                visit = None if ask_at else self._visit(name, purpose, until)
                if visit is None:
                    visit = await self._open(name, purpose, until, ask_at)
                visit.spells_out = spelled_out
                return await step(visit)
            except ErrorReply as error:
                if error.code == "NOSCRIPT" and not spelled_out:
                    spelled_out = True  # nothing has run: at once, to the same server
                    continue
                _raise_if_final(error, asked=visit is not None)
                failure = error
            except OSError as lost:
                cut_off += visit is not None and isinstance(lost, CutOff)
                if cut_off == _ENOUGH and purpose is Purpose.LARGE:
                    raise WriteRefused(
                        "Redis, or a proxy in between, closed the connection instead "
                        f"of answering, {_ENOUGH} times. Is the response too large?"
                    ) from lost
                # A time limit of ours tells less than what came before.
                limit = isinstance(lost, TimeoutError)
                failure = failure if failure is not None and limit else lost
            if self.now() + pause >= until:
                if isinstance(failure, ErrorReply) and failure.code == "LATE":
                    raise StoreUnavailable(_LATE, reason="stalled") from failure
                why = str(failure) or "no reply within the budget"
                reason = _reason(failure)
                raise StoreUnavailable(
                    f"Redis did not answer: {why}", reason=reason
                ) from failure
            ask_at = await self._adapt(name, purpose, failure, until)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def evaluate(
        self, script: Script, name: bytes, *arguments: Argument, until: float
    ) -> Awaitable[Any]:
        """A script's reply. Raises as `run`."""
        return self.run(
            name, lambda visit: visit.evaluate(script, name, *arguments), until
        )

    async def connect(self, name: bytes) -> None:
        """To every server that holds records. Raises StoreUnavailable, also where no
        script may be run on the name.
        """
        until = self.deadline()
        await self.evaluate(WATCH, name, "", until=until)
        for endpoint in self._topology.endpoints():
            self._under_way += 1
            try:
                await endpoint.open(Purpose.MAIN, until)
            except ErrorReply as error:
                raise _refused(error) from error
            except OSError as lost:
                raise StoreUnavailable(
                    f"Redis did not answer: {lost}", reason=_reason(lost)
                ) from lost
            finally:
                self._end()

    async def aclose(self) -> None:
        """Waits for calls that are under way: they open lines again."""
        await self._topology.aclose()
        with suppress(TimeoutError):
            async with asyncio.timeout(self.budget):
                while self._under_way:
                    self._ended.clear()
                    await self._ended.wait()
        await self._topology.aclose()

    def _end(self) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._ended.set()

    def _visit(self, name: bytes, purpose: Purpose, until: float) -> "Visit | None":
        """None where there is no line yet."""
        endpoint = self._topology.endpoint(name)
        line = None if endpoint is None else endpoint.line(purpose)
        if endpoint is None or line is None:
            return None
        return Visit(endpoint, line, until)

    async def _open(
        self, name: bytes, purpose: Purpose, until: float, ask_at: str
    ) -> "Visit":
        endpoint = self._topology.at(ask_at) if ask_at else None
        if endpoint is not None:
            line = await endpoint.open(purpose, until)
            return Visit(endpoint, line, until, asking=True)
        endpoint = self._topology.endpoint(name)
        if endpoint is None:
            await self._learn(until)
            endpoint = self._topology.endpoint(name)
        if endpoint is None:
            raise ConnectionError("no node of the cluster holds the slot")
        await endpoint.open(Purpose.MAIN, until)  # which learns what the others rely on
        return Visit(endpoint, await endpoint.open(purpose, until), until)

    async def _adapt(
        self, name: bytes, purpose: Purpose, failure: Exception, until: float
    ) -> str:
        """The address to ask instead, for once; '' for the ordinary one."""
        code = failure.code if isinstance(failure, ErrorReply) else ""
        if code == "ASK":
            return str(failure).split(" ")[-1]
        if code in ("READONLY", "MASTERDOWN"):
            # A primary that is none any more: who is, the next connection will find.
            visit = self._visit(name, purpose, until)
            if visit is not None:
                visit.line.close(f"the server answered {code}")
        if not isinstance(failure, ErrorReply) or code in ("MOVED", "READONLY"):
            with suppress(OSError, ErrorReply):  # the next try may find more
                await self._learn(until)
        return ""

    async def _learn(self, until: float) -> None:
        async with asyncio.timeout_at(until):
            await self._topology.learn()


@dataclass(slots=True)
class Visit:
    """One try of a step: at which server, on which line, and until when."""

    endpoint: Endpoint
    line: Line
    until: float
    asking: bool = False
    """The server is only taking over the slot of the name."""
    spells_out: bool = False
    """The server has no script any more, as after a restart or a failover; one that is
    sent whole, it keeps."""

    def send(self, *command: Argument) -> Awaitable[Any]:
        """Raises as `Line.send`."""
        return self.line.send(command, self.until, self.asking)

    def evaluate(
        self, script: Script, name: bytes, *arguments: Argument, keys: int = 1
    ) -> Awaitable[Any]:
        """`name` is the first of the keys; `arguments` begin with the others."""
        command: Command = (b"EVALSHA", script.digest, keys, name, *arguments)
        if self.spells_out:
            command = (b"EVAL", script.source, keys, name, *arguments)
        return self.line.send(command, self.until, self.asking)

    async def read_clock(self) -> None:
        await self.endpoint.read_clock(self.line, self.until)


def _raise_if_final(error: ErrorReply, *, asked: bool) -> None:
    """Some answers would be the same a moment later: no permission, out of memory, not
    a record of ours. Not `asked`: it was the connection that was refused.
    """
    if error.passing:
        return
    if error.code == "WRONGTYPE":
        raise RecordDamaged("The key holds something that is not a record.") from error
    if asked and error.code in _TOO_LARGE and not _is_denied(error):
        raise WriteRefused(f"Redis refused: {error}", reason=_full(error)) from error
    raise _refused(error) from error


def _full(error: ErrorReply) -> StoreFailure:
    return "full" if error.code == "OOM" else "refused"


def _is_denied(error: ErrorReply) -> bool:
    said = str(error)
    return error.code in _DENIED or any(each in said for each in _DENIED_TO_A_SCRIPT)


def _refused(error: ErrorReply) -> StoreUnavailable:
    return StoreUnavailable(f"Redis refused: {error.advice}", reason=_reason(error))


def _reason(failure: Exception | None) -> StoreFailure:
    if not isinstance(failure, ErrorReply):
        quiet = failure is None or isinstance(failure, TimeoutError)
        return "timeout" if quiet else "unreachable"
    if _is_denied(failure):
        return "denied"
    return "unreachable" if failure.passing else "refused"
