"""From claim to record: runs the handler, and decides what its outcome is."""

import asyncio
from typing import assert_never

from .asgi import Message, Receive, Scope
from .attempt import Attempt, Statement
from .client import Client, is_departure
from .events import (
    FailedAfterRecord,
    Started,
    Undelivered,
)
from .lease import Renewal
from .persistence import Persistence
from .policy import Policy
from .record import (
    Claim,
    Completed,
    NotReplayable,
    Outcome,
)
from .recorder import Recorder
from .request import RequestBody
from .response import StoredResponse
from .runtime import Runtime, is_closed, is_interrupted

# Seconds from which a client may have given up.
_SLOW = 0.1


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
        waited: float,
    ) -> None:
        self._runtime = runtime
        self._policy = policy
        self._attempt = attempt
        self._claim = claim
        self._scope = scope
        self._client = client
        self._waited = waited
        self._recorder = Recorder(client, scope["method"], policy, self._conclude)
        loop = asyncio.get_running_loop()
        self._revealed = loop.create_future()
        self._ended = False
        """Its outcome is known. A response may be complete before: whether it counts is
        for a function of the seller's, which may raise."""
        self._recorded: int | None = None
        self._left = False
        self._heard = False
        """The handler was told that its client has left, before its outcome was
        known."""
        self._now = loop.time
        self._started = self._now()
        self._persistence = Persistence(runtime, policy, attempt.key, claim)
        self._renewal = Renewal(runtime, policy, attempt.key, claim, handler_runs=True)
        self._renewal.start()

    async def run(self, body: RequestBody) -> bool:
        """Is there a response? Raises what the handler raises."""
        self._attempt.announce(self._scope)
        self._runtime.begin(self)
        self._runtime.observe(
            Started,
            self._attempt.key,
            self._attempt.number,
            self._waited,
            policy=self._policy.name,
        )
        try:
            await self._call(body.then(self._disconnect, self._has_left))
            return self._recorded is not None
        finally:
            self._runtime.end(self)
            self._renewal.stop()
            self._attempt.retract(self._scope)
            self._reveal()
            self._tell_undelivered()
            del self._recorder  # a circle would wait for the collector, body and all

    async def _call(self, receive: Receive) -> None:
        task = asyncio.current_task()
        try:
            await self._runtime.app(self._scope, receive, self._recorder.send)
        except BaseException as error:  # not every failure of a handler is an Exception
            if is_closed(error, task):
                raise
            # A cancelled task leaves its lease to lapse: nobody knows how far the
            # handler came.
            if not is_interrupted(error):
                await self._failed(error)
            elif not self._ended:
                self._persistence.tell_unknown(None, self._elapsed())
            raise
        if not self._ended:
            await self._fail(None)

    async def _disconnect(self) -> Message:
        """Starlette cancels a stream when its client leaves, and the effect would be
        half done. So a handler hears of it only once recording is over.
        """
        await asyncio.shield(self._revealed)
        message = await self._client.receive()
        self._heard = self._heard or not self._ended
        return message

    def _has_left(self) -> bool:
        """As `_disconnect`, for a handler that does not wait."""
        left = self._revealed.done() and self._client.seems_gone()
        self._heard = self._heard or (left and not self._ended)
        return left

    def let_go(self) -> None:
        """The process is about to stop: an endless handler has to hear that nobody
        listens, or the shutdown would wait for it.
        """
        self._reveal()
        self._recorder.hides_disconnect = False

    def _reveal(self) -> None:
        if not self._revealed.done():
            self._revealed.set_result(None)

    async def _failed(self, error: BaseException) -> None:
        if not self._ended:
            await self._fail(None)
        elif self._recorded is not None and not is_departure(error):
            self._runtime.observe(
                FailedAfterRecord,
                self._attempt.key,
                self._recorded,
                policy=self._policy.name,
            )

    def _tell_undelivered(self) -> None:
        if self._recorded is not None and (self._left or self._recorder.lost):
            self._runtime.observe(
                Undelivered,
                self._attempt.key,
                self._recorded,
                self._elapsed(),
                policy=self._policy.name,
            )

    async def _conclude(
        self, status: int, response: StoredResponse | None
    ) -> StoredResponse | None:
        try:
            if not self._policy.counts(self._scope["method"], status):
                await self._fail(status)
                return None
            self._ended = True
            self._recorded = status
            self._stop_renewal()
            outcome = self._outcome(response)
            before = await self._persistence.complete(status, outcome, self._elapsed())
            # The gate does not settle an answer that CloudFront no longer waits for.
            # After a quick one the question would cost more than it tells.
            self._left = self._elapsed() > _SLOW and await self._client.has_left()
            return before
        finally:
            self._reveal()

    def _outcome(self, response: StoredResponse | None) -> Outcome:
        if response is None:
            return NotReplayable()
        return Completed(response.to_bytes(self._policy.unrecorded_headers))

    async def _fail(self, status: int | None) -> None:
        self._ended = True
        self._stop_renewal()
        again = self._may_run_again()
        await self._persistence.give_back(status, self._elapsed(), again=again)

    def _stop_renewal(self) -> None:
        """One that crossed the write of the outcome would report a lost lease."""
        self._renewal.stop()

    def _may_run_again(self) -> bool:
        match self._attempt.statement:
            case Statement.NOTHING_HAPPENED:
                return True
            case Statement.OUTCOME_UNKNOWN:
                return False
            case None if (
                self._policy.effects == "declared" and self._attempt.did_nothing()
            ):
                return True
            case None if self._heard or self._recorder.told:
                # It ended because nobody listens: that is no report of a failure, and
                # its effect may have happened.
                return False
            case None:
                return self._policy.on_failure == "release"
            case unreachable:
                assert_never(unreachable)

    def _elapsed(self) -> float:
        return self._now() - self._started
