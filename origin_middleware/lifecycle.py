"""What a record can become: the specification of every store.

            claim                         complete
  absent ──────────▶ in progress ──────────────────────▶ completed │ not replayable
    ▲                 ▲ │  │  ▲                                 │
    │           claim │ │  │  └─ renew                          │
    │                 │ ▼ release                               │
    │             released │                                    │
    │                 │    │ the lease lapses (read from the    │
    │                 │    ▼ clock, never written)              │
    │                 │  abandoned ── late complete ────────────┤
    │                 │    │  └──── take over ─▶ in progress    │
    └───────────────── retention has passed ────────────────────┘

Rules:
- Every change of a record is a function in this file. It gets the record as it is, and
  the time on the store's clock. It returns the record as it will be, with the answer to
  the caller.
- Every write after the claim presents the claim's owner token. A stale token changes
  nothing and is told so.
- Every write that can be sent twice gives the same answer twice, because replies get
  lost.
- Released is absent with a memory: it counts the attempts, and a claim that finds too
  many is told so. An attempt counts when it begins, and no longer when its claim is
  withdrawn, because then no handler ran.
- A completion is evidence that the handler ran: it is written even where the claim is
  gone, unless another completion is there already. The first completion wins.
"""

from collections.abc import Callable
from dataclasses import replace

from .record import (
    NOBODY,
    Absent,
    Answer,
    Claim,
    Claimed,
    Evidence,
    Exhausted,
    Finished,
    Held,
    InProgress,
    Late,
    Outcome,
    Preceded,
    Record,
    Recorded,
    Released,
)


def claim(record: Record | None, by: Claim, now: float) -> tuple[Record | None, Answer]:
    """Become the owner of an absent key, or learn what the key holds.

    The reply to a claim can be lost and the claim sent again, so the same owner token
    wins twice.
    """
    record = retained(record, now)
    if record is None:
        return _begin(by, now, 1, now), Claimed()
    if isinstance(record.state, Released):
        return _begin_again(record, by, now, record.state.attempts, record.state.begun)
    return record, Claimed() if _owned(record, by) else view(record, now)


def take_over(
    record: Record | None, by: Claim, now: float
) -> tuple[Record | None, Answer]:
    """A claim that treats the abandoned record of another attempt as released, if that
    attempt was made for the same request.
    """
    record = retained(record, now)
    state = record.state if record else None
    if record is None or not isinstance(state, InProgress):
        return claim(record, by, now)
    same = record.fingerprint == by.fingerprint
    if state.lapses > now or _owned(record, by) or not same:
        return claim(record, by, now)
    if by.inquires:
        return _begin(by, now, state.attempt, state.begun), Claimed()
    return _begin_again(record, by, now, state.attempt, state.begun)


def unless_late(
    transition: Callable[[Record | None, Claim, float], tuple[Record | None, Answer]],
    record: Record | None,
    by: Claim,
    now: float,
    not_after: float,
) -> tuple[Record | None, Answer | Late]:
    """A claim that crosses a network: it can arrive after its sender gave up, and is
    then not applied.
    """
    changed, answer = transition(record, by, now)
    if now > not_after and isinstance(answer, Claimed) and changed != record:
        return record, Late()
    return changed, answer


def withdraw(record: Record | None, by: Claim, now: float) -> Record | None:
    """Undo a claim that its sender gave up: no handler ran under it."""
    record = retained(record, now)
    state = _owned(record, by)
    if record is None or state is None:
        return record
    if state.attempt == 1:
        return None
    return replace(record, state=Released(state.attempt - 1, state.begun))


def withdraw_take_over(record: Record | None, by: Claim, now: float) -> Record | None:
    """Undo a take-over: the key was abandoned, and is so again. It is nobody's, so that
    to undo it twice is to undo it once.
    """
    record = retained(record, now)
    state = _owned(record, by)
    if record is None or state is None:
        return record
    attempt = state.attempt if by.inquires else state.attempt - 1
    before = InProgress(now, attempt, state.begun)
    return replace(record, owner=NOBODY, state=before)


def renew(record: Record | None, by: Claim, now: float) -> tuple[Record | None, bool]:
    """Extend the lease. A lapsed lease that nobody took over is the owner's still. One
    that its owner has ended is over: a renewal may arrive later than it was sent.
    """
    record = retained(record, now)
    state = _owned(record, by)
    if record is None or state is None or state.ended:
        return record, False
    state = replace(state, lapses=now + by.lease)
    return replace(record, state=state, expires=now + by.retention), True


def complete(
    record: Record | None, by: Claim, now: float, outcome: Outcome
) -> tuple[Record, Recorded | Preceded]:
    record = retained(record, now)
    completion = Record(by.owner, by.fingerprint, outcome, now + by.retention)
    if record is None or isinstance(record.state, Released):
        return completion, Recorded(Evidence.CLAIM_LOST)
    own = record.owner == by.owner
    if isinstance(record.state, InProgress):
        return completion, Recorded(Evidence.OWNED if own else Evidence.CLAIM_TAKEN)
    if own:
        return record, Recorded(Evidence.OWNED)
    return record, Preceded(Finished(record.fingerprint, record.state))


def release(record: Record | None, by: Claim, now: float) -> tuple[Record | None, bool]:
    """Give the key back: the handler did not run, or its response does not count."""
    record = retained(record, now)
    state = _owned(record, by)
    if record is None or state is None:
        return record, False
    return replace(record, state=Released(state.attempt, state.begun)), True


def abandon(record: Record | None, by: Claim, now: float) -> tuple[Record | None, bool]:
    """End the lease at once: the owner knows that the outcome is unknown."""
    record = retained(record, now)
    state = _owned(record, by)
    if record is None or state is None:
        return record, False
    return replace(record, state=replace(state, lapses=now, ended=True)), True


def view(record: Record | None, now: float) -> Absent | Held | Finished:
    record = retained(record, now)
    if record is None or isinstance(record.state, Released):
        return Absent()
    if isinstance(record.state, InProgress):
        return Held(record.fingerprint, record.state.lapses - now)
    return Finished(record.fingerprint, record.state)


def retained(record: Record | None, now: float) -> Record | None:
    return record if record and now < record.expires else None


def _begin(by: Claim, now: float, attempt: int, begun: float) -> Record:
    state = InProgress(now + by.lease, attempt, begun)
    return Record(by.owner, by.fingerprint, state, now + by.retention)


def _begin_again(
    record: Record, by: Claim, now: float, attempts: int, begun: float
) -> tuple[Record, Answer]:
    if attempts >= by.max_attempts:
        return record, Exhausted()
    return _begin(by, now, attempts + 1, begun), Claimed()


def _owned(record: Record | None, by: Claim) -> InProgress | None:
    """The state of the claim's own record in progress."""
    if record is None or record.owner != by.owner:
        return None
    return record.state if isinstance(record.state, InProgress) else None
