"""From claim to record: runs the handler, and writes down what became of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar, assert_never

from . import observer as seen
from .asgi import Message, Scope
from .attempt import Attempt, Statement
from .body import RequestBody
from .client import Client
from .errors import RecordDamaged
from .guard import Guard
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
from .renewal import Renewal
from .response import StoredResponse

T = TypeVar("T")

_log = logging.getLogger("origin_middleware")

# How long, and how often, a write is tried again after its response has left.
_PERSIST_FOR = 30.0
_PERSIST_EVERY = 1.0


class Execution:
    """One run of the handler, under one claim."""

    def __init__(
        self, guard: Guard, policy: Policy, attempt: Attempt, claim: Claim
    ) -> None:
        self._guard = guard
        self._policy = policy
        self._attempt = attempt
        self._claim = claim
        self._ended = asyncio.Event()
        self._started = _now()
        self._renewal = Renewal(guard, attempt.key, claim)
        self._renewal.start()

    async def run(self, scope: Scope, body: RequestBody, client: Client) -> None:
        """Raises what the handler raises."""
        method = scope["method"]
        limit = self._policy.max_response_bytes

        async def conclude(
            status: int, response: StoredResponse | None
        ) -> StoredResponse | None:
            return await self._conclude(method, status, response)

        async def disconnect() -> Message:
            # Starlette cancels a stream when its client leaves, and the effect would be
            # half done. So a handler hears of it only once recording is over.
            await self._ended.wait()
            return await client.receive()

        self._attempt.announce(scope)
        recorder = Recorder(client, method, limit, conclude)
        try:
            await self._guard.app(scope, body.given_then(disconnect), recorder.send)
        except Exception:  # whatever it is, the handler failed; raised again below
            if not recorder.concluded:
                await self._fail(None)
            raise
        finally:
            # Also on cancellation, where the lease is left to lapse: nobody knows how
            # far the handler came.
            self._renewal.stop()
        if not recorder.concluded:
            await self._fail(None)

    async def _conclude(
        self, method: str, status: int, response: StoredResponse | None
    ) -> StoredResponse | None:
        try:
            if not self._policy.delivered(method, status):
                await self._fail(status)
                return None
            return await self._complete(status, self._outcome(response))
        finally:
            self._ended.set()

    def _outcome(self, response: StoredResponse | None) -> Outcome:
        if response is None:
            return NotReplayable()
        return Completed(response.without(self._policy.unrecorded).to_bytes())

    async def _complete(self, status: int, outcome: Outcome) -> StoredResponse | None:
        store, key, seconds = self._guard.store, self._attempt.key, self._elapsed()

        def tell(answer: Recorded | Preceded) -> None:
            match answer:
                case Recorded(Evidence.OWNED):
                    self._guard.observe(seen.Executed(key, status, seconds))
                case Recorded(found):
                    self._guard.observe(seen.ClaimMissing(key, found))
                case Preceded():
                    self._guard.observe(seen.Superseded(key))
                case _:
                    assert_never(answer)

        answer = await self._persist(
            lambda: store.complete(key, self._claim, outcome), tell
        )
        return _canonical(answer.by.outcome) if isinstance(answer, Preceded) else None

    async def _fail(self, status: int | None) -> None:
        store, key, seconds = self._guard.store, self._attempt.key, self._elapsed()
        again = self._may_run_again()
        give_up = store.release if again else store.abandon

        def tell(ours: bool) -> None:
            self._guard.observe(seen.Failed(key, status, again and ours, seconds))

        await self._persist(lambda: give_up(key, self._claim), tell)

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

    async def _persist(
        self, write: Callable[[], Awaitable[T]], tell: Callable[[T], None]
    ) -> T | None:
        """Write now, or behind our caller's back where that fails or is cancelled.

        Every write can be sent twice: it carries the owner token.
        """
        self._renewal.stop()  # one that crossed this write would report a lost lease
        try:
            answer = await write()
        except asyncio.CancelledError:
            self._guard.running.spawn(self._persist_later(write, tell))
            raise
        except Exception as exc:  # whatever the store raises, the handler has run
            _log.warning("The outcome could not be written: %r", exc)
            self._guard.observe(seen.NotRecorded(self._attempt.key))
            self._guard.running.spawn(self._persist_later(write, tell))
            return None
        tell(answer)
        return answer

    async def _persist_later(
        self, write: Callable[[], Awaitable[T]], tell: Callable[[T], None]
    ) -> None:
        """With a renewal of its own: the handler's ends with the handler."""
        until = _now() + _PERSIST_FOR
        renewal = Renewal(self._guard, self._attempt.key, self._claim)
        renewal.start()
        try:
            while _now() < until:
                try:
                    answer = await write()
                except Exception:  # as above
                    await asyncio.sleep(_PERSIST_EVERY)
                else:
                    self._guard.observe(seen.RecordedLate(self._attempt.key))
                    tell(answer)
                    return
        finally:
            renewal.stop()

    def _elapsed(self) -> float:
        return _now() - self._started


def _canonical(outcome: Outcome) -> StoredResponse | None:
    if isinstance(outcome, Completed):
        with suppress(RecordDamaged):  # then what our own handler answered has to do
            return StoredResponse.from_bytes(outcome.response)
    return None


def _now() -> float:
    return asyncio.get_running_loop().time()
