"""A record as one string: how every store that is not this process's memory writes it.

    format(2) state(1) owner(16) fingerprint(32) trace(25) …
    P  in progress     … effects(1: 1 where they may have begun) lease in ms (10 digits)
    retention in ms (13 digits) past wake-up channels, each "name,"
    C  completed       … status (3 digits) past end (13 digits) the response
    B  completed       as C; the response is large, and under a key of its own
    N  not replayable  as C, without a response
    R  released        format(2) state(1) past owner(16), who gave it back

The past is the attempt (6 digits) and the first claim (13 digits). Times are in ms of
the server's clock. The scripts in lua/ read the fixed part by position. The past and
the end are theirs: they know what was there before, and the time.
"""

from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from ..errors import RecordDamaged
from ..record import (
    NOBODY,
    Claim,
    Completed,
    Exhausted,
    Facts,
    Fingerprint,
    Finished,
    Held,
    NotReplayable,
    Outcome,
    OwnerToken,
)

_FORMAT = b"\x02"
_START = Struct("1s1s16s32s25s")  # format, state, owner, fingerprint, trace

# In progress
_EFFECTS = slice(75, 76)
_LEASE = slice(76, 86)
_RETENTION = slice(86, 99)
_ATTEMPT, _BEGUN = slice(99, 105), slice(105, 118)

# Finished
_STATUS = slice(75, 78)
_ATTEMPTS, _FIRST = slice(78, 84), slice(84, 97)
_END = slice(97, 110)

LOOKED_AT = 118
"""Bytes at the beginning of a record, of any state, that have all but its response."""


class Stored(NamedTuple):
    """What a store holds under a key, and whose it is."""

    owner: OwnerToken
    seen: Held | Finished | Exhausted
    body_elsewhere: bool = False
    attempt: int = 0
    """Of a record in progress."""


# The bytes of a released record: its attempts, and when it was first claimed.
_RELEASED = 21


def header(state: bytes, owner: OwnerToken) -> bytes:
    """What the scripts compare to tell whether a record is still the caller's."""
    return _FORMAT + state + owner


def lease(claim: Claim) -> bytes:
    return b"%010d" % milliseconds(claim.lease)


def in_progress(claim: Claim) -> bytes:
    """Without its past, which the scripts know."""
    terms = _terms(claim.declares, claim.lease, claim.retention)
    return header(b"P", claim.owner) + claim.fingerprint + claim.trace + terms


@lru_cache(maxsize=256)  # a process has a few policies
def _terms(declares: bool, lease: float, retention: float) -> bytes:
    times = milliseconds(lease), milliseconds(retention)
    return b"%d%010d%013d" % (not declares, *times)


def finished(claim: Claim, outcome: Outcome, status: int) -> bytes:
    """Without its past and its end, as above, and without the response."""
    state = b"C" if isinstance(outcome, Completed) else b"N"
    return _finished(state, claim, status)


def finished_elsewhere(claim: Claim, status: int) -> bytes:
    return _finished(b"B", claim, status)


def _finished(state: bytes, claim: Claim, status: int) -> bytes:
    owned = header(state, claim.owner)
    return b"%b%b%b%03d" % (owned, claim.fingerprint, claim.trace, status)


def decode(record: bytes, time_to_live: int = 0) -> Stored:
    """`time_to_live` in ms, for a record in progress: its age is what of the retention
    has passed.

    Raises RecordDamaged for what this version did not write.
    """
    if record[:2] == _FORMAT + b"R":  # shown to claims only where there are too many
        return Stored(NOBODY, Exhausted())
    _check(record)
    start: tuple[bytes, bytes, OwnerToken, Fingerprint, bytes]
    start = _START.unpack_from(record)
    _, state, owner, fingerprint, trace = start
    match state:
        case b"P":
            left = _lease_left(record, time_to_live)
            attempt = _number(record[_ATTEMPT])
            return Stored(owner, Held(fingerprint, left, trace), attempt=attempt)
        case b"C":
            response = Completed(record[_END.stop :])
            return Stored(owner, Finished(fingerprint, response, trace))
        case b"B":
            return Stored(owner, Finished(fingerprint, Completed(b""), trace), True)
        case b"N":
            return Stored(owner, Finished(fingerprint, NotReplayable(), trace))
        case _:
            raise RecordDamaged(f"A record cannot be in state {state!r}.")


def facts(record: bytes, time_to_live: int, size: int) -> Facts:
    """From the first bytes of a record, its time to live in ms, and the bytes of its
    response.

    Raises RecordDamaged as `decode`.
    """
    left = time_to_live / 1000
    if record[:2] == _FORMAT + b"R":
        if len(record) < _RELEASED:
            raise RecordDamaged(f"A released record has {len(record)} bytes.")
        attempts, begun = _number(record[2:8]), _number(record[8:_RELEASED])
        return Facts("released", attempts, begun / 1000, left)
    stored = decode(record, time_to_live)
    fingerprint, trace = _START.unpack_from(record)[3:]
    if isinstance(stored.seen, Held):
        return Facts(
            "abandoned" if stored.seen.abandoned else "in progress",
            stored.attempt,
            _number(record[_BEGUN]) / 1000,
            left,
            owner=stored.owner,
            fingerprint=fingerprint,
            lease_left=stored.seen.lease_left,
            effects=record[_EFFECTS] == b"1",
            trace=trace,
        )
    return Facts(
        "not replayable" if record[1:2] == b"N" else "completed",
        _number(record[_ATTEMPTS]),
        _number(record[_FIRST]) / 1000,
        left,
        owner=stored.owner,
        fingerprint=fingerprint,
        ended=_number(record[_END]) / 1000,
        status=_number(record[_STATUS]),
        trace=trace,
        size=size,
    )


def response_size(length: int) -> int:
    """Of a finished record of so many bytes."""
    return max(0, length - _END.stop)


@lru_cache(maxsize=256)
def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _check(record: bytes) -> None:
    if record[:1] == b"\x01":
        raise RecordDamaged(
            "The record has format 1, which this version does not read: it was written "
            "by an older version of origin-middleware. Let both run side by side with "
            "a namespace of their own until its retention has passed."
        )
    if record[:1] != _FORMAT or len(record) < _END.stop:
        raise RecordDamaged(
            f"Not a record of format {_FORMAT[0]}: {record[:2]!r}, {len(record)} bytes."
        )


def _lease_left(record: bytes, time_to_live: int) -> float:
    lease, retention = _number(record[_LEASE]), _number(record[_RETENTION])
    return (lease - (retention - time_to_live)) / 1000


def _number(digits: bytes) -> int:
    try:
        return int(digits)
    except ValueError as exc:
        raise RecordDamaged(f"{digits!r} in a record is not a number.") from exc
