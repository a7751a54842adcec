"""From claim to record: runs the handler, and writes its outcome."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import assert_never

from .asgi import Message, Receive, Scope
from .attempt import Attempt, Statement
from .client import Client
from .errors import RecordDamaged
from .events import (
    ClaimMissing,
    Event,
    Executed,
    Failed,
    FailedAfterRecord,
    NotRecorded,
    RecordedLate,
    Superseded,
    Undelivered,
)
from .key import Key
from .lease import Renewal
from .policy import Policy
from .record import (
    Claim,
    Completed,
    Evidence,
    NotReplayable,
    Outcome,
    Preceded,
    Recorded,
)
from .recorder import Recorder
from .request import RequestBody
from .response import StoredResponse
from .runtime import Runtime, is_interrupted

_log = logging.getLogger("origin_middleware")

# How long, and how often, a write is tried again after its response has left.
_PERSIST_FOR = 30.0
_PERSIST_EVERY = 1.0

# Seconds from which a client may have given up.
_SLOW = 0.1

# The event that tells of a write, and the response that was on record before it.
_Written = tuple[Event, StoredResponse | None]
_Write = Callable[[], Awaitable[_Written]]


class Execution:
    """One run of the handler, under one claim."""

    def __init__(
        self,
        runtime: Runtime,
        policy: Policy,
        attempt: Attempt,
        claim: Claim,
        scope: Scope,
        client: Client,
    ) -> None:
        self._runtime = runtime
        self._policy = policy
        self._attempt = attempt
        self._claim = claim
        self._scope = scope
        self._client = client
        self._recorder = Recorder(client, scope["method"], policy, self._conclude)
        self._revealed = asyncio.Event()
        self._recorded: int | None = None
        self._left = False
        self._started = _now()
        self._renewal = Renewal(runtime, attempt.key, claim)
        self._renewal.start()

    async def run(self, body: RequestBody) -> None:
        """Raises what the handler raises."""
        outer = self._attempt.announce(self._scope)
        with self._runtime.letting_go(self._let_go):
            try:
                await self._call(body.then(self._disconnect))
            finally:
                self._renewal.stop()
                self._attempt.retract(self._scope, outer)
                self._tell_undelivered()

    async def _call(self, receive: Receive) -> None:
        try:
            await self._runtime.app(self._scope, receive, self._recorder.send)
        except GeneratorExit:
            raise
        except BaseException as error:  # not every failure of a handler is an Exception
            # A cancelled task leaves its lease to lapse: nobody knows how far the
            # handler came.
            if not is_interrupted(error):
                await self._failed()
            raise
        if not self._recorder.concluded:
            await self._fail(None)

    async def _disconnect(self) -> Message:
        """Starlette cancels a stream when its client leaves, and the effect would be
        half done. So a handler hears of it only once recording is over.
        """
        await self._revealed.wait()
        return await self._client.receive()

    def _let_go(self) -> None:
        """The process is about to stop: an endless handler has to hear that nobody
        listens, or the shutdown would wait for it.
        """
        self._revealed.set()
        self._recorder.hides_disconnect = False

    async def _failed(self) -> None:
        if not self._recorder.concluded:
            await self._fail(None)
        elif self._recorded is not None:
            self._observe(FailedAfterRecord(self._attempt.key, self._recorded))

    def _tell_undelivered(self) -> None:
        if self._recorded is not None and (self._left or self._recorder.lost):
            seconds = self._elapsed()
            self._observe(Undelivered(self._attempt.key, self._recorded, seconds))

    async def _conclude(
        self, status: int, response: StoredResponse | None
    ) -> StoredResponse | None:
        try:
            if not self._policy.counts(self._scope["method"], status):
                await self._fail(status)
                return None
            self._recorded = status
            before = await self._complete(status, self._outcome(response))
            # The gate does not settle an answer that CloudFront no longer waits for.
            # After a quick one the question would cost more than it tells.
            self._left = self._elapsed() > _SLOW and await self._client.has_left()
            return before
        finally:
            self._revealed.set()

    def _outcome(self, response: StoredResponse | None) -> Outcome:
        if response is None:
            return NotReplayable()
        kept = response.recordable(self._policy.unrecorded_headers)
        return Completed(kept.to_bytes())

    async def _complete(self, status: int, outcome: Outcome) -> StoredResponse | None:
        """The response that was on record before, where there was one."""
        store, key, seconds = self._runtime.store, self._attempt.key, self._elapsed()

        async def write() -> _Written:
            answer = await store.complete(key, self._claim, outcome)
            before = answer.by.outcome if isinstance(answer, Preceded) else None
            return _event(key, answer, status, seconds), _readable(before)

        return await self._persist(write)

    async def _fail(self, status: int | None) -> None:
        store, key, seconds = self._runtime.store, self._attempt.key, self._elapsed()
        again = self._may_run_again()
        give_up = store.release if again else store.abandon

        async def write() -> _Written:
            ours = await give_up(key, self._claim)
            return Failed(key, status, again and ours, seconds), None

        await self._persist(write)

    def _may_run_again(self) -> bool:
        match self._attempt.statement:
            case Statement.NOTHING_HAPPENED:
                return True
            case Statement.OUTCOME_UNKNOWN:
                return False
            case None:
                return self._policy.on_failure == "release"
            case unreachable:
                assert_never(unreachable)

    async def _persist(self, write: _Write) -> StoredResponse | None:
        """Write now, or in the background where that fails or is cancelled.

        Every write can be sent twice: it carries the owner token.
        """
        self._renewal.stop()  # one that crossed this write would report a lost lease
        try:
            event, before = await write()
        except asyncio.CancelledError:
            self._runtime.spawn(self._persist_later(write))
            raise
        except Exception as exc:  # a store may raise anything; the handler has run
            _log.warning("The outcome could not be written: %r", exc)
            self._observe(NotRecorded(self._attempt.key))
            self._runtime.spawn(self._persist_later(write))
            return None
        self._observe(event)
        return before

    async def _persist_later(self, write: _Write) -> None:
        """With a renewal of its own: the handler's ends with the handler."""
        until = _now() + _PERSIST_FOR
        renewal = Renewal(self._runtime, self._attempt.key, self._claim)
        renewal.start()
        try:
            while _now() < until:
                try:
                    event, _ = await write()
                except Exception:  # as above
                    await asyncio.sleep(_PERSIST_EVERY)
                else:
                    self._observe(RecordedLate(self._attempt.key))
                    self._observe(event)
                    return
        finally:
            renewal.stop()

    def _observe(self, event: Event) -> None:
        self._runtime.observe(event)

    def _elapsed(self) -> float:
        return _now() - self._started


def _event(key: Key, answer: Recorded | Preceded, status: int, seconds: float) -> Event:
    match answer:
        case Recorded(Evidence.OWNED):
            return Executed(key, status, seconds)
        case Recorded(found):
            return ClaimMissing(key, found)
        case Preceded():
            return Superseded(key)
        case _:
            assert_never(answer)


def _readable(outcome: Outcome | None) -> StoredResponse | None:
    if isinstance(outcome, Completed):
        with suppress(RecordDamaged):  # then the response of our own handler goes out
            return StoredResponse.from_bytes(outcome.response)
    return None


def _now() -> float:
    return asyncio.get_running_loop().time()
