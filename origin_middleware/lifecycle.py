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
- Every write after the claim presents the claim's owner token. A write with a stale
  token changes nothing and is told so.
- Every write that can be sent twice gives the same answer twice, because replies get
  lost.
- Released is absent with a memory: it counts the attempts, and a claim that finds too
  many is told so. An attempt counts when it begins. It no longer counts if its claim is
  withdrawn, because then no handler ran.
- An abandoned attempt whose effects had not begun has done nothing: the next claim for
  the same request finds it released.
- A completion is evidence that the handler ran: it is written even where the claim is
  gone, unless another completion is there already. The first completion wins.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from .record import (
    NOBODY,
    Absent,
    Answer,
    Claim,
    Claimed,
    Completed,
    Evidence,
    Exhausted,
    Facts,
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
        return _begin(by, now, 1, now, effects=not by.declares), Claimed(1)
    if _owned(record, by):
        return record, Claimed(record.attempt)
    same = record.fingerprint == by.fingerprint
    if isinstance(record.state, Released) or (same and _did_nothing(record, now)):
        return _begin_again(record, by, now, effects=not by.declares)
    return record, _found(record, record.state, now)


def take_over(
    record: Record | None, by: Claim, now: float
) -> tuple[Record | None, Answer]:
    """A claim for an abandoned key, whose attempt was made for the same request. If
    nobody holds the key any more, the caller is told so, and has to make an ordinary
    claim.
    """
    record = retained(record, now)
    if record is None or isinstance(record.state, Released):
        return record, Absent()
    if _owned(record, by):
        return record, Claimed(record.attempt)
    state = record.state
    wanted = by.takes in (None, record.owner) and record.fingerprint == by.fingerprint
    if not wanted or not isinstance(state, InProgress) or state.lapses > now:
        return record, _found(record, state, now)
    if by.inquires:
        inquiry = _begin(by, now, record.attempt, record.begun, effects=True)
        return inquiry, Claimed(record.attempt)
    # What it takes over may have had effects, whatever becomes of its own.
    return _begin_again(record, by, now, effects=True)


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
    if record.attempt == 1:
        return None
    return replace(record, state=Released(), attempt=record.attempt - 1)


def withdraw_take_over(record: Record | None, by: Claim, now: float) -> Record | None:
    """Undo a take-over: the key was abandoned, and is so again. It is nobody's, so that
    to undo it twice is to undo it once.
    """
    record = retained(record, now)
    state = _owned(record, by)
    if record is None or state is None:
        return record
    attempt = record.attempt if by.inquires else record.attempt - 1
    return replace(record, owner=NOBODY, state=InProgress(now), attempt=attempt)


def renew(record: Record | None, by: Claim, now: float) -> tuple[Record | None, bool]:
    """Extend the lease. A lapsed lease that nobody took over is still the owner's. A
    lease that its owner has ended is over: this renewal may have been sent before.
    """
    record = retained(record, now)
    state = _owned(record, by)
    if record is None or state is None or state.ended:
        return record, False
    state = replace(state, lapses=now + by.lease)
    return replace(record, state=state, expires=now + by.retention), True


def begin_effects(
    record: Record | None, by: Claim, now: float
) -> tuple[Record | None, bool]:
    """From now on, effects may have happened. This renews the lease as well: if it had
    lapsed with nothing done, the outcome would now count as unknown.
    """
    renewed, ours = renew(record, by, now)
    if renewed is None or not ours or not isinstance(renewed.state, InProgress):
        return renewed, False
    return replace(renewed, state=replace(renewed.state, effects=True)), True


def complete(
    record: Record | None, by: Claim, now: float, outcome: Outcome, status: int = 0
) -> tuple[Record, Recorded | Preceded]:
    record = retained(record, now)
    completion = Record(
        by.owner,
        by.fingerprint,
        outcome,
        now + by.retention,
        attempt=record.attempt if record else 0,
        begun=record.begun if record else now,
        ended=now,
        trace=by.trace,
        status=status,
    )
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
    if record is None or record.owner != by.owner:
        return record, False
    if not isinstance(record.state, InProgress | Released):
        return record, False
    return replace(record, state=Released()), True


def abandon(record: Record | None, by: Claim, now: float) -> tuple[Record | None, bool]:
    """End the lease at once: the owner says that the outcome is unknown."""
    record = retained(record, now)
    state = _owned(record, by)
    if record is None or state is None:
        return record, False
    return replace(record, state=InProgress(now, ended=True)), True


def view(record: Record | None, now: float) -> Absent | Held | Finished:
    """What a request sees that waits for an attempt of the same request."""
    record = retained(record, now)
    if record is None or isinstance(record.state, Released):
        return Absent()
    return Absent() if _did_nothing(record, now) else _found(record, record.state, now)


def facts(record: Record | None, now: float) -> Facts | None:
    record = retained(record, now)
    if record is None:
        return None
    base = partial(Facts, attempt=record.attempt, begun=record.begun)
    left = record.expires - now
    match record.state:
        case Released():
            return base("released", expires_in=left)
        case InProgress(lapses, _, effects):
            return base(
                "in progress" if lapses > now else "abandoned",
                expires_in=left,
                owner=record.owner,
                fingerprint=record.fingerprint,
                lease_left=lapses - now,
                effects=effects,
                trace=record.trace,
            )
        case outcome:
            kept = isinstance(outcome, Completed)
            return base(
                "completed" if kept else "not replayable",
                expires_in=left,
                owner=record.owner,
                fingerprint=record.fingerprint,
                ended=record.ended,
                status=record.status,
                trace=record.trace,
                size=len(outcome.response) if isinstance(outcome, Completed) else 0,
            )


def retained(record: Record | None, now: float) -> Record | None:
    return record if record and now < record.expires else None


def _begin(
    by: Claim, now: float, attempt: int, begun: float, *, effects: bool
) -> Record:
    return Record(
        by.owner,
        by.fingerprint,
        InProgress(now + by.lease, effects=effects),
        now + by.retention,
        attempt=attempt,
        begun=begun,
        trace=by.trace,
    )


def _begin_again(
    record: Record, by: Claim, now: float, *, effects: bool
) -> tuple[Record, Answer]:
    attempt = record.attempt + 1
    if attempt > by.max_attempts:
        return record, Exhausted()
    return _begin(by, now, attempt, record.begun, effects=effects), Claimed(attempt)


def _found(record: Record, state: InProgress | Outcome, now: float) -> Held | Finished:
    if isinstance(state, InProgress):
        return Held(record.fingerprint, state.lapses - now, record.trace)
    return Finished(record.fingerprint, state, record.trace)


def _did_nothing(record: Record, now: float) -> bool:
    """Abandoned, before its effects began."""
    state = record.state
    return isinstance(state, InProgress) and state.lapses <= now and not state.effects


def _owned(record: Record | None, by: Claim) -> InProgress | None:
    """The state of the claim's own record in progress."""
    if record is None or record.owner != by.owner:
        return None
    return record.state if isinstance(record.state, InProgress) else None
