"""Decides about one request, from the store's answer. It decides again after every
wait.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Literal, assert_never

from .record import (
    Absent,
    Answer,
    Claimed,
    Completed,
    Exhausted,
    Fingerprint,
    Finished,
    Held,
    NotReplayable,
    Outcome,
)

OnStoreUnavailable = Literal["refuse", "execute"]


class Refusal(Enum):
    """Why the handler does not run. The values are the codes that clients see."""

    KEY_MISSING = "key-missing"
    KEY_MALFORMED = "key-malformed"
    SIGNATURE_REFUSED = "signature-refused"
    REQUEST_TOO_LARGE = "request-too-large"
    NO_ROOM = "no-room"
    STORE_UNAVAILABLE = "store-unavailable"
    RECORD_DAMAGED = "record-damaged"
    DIFFERENT_REQUEST = "different-request"
    IN_PROGRESS = "in-progress"
    NOT_REPLAYABLE = "not-replayable"
    OUTCOME_UNKNOWN = "outcome-unknown"
    ATTEMPTS_EXHAUSTED = "attempts-exhausted"
    NOT_ON_RECORD = "not-on-record"


@dataclass(frozen=True, slots=True)
class Execute:
    """The claim is ours: run the handler."""

    attempt: int = 1
    """Which one it is."""


@dataclass(frozen=True, slots=True)
class ClaimAgain:
    """The attempt we waited for gave the key back."""


@dataclass(frozen=True, slots=True)
class TakeOver:
    """The owner is gone, and the policy or a reconciler decides what happens next."""


@dataclass(frozen=True, slots=True)
class Replay:
    response: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    held: Held
    timeout: float


@dataclass(frozen=True, slots=True)
class Refuse:
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class RunUnprotected:
    """The store is away, and the policy prefers a second execution to none."""


Verdict = Execute | Replay | Refuse
"""A decision that needs no further look at the store."""

Decision = Verdict | Wait | ClaimAgain | TakeOver


def decide(
    answer: Answer,
    fingerprint: Fingerprint,
    takes_over: bool,
    patience_left: float,
) -> Decision:
    match answer:
        case Claimed(attempt):
            return Execute(attempt)
        case Absent():
            return ClaimAgain()
        case Held() | Finished() if answer.fingerprint != fingerprint:
            return Refuse(Refusal.DIFFERENT_REQUEST)
        case Held():
            return _while_held(answer, takes_over, patience_left)
        case Finished():
            return _once_finished(answer.outcome)
        case Exhausted():
            return Refuse(Refusal.ATTEMPTS_EXHAUSTED)
        case _:
            assert_never(answer)


def decide_without_store(
    on_store_unavailable: OnStoreUnavailable,
) -> RunUnprotected | Refuse:
    if on_store_unavailable == "execute":
        return RunUnprotected()
    return Refuse(Refusal.STORE_UNAVAILABLE)


def _while_held(
    held: Held, takes_over: bool, patience_left: float
) -> Wait | TakeOver | Refuse:
    if held.abandoned:
        return TakeOver() if takes_over else Refuse(Refusal.OUTCOME_UNKNOWN)
    if patience_left > 0:
        return Wait(held, patience_left)
    return Refuse(Refusal.IN_PROGRESS)


def _once_finished(outcome: Outcome) -> Replay | Refuse:
    match outcome:
        case Completed(response):
            return Replay(response)
        case NotReplayable():
            return Refuse(Refusal.NOT_REPLAYABLE)
        case _:
            assert_never(outcome)
