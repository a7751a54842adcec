"""Asks the reconciler about an abandoned key that was claimed for it, and writes the
ruling.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from . import events
from .attempt import Abandoned, Reconciler
from .decision import Refusal, Refuse, Replay, Verdict
from .errors import StoreError
from .key import Key
from .lease import Renewal
from .policy import Policy
from .record import Claim, Completed, NotReplayable, Outcome, Preceded
from .response import StoredResponse, checked_response
from .runtime import Runtime, is_closed, is_interrupted

_log = logging.getLogger("origin_middleware")


@dataclass(frozen=True, slots=True)
class _Respond:
    """The ruling is a response, as bytes, so it is known to be valid."""

    response: bytes
    status: int
    kept: bool
    """False if it is too large for the record, as a handler's response may be."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One abandoned key, claimed for as long as the reconciler thinks."""

    runtime: Runtime
    policy: Policy
    method: str
    key: Key
    claim: Claim

    async def ask(self, reconciler: Reconciler, patience: float) -> Verdict | None:
        """The ruling holds even if the store cannot write it: nothing runs then.

        None if the ruling is to execute. Then the key is given back, because the run is
        an attempt, and has to claim the key like any other.
        """
        renewal = Renewal(
            self.runtime, self.policy, self.key, self.claim, handler_runs=False
        )
        renewal.start()
        try:
            ruling = await self._ruling(reconciler, patience)
        finally:
            renewal.stop()
        name = "respond" if isinstance(ruling, _Respond) else ruling
        policy = self.policy.name
        self.runtime.observe(events.Reconciled, self.key, name, policy=policy)
        if isinstance(ruling, _Respond):
            return await self._record(ruling)
        if ruling == "execute":
            await self.runtime.store.release(self.key, self.claim)
            return None
        return await self._leave_abandoned()

    async def _ruling(
        self, reconciler: Reconciler, patience: float
    ) -> _Respond | Literal["execute", "refuse"]:
        abandoned = Abandoned(self.key, self.claim.fingerprint)
        task = asyncio.current_task()
        try:
            # At least a lease, for those who have waited for it to lapse.
            async with asyncio.timeout(max(patience, self.claim.lease)):
                return self._checked(await reconciler(abandoned))
        except BaseException as error:  # it is the seller's code
            if is_interrupted(error) or is_closed(error, task):
                raise
            _log.exception(
                "The reconciler failed or gave no valid ruling; the request is refused."
            )
            return "refuse"

    def _checked(self, ruling: object) -> _Respond | Literal["execute", "refuse"]:
        if ruling == "execute" or ruling == "refuse":
            return ruling
        if not isinstance(ruling, StoredResponse):
            raise TypeError(
                f"on_abandoned returned a {type(ruling).__name__}: it has to be "
                "'execute', 'refuse' or a StoredResponse"
            )
        if not self.policy.counts(self.method, ruling.status):
            raise ValueError(f"{ruling.status} is not delivered, so it cannot be kept")
        response = checked_response(ruling, self.method)
        if self.policy.private:
            response = response.for_the_payer()
        kept = len(response.body) <= self.policy.max_response_bytes
        recorded = response.to_bytes(self.policy.unrecorded_headers)
        return _Respond(recorded, response.status, kept)

    async def _record(self, ruling: _Respond) -> Verdict:
        """Writes the ruling, unless the attempt ended after all meanwhile."""
        response = ruling.response
        outcome: Outcome = Completed(response) if ruling.kept else NotReplayable()
        try:
            told = await self.runtime.store.complete(
                self.key, self.claim, outcome, ruling.status
            )
        except StoreError:
            self.runtime.observe(events.NotRecorded, self.key, policy=self.policy.name)
            return Replay(response)
        if not isinstance(told, Preceded):
            return Replay(response)
        if not isinstance(told.by.outcome, Completed):
            return Refuse(Refusal.NOT_REPLAYABLE)
        if told.by.fingerprint == self.claim.fingerprint:
            return Replay(told.by.outcome.response)
        self.runtime.observe(events.Superseded, self.key, True, policy=self.policy.name)
        return Replay(response)

    async def _leave_abandoned(self) -> Verdict:
        with suppress(StoreError):  # or else the lease lapses by itself
            await self.runtime.store.abandon(self.key, self.claim)
        return Refuse(Refusal.OUTCOME_UNKNOWN)
