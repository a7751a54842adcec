"""A record, a claim, and the answers of a store. Values only."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple, NewType

OwnerToken = NewType("OwnerToken", bytes)
Fingerprint = NewType("Fingerprint", bytes)

PROCESS = slice(8)
"""Of an owner token: which process it belongs to. The rest is the claim's own."""

NOBODY = OwnerToken(bytes(16))
"""Owns what was taken over by a claim that was then withdrawn."""

NO_TRACE = bytes(25)
"""W3C Trace Context, in its binary form: 16 bytes of trace id, 8 of span id, flags."""

SETTLEMENT = b"x402 settlement".ljust(25, b"\0")
"""In place of a trace: marks the record of a payment's settlement, by `settle_once`. No
trace looks like it, because none has a span id of zeros."""


class Claim(NamedTuple):  # a third of the time of a frozen dataclass, per request
    """One attempt to become the one who executes. Times are in seconds."""

    owner: OwnerToken
    fingerprint: Fingerprint
    lease: float
    retention: float
    max_attempts: int = 20
    """A key that was released this often is not claimed again."""
    inquires: bool = False
    """A take-over begins no attempt of its own: it asks a reconciler about the
    abandoned one, and may run in its place."""
    takes: OwnerToken | None = None
    """A take-over takes the attempt of this owner, which was seen before, and no
    other."""
    declares: bool = False
    """The handler says when its effects begin: until then, nothing has happened."""
    trace: bytes = NO_TRACE
    """Of the request."""


# States of a record


@dataclass(frozen=True, slots=True)
class InProgress:
    lapses: float
    """When the lease ends, on the store's clock. Afterwards the record is abandoned."""
    ended: bool = False
    """Its owner has ended the lease, because the outcome is unknown."""
    effects: bool = True
    """Side effects may have begun."""


@dataclass(frozen=True, slots=True)
class Released:
    """Absent, with its attempts counted."""


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
    attempt: int = 1
    """Which attempt it is, or how many there have been; 0 if that was lost."""
    begun: float = 0.0
    """When the key was first claimed, on the store's clock."""
    ended: float | None = None
    """When it was completed."""
    trace: bytes = NO_TRACE
    status: int = 0
    """Of the response; 0 if there is none."""


# What a caller is told about a key


@dataclass(frozen=True, slots=True)
class Claimed:
    """The key is the caller's: execute."""

    attempt: int = field(default=1, compare=False)
    """Which one it is."""


@dataclass(frozen=True, slots=True)
class Late:
    """The claim arrived after its not-after instant and was not applied."""


@dataclass(frozen=True, slots=True)
class Absent:
    """Nobody holds the key."""


class Held(NamedTuple):
    """Another attempt's claim."""

    fingerprint: Fingerprint
    lease_left: float
    trace: bytes = NO_TRACE
    """Of that attempt."""

    @property
    def abandoned(self) -> bool:
        return self.lease_left <= 0


class Finished(NamedTuple):
    fingerprint: Fingerprint
    outcome: Outcome
    trace: bytes = NO_TRACE
    """Of the attempt that completed it."""


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Nobody holds the key, and it had too many attempts to be claimed again."""


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


# What an operator is told

State = Literal["in progress", "abandoned", "released", "completed", "not replayable"]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a record says, apart from its response. Times are in seconds; points in
    time are on the store's clock, which for a server is Unix time."""

    state: State
    attempt: int
    """As in Record."""
    begun: float
    expires_in: float
    owner: OwnerToken | None = None
    fingerprint: Fingerprint | None = None
    lease_left: float | None = None
    effects: bool | None = None
    """Of a record in progress: may side effects have begun?"""
    ended: float | None = None
    status: int | None = None
    trace: bytes | None = None
    size: int | None = None
    """Bytes of the recorded response, with its headers."""

    @property
    def is_settlement(self) -> bool:
        """Of a payment, and not of a request."""
        return self.trace == SETTLEMENT
