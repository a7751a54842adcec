"""Asks the reconciler about a key that was taken over for it, and writes its ruling."""

import logging
from contextlib import suppress
from dataclasses import dataclass

from . import observer as seen
from .decision import Execute, Refusal, Refuse, Replay, Verdict
from .errors import StoreError
from .guard import Guard
from .key import Key
from .policy import Policy
from .reconciler import Abandoned, Reconciler, Ruling
from .record import Claim, Completed, Preceded
from .renewal import Renewal
from .response import StoredResponse


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One abandoned key, claimed for as long as the reconciler thinks."""

    guard: Guard
    policy: Policy
    method: str
    key: Key
    claim: Claim

    async def ask(self, reconciler: Reconciler) -> Verdict:
        """The ruling holds also where the store does not take it: nothing runs then."""
        renewal = Renewal(self.guard, self.key, self.claim)
        renewal.start()
        try:
            ruling = await self._ruling(reconciler)
        finally:
            renewal.stop()
        name = ruling if isinstance(ruling, str) else "respond"
        self.guard.observe(seen.Reconciled(self.key, name))
        if isinstance(ruling, StoredResponse):
            kept = ruling.without(self.policy.unrecorded)
            return await self._record(kept.to_bytes())
        if ruling == "execute":
            return Execute()
        return await self._leave_abandoned()

    async def _ruling(self, reconciler: Reconciler) -> Ruling:
        log = logging.getLogger("origin_middleware")
        try:
            ruling: object = await reconciler(
                Abandoned(self.key, self.claim.fingerprint)
            )
        except Exception:  # it is the seller's code
            log.exception("The reconciler failed; the request is refused.")
            return "refuse"
        if ruling == "execute" or ruling == "refuse":
            return ruling
        if isinstance(ruling, StoredResponse):
            if self.policy.delivered(self.method, ruling.status):
                return ruling
            log.error(
                "The reconciler answered a %d, which the gate would not settle; "
                "the request is refused.",
                ruling.status,
            )
            return "refuse"
        log.error("The reconciler answered %r; the request is refused.", ruling)
        return "refuse"

    async def _record(self, response: bytes) -> Replay | Refuse:
        """Unless the attempt ended after all while the reconciler was asked."""
        outcome = Completed(response)
        try:
            told = await self.guard.store.complete(self.key, self.claim, outcome)
        except StoreError:
            self.guard.observe(seen.NotRecorded(self.key))
            return Replay(response)
        if not isinstance(told, Preceded):
            return Replay(response)
        if isinstance(told.by.outcome, Completed):
            return Replay(told.by.outcome.response)
        return Refuse(Refusal.NOT_REPLAYABLE)

    async def _leave_abandoned(self) -> Refuse:
        with suppress(StoreError):  # or else the lease lapses by itself
            await self.guard.store.abandon(self.key, self.claim)
        return Refuse(Refusal.OUTCOME_UNKNOWN)
