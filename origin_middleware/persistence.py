"""How the outcome of an attempt gets into the store: at once, or in the background if
the store is away.

What waits there is bounded for the whole process: an outage of the store must not fill
its memory. An outcome is known even if its response cannot be kept, so a body that does
not fit is given up, and "not replayable" is written instead.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import assert_never

from .errors import RecordDamaged, StoreUnavailable, WriteRefused
from .events import (
    ClaimMissing,
    Executed,
    Failed,
    NotRecorded,
    RecordedLate,
    Superseded,
)
from .key import Key
from .lease import Renewal
from .policy import Policy
from .record import (
    Claim,
    Completed,
    Evidence,
    Finished,
    NotReplayable,
    Outcome,
    Preceded,
    Recorded,
)
from .response import StoredResponse
from .runtime import Runtime, is_interrupted, spawn

_log = logging.getLogger("origin_middleware")

# How long, and how often, a write is tried again after its response has left.
_PERSIST_FOR = 30.0
_PERSIST_EVERY = 1.0

# Of a process: bytes of bodies that wait to be written, and outcomes with or without.
_MOST_BYTES = 67_108_864
_MOST_OUTCOMES = 10_000


def write_later(what: str, write: Callable[[], Awaitable[object]], size: int) -> None:
    """For the outcome of something else than an attempt: `what`, in a log line."""

    async def persist() -> None:
        if not await _keep_trying(write, _PERSIST_FOR):
            _log.warning("%s was not written within %g seconds.", what, _PERSIST_FOR)

    if _backlog.has_room_for(size):
        _backlog.add(spawn(persist()), size)
    else:
        _log.warning("%s is not written: too many outcomes wait already.", what)


class Persistence:
    """Of the outcome of one attempt."""

    def __init__(
        self, runtime: Runtime, policy: Policy, key: Key, claim: Claim
    ) -> None:
        self._runtime = runtime
        self._policy = policy
        self._key = key
        self._claim = claim

    def complete(
        self, status: int, outcome: Outcome, seconds: float
    ) -> Awaitable[StoredResponse | None]:
        """The response that was on record before, where there was one."""
        return self._persist(
            _Completion(self._runtime, self._key, self._claim, status, outcome, seconds)
        )

    async def give_back(
        self, status: int | None, seconds: float, *, again: bool
    ) -> None:
        """The attempt failed. `again`: a retry may run."""
        await self._persist(
            _Failure(self._runtime, self._key, self._claim, status, again, seconds)
        )

    async def _persist(self, write: "_Completion | _Failure") -> StoredResponse | None:
        """Now, or in the background where that fails or is cancelled."""
        try:
            before = await write()
        except (Exception, asyncio.CancelledError) as exc:
            # A store may raise anything; the handler has run.
            if is_interrupted(exc):
                self._postpone(write)
                raise
            _log.warning("The outcome could not be written: %r", exc)
            self._runtime.observe(NotRecorded, self._key, policy=self._policy.name)
            self._postpone(write)
            return None
        write.tell(self._policy.name)
        return before

    def _postpone(self, write: "_Completion | _Failure") -> None:
        if not _backlog.has_room_for(write.size):
            write.give_up_body()
        if _backlog.has_room_for(write.size):
            task = self._runtime.spawn(self._persist_later(write))
            _backlog.add(task, write.size)
        else:
            many = f"{_MOST_OUTCOMES:_} outcomes wait to be written: no more can."
            self._runtime.log_failure(StoreUnavailable(many))
            self.tell_unknown(write.status, write.seconds)

    async def _persist_later(self, write: "_Completion | _Failure") -> None:
        """With a renewal of its own: the handler's ends with the handler."""
        policy, name = self._policy, self._policy.name
        renewal = Renewal(
            self._runtime, policy, self._key, self._claim, handler_runs=False
        )
        renewal.start()
        try:
            written = await _keep_trying(write, _PERSIST_FOR)
            if not written and write.size:
                write.give_up_body()
                written = await _keep_trying(write, 0.0)
        finally:
            renewal.stop()
        if written:
            self._runtime.observe(RecordedLate, self._key, policy=name)
            write.tell(name)
        else:
            self.tell_unknown(write.status, write.seconds)

    def tell_unknown(self, status: int | None, seconds: float) -> None:
        """Nothing is written, or tried any more: the lease lapses."""
        unknown = status, False, seconds
        self._runtime.observe(Failed, self._key, *unknown, policy=self._policy.name)


@dataclass(slots=True)
class _Completion:
    """Can be written twice, like a failure, because the claim has the owner token."""

    runtime: Runtime
    key: Key
    claim: Claim
    status: int
    outcome: Outcome
    seconds: float
    answer: Recorded | Preceded | None = None
    """What the store said, once it did."""

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.outcome.response) if isinstance(self.outcome, Completed) else 0

    def give_up_body(self) -> None:
        self.outcome = NotReplayable()

    async def __call__(self) -> StoredResponse | None:
        """The response that was on record before. None where that of our own handler
        goes out."""
        store = self.runtime.store
        try:
            answer = await store.complete(
                self.key, self.claim, self.outcome, self.status
            )
        except WriteRefused as refused:
            if not self.size:
                raise
            self.runtime.log_failure(refused)
            self.give_up_body()
            answer = await store.complete(
                self.key, self.claim, self.outcome, self.status
            )
        self.answer = answer
        return self._canonical(answer)

    def tell(self, policy: str) -> None:
        observe, ran = self.runtime.observe, (self.status, self.seconds)
        match self.answer:
            case Recorded(Evidence.OWNED):
                kept = isinstance(self.outcome, Completed)
                observe(Executed, self.key, *ran, kept, self.size, policy=policy)
            case Recorded(found):
                observe(ClaimMissing, self.key, found, *ran, policy=policy)
            case Preceded(by):
                other = by.fingerprint != self.claim.fingerprint
                observe(Superseded, self.key, other, *ran, policy=policy)
            case None:  # pragma: no cover - told once it is written
                pass
            case _:
                assert_never(self.answer)

    def _canonical(self, answer: Recorded | Preceded) -> StoredResponse | None:
        match answer:
            case Preceded(Finished(fingerprint, Completed(response))):
                if fingerprint == self.claim.fingerprint:
                    with suppress(RecordDamaged):
                        return StoredResponse.from_bytes(response)
        return None


@dataclass(slots=True)
class _Failure:
    runtime: Runtime
    key: Key
    claim: Claim
    status: int | None
    again: bool
    seconds: float
    size: int = 0
    released: bool = False

    def give_up_body(self) -> None:
        """It has none."""

    async def __call__(self) -> None:
        store = self.runtime.store
        give_up = store.release if self.again else store.abandon
        ours = await give_up(self.key, self.claim)
        self.released = self.again and ours

    def tell(self, policy: str) -> None:
        self.runtime.observe(
            Failed, self.key, self.status, self.released, self.seconds, policy=policy
        )


class _Backlog:
    """What waits to be written in this process, whatever the middleware."""

    def __init__(self) -> None:
        self._bytes = 0
        self._outcomes = 0

    def has_room_for(self, size: int) -> bool:
        fits = self._bytes + size <= _MOST_BYTES
        return fits and self._outcomes < _MOST_OUTCOMES

    def add(self, task: "asyncio.Task[None]", size: int) -> None:
        self._count(1, size)
        task.add_done_callback(lambda _: self._count(-1, -size))

    def _count(self, outcomes: int, size: int) -> None:
        self._outcomes += outcomes
        self._bytes += size


_backlog = _Backlog()


async def _keep_trying(write: Callable[[], Awaitable[object]], seconds: float) -> bool:
    """False if it could not be written in the end."""
    until = _now() + seconds
    while True:
        last = _now() >= until  # a process that was stalled tries once more
        try:
            await write()
        except (Exception, asyncio.CancelledError) as exc:
            # A store may raise anything.
            if is_interrupted(exc):
                raise
            if last:
                return False
            await asyncio.sleep(_PERSIST_EVERY)
        else:
            return True


def _now() -> float:
    return asyncio.get_running_loop().time()
