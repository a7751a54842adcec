"""A record as one string: how every store that is not this process's memory writes it.

    format(1) state(1) owner(16) fingerprint(32) …
    P  in progress     … lease in ms (10 digits) retention in ms (13 digits) attempt
    (6 digits) first claim in ms of the server's clock (13 digits) wake-up channels,
    each "name,"
    C  completed       … the response
    B  completed       the response is large, and under a key of its own
    N  not replayable
    R  released        format(1) state(1) attempts (6 digits) first claim (13 digits)

The scripts in lua/ read the fixed part by position. Attempts and the first claim are
theirs: they know what was there before.
"""

from typing import NamedTuple

from ..errors import RecordDamaged
from ..record import (
    NOBODY,
    Claim,
    Completed,
    Exhausted,
    Fingerprint,
    Finished,
    Held,
    NotReplayable,
    Outcome,
    OwnerToken,
)

_FORMAT = b"\x01"
_OWNER = slice(2, 18)
_FINGERPRINT = slice(18, 50)
_LEASE = slice(50, 60)
_RETENTION = slice(60, 73)


class Stored(NamedTuple):
    """What a store holds under a key, and whose it is."""

    owner: OwnerToken
    seen: Held | Finished | Exhausted
    body_elsewhere: bool = False


def header(state: bytes, owner: OwnerToken) -> bytes:
    """What the scripts compare to tell whether a record is still the caller's."""
    return _FORMAT + state + owner


def lease(claim: Claim) -> bytes:
    return b"%010d" % milliseconds(claim.lease)


def in_progress(claim: Claim) -> bytes:
    """Without its past, which the scripts know."""
    retention = b"%013d" % milliseconds(claim.retention)
    return header(b"P", claim.owner) + claim.fingerprint + lease(claim) + retention


def finished(claim: Claim, outcome: Outcome) -> bytes:
    if isinstance(outcome, Completed):
        return header(b"C", claim.owner) + claim.fingerprint + outcome.response
    return header(b"N", claim.owner) + claim.fingerprint


def finished_elsewhere(claim: Claim) -> bytes:
    return header(b"B", claim.owner) + claim.fingerprint


def decode(record: bytes, time_to_live: int = 0) -> Stored:
    """`time_to_live` in ms, for a record in progress: its age is what of the retention
    has passed.

    Raises RecordDamaged for what this version did not write.
    """
    if record[:2] == _FORMAT + b"R":  # shown to claims only where there are too many
        return Stored(NOBODY, Exhausted())
    if record[:1] != _FORMAT or len(record) < _FINGERPRINT.stop:
        raise RecordDamaged(
            f"Not a record of format {_FORMAT[0]}: {record[:2]!r}, {len(record)} bytes."
        )
    owner = OwnerToken(record[_OWNER])
    fingerprint = Fingerprint(record[_FINGERPRINT])
    match record[1:2]:
        case b"P":
            return Stored(owner, Held(fingerprint, _lease_left(record, time_to_live)))
        case b"C":
            return Stored(
                owner, Finished(fingerprint, Completed(record[_FINGERPRINT.stop :]))
            )
        case b"B":
            return Stored(owner, Finished(fingerprint, Completed(b"")), True)
        case b"N":
            return Stored(owner, Finished(fingerprint, NotReplayable()))
        case state:
            raise RecordDamaged(f"A record cannot be in state {state!r}.")


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _lease_left(record: bytes, time_to_live: int) -> float:
    try:
        lease, retention = int(record[_LEASE]), int(record[_RETENTION])
    except ValueError as exc:
        raise RecordDamaged(
            "The lease of a record in progress is not a number."
        ) from exc
    return (lease - (retention - time_to_live)) / 1000
