"""What a record can become: the specification of every store.

            claim                         complete
  absent ──────────▶ in progress ──────────────────────▶ completed │ not replayable
    ▲  ▲                │  │  ▲                                 │
    │  └── release ─────┘  │  └─ renew                          │
    │                      │ the lease lapses (read from the    │
    │                      ▼ clock, never written)              │
    │                  abandoned ── late complete ──────────────┤
    │                      │  └──── take over ─▶ in progress    │
    └───────────────── retention has passed ────────────────────┘

Rules:
- Every change of a record is a function in this file. It gets the record as it is, and
  the time on the store's clock. It returns the record as it will be, with the answer to
  the caller.
- Every write after the claim presents the claim's owner token. A stale token changes
  nothing and is told so.
- Every write that can be sent twice gives the same answer twice, because replies get
  lost.
- A completion is evidence that the handler ran: it is written even where the claim is
  gone, unless another completion is there already. The first completion wins.
"""

from collections.abc import Callable
from dataclasses import replace

from .record import (
    Absent,
    Answer,
    Claim,
    Claimed,
    Evidence,
    Finished,
    Held,
    InProgress,
    Late,
    Outcome,
    Preceded,
    Record,
    Recorded,
)


def claim(record: Record | None, by: Claim, now: float) -> tuple[Record | None, Answer]:
    """Become the owner of an absent key, or learn what the key holds.

    The reply to a claim can be lost and the claim sent again, so the same owner token
    wins twice.
    """
    record = retained(record, now)
    if record is None:
        begun = Record(
            by.owner, by.fingerprint, InProgress(now + by.lease), now + by.retention
        )
        return begun, Claimed()
    return record, Claimed() if _owns(record, by) else view(record, now)


def take_over(
    record: Record | None, by: Claim, now: float
) -> tuple[Record | None, Answer]:
    """A claim that treats the abandoned record of another attempt as absent."""
    seen = view(record, now)
    if isinstance(seen, Held) and seen.abandoned and not _owns(record, by):
        record = None
    return claim(record, by, now)


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


def renew(record: Record | None, by: Claim, now: float) -> tuple[Record | None, bool]:
    """Extend the lease. A lapsed lease that nobody took over is the owner's still."""
    record = retained(record, now)
    if record is None or not _owns(record, by):
        return record, False
    state = InProgress(lapses=now + by.lease)
    return replace(record, state=state, expires=now + by.retention), True


def complete(
    record: Record | None, by: Claim, now: float, outcome: Outcome
) -> tuple[Record, Recorded | Preceded]:
    record = retained(record, now)
    completion = Record(by.owner, by.fingerprint, outcome, now + by.retention)
    if record is None:
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
    if record is None or not _owns(record, by):
        return record, False
    return None, True


def abandon(record: Record | None, by: Claim, now: float) -> tuple[Record | None, bool]:
    """End the lease at once: the owner knows that the outcome is unknown."""
    record = retained(record, now)
    if record is None or not _owns(record, by):
        return record, False
    return replace(record, state=InProgress(lapses=now)), True


def view(record: Record | None, now: float) -> Absent | Held | Finished:
    record = retained(record, now)
    if record is None:
        return Absent()
    if isinstance(record.state, InProgress):
        return Held(record.fingerprint, record.state.lapses - now)
    return Finished(record.fingerprint, record.state)


def retained(record: Record | None, now: float) -> Record | None:
    return record if record and now < record.expires else None


def _owns(record: Record | None, by: Claim) -> bool:
    return (
        record is not None
        and record.owner == by.owner
        and isinstance(record.state, InProgress)
    )
