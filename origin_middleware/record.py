"""A record, a claim, and the answers of a store. Values only."""

from dataclasses import dataclass
from enum import Enum
from typing import NewType

OwnerToken = NewType("OwnerToken", bytes)
Fingerprint = NewType("Fingerprint", bytes)

NOBODY = OwnerToken(bytes(16))
"""Owns what was taken over by a claim that was then withdrawn."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt to become the one who executes. Times are in seconds."""

    owner: OwnerToken
    fingerprint: Fingerprint
    lease: float
    retention: float
    max_attempts: int = 20
    """A key that was released so often is not claimed again."""
    inquires: bool = False
    """A take-over begins no attempt of its own: it asks a reconciler about the
    abandoned one, and may run in its place."""


# States of a record


@dataclass(frozen=True, slots=True)
class InProgress:
    lapses: float
    """When the lease ends, on the store's clock. Afterwards the record is abandoned."""
    attempt: int = 1
    """Which attempt under this key it is."""
    begun: float = 0.0
    """When the key was first claimed, on the store's clock."""
    ended: bool = False
    """Its owner has ended the lease, because the outcome is unknown."""


@dataclass(frozen=True, slots=True)
class Released:
    """Absent to everybody, and not forgotten."""

    attempts: int
    begun: float
    """As in InProgress."""


@dataclass(frozen=True, slots=True)
class Completed:
    response: bytes


@dataclass(frozen=True, slots=True)
class NotReplayable:
    """The handler ran and its response was delivered, but the response was not kept."""


Outcome = Completed | NotReplayable


@dataclass(frozen=True, slots=True)
class Record:
    owner: OwnerToken
    fingerprint: Fingerprint
    state: InProgress | Released | Outcome
    expires: float


# What a caller is told about a key


@dataclass(frozen=True, slots=True)
class Claimed:
    """The key is the caller's: execute."""


@dataclass(frozen=True, slots=True)
class Late:
    """The claim arrived after its not-after instant and was not applied."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Nobody holds the key."""


@dataclass(frozen=True, slots=True)
class Held:
    """Another attempt's claim."""

    fingerprint: Fingerprint
    lease_left: float

    @property
    def abandoned(self) -> bool:
        return self.lease_left <= 0


@dataclass(frozen=True, slots=True)
class Finished:
    fingerprint: Fingerprint
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Nobody holds the key, and it was released too often to be claimed again."""


Answer = Claimed | Absent | Held | Finished | Exhausted
"""What a claim is told."""


# What a completion is told


class Evidence(Enum):
    """What a completion found in place of its record in progress."""

    OWNED = "owned"
    CLAIM_LOST = "claim_lost"
    CLAIM_TAKEN = "claim_taken"


@dataclass(frozen=True, slots=True)
class Recorded:
    found: Evidence


@dataclass(frozen=True, slots=True)
class Preceded:
    """Another completion was there first; it is the canonical one and stays."""

    by: Finished
