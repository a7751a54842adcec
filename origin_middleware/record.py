"""A record, a claim, and the answers of a store. Values only."""

from dataclasses import dataclass
from enum import Enum
from typing import NewType

OwnerToken = NewType("OwnerToken", bytes)
Fingerprint = NewType("Fingerprint", bytes)


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt to become the one who executes. Times are in seconds."""

    owner: OwnerToken
    fingerprint: Fingerprint
    lease: float
    retention: float


# States of a record


@dataclass(frozen=True, slots=True)
class InProgress:
    lapses: float
    """When the lease ends, on the store's clock. Afterwards the record is abandoned."""


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
    state: InProgress | Outcome
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


Answer = Claimed | Absent | Held | Finished
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
