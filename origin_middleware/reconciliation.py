"""Asks the reconciler about a key that was taken over for it, and writes its ruling."""

import logging

from . import observer as seen
from .decision import Execute, Refusal, Refuse, Replay
from .guard import Guard
from .key import Key
from .lifecycle import Claim, Completed, Preceded
from .reconciler import Abandoned, Reconciler, Ruling
from .renewal import Renewal
from .response import StoredResponse


async def reconcile(
    guard: Guard, reconciler: Reconciler, key: Key, claim: Claim
) -> Execute | Replay | Refuse:
    renewal = Renewal(
        guard.store,
        key,
        claim,
        guard.running,
        lambda: guard.observe(seen.LeaseLost(key)),
    )
    renewal.start()
    try:
        ruling = await _ruling(reconciler, Abandoned(key, claim.fingerprint))
    finally:
        renewal.stop()
    guard.observe(
        seen.Reconciled(key, ruling if isinstance(ruling, str) else "respond")
    )
    if isinstance(ruling, StoredResponse):
        return await _recorded(guard, key, claim, ruling.to_bytes())
    if ruling == "execute":
        return Execute()
    await guard.store.abandon(key, claim)
    return Refuse(Refusal.OUTCOME_UNKNOWN)


async def _ruling(reconciler: Reconciler, abandoned: Abandoned) -> Ruling:
    log = logging.getLogger("origin_middleware")
    try:
        ruling: object = await reconciler(abandoned)
    except Exception:  # it is the seller's code
        log.exception("The reconciler failed; the request is refused.")
        return "refuse"
    if isinstance(ruling, StoredResponse) or ruling == "execute" or ruling == "refuse":
        return ruling
    log.error("The reconciler answered %r; the request is refused.", ruling)
    return "refuse"


async def _recorded(
    guard: Guard, key: Key, claim: Claim, response: bytes
) -> Replay | Refuse:
    """The ruling, unless the attempt ended after all while the reconciler was asked."""
    told = await guard.store.complete(key, claim, Completed(response))
    if not isinstance(told, Preceded):
        return Replay(response)
    if isinstance(told.by.outcome, Completed):
        return Replay(told.by.outcome.response)
    return Refuse(Refusal.NOT_REPLAYABLE)
