"""What an observer is told: one frozen event for everything that happens to a request
with a key.
"""

import hashlib
import logging
from dataclasses import dataclass
from typing import Literal, Protocol

from .decision import Refusal
from .key import Key
from .record import Evidence


@dataclass(frozen=True, slots=True)
class Executed:
    """The handler ran, its response counts, and it is on record."""

    key: Key
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Failed:
    """The handler raised, did not finish its response (status None), or answered
    something not delivered. The key is given back, or the outcome counts as unknown."""

    key: Key
    status: int | None
    released: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """The recorded response went out, `waited` seconds after the request came."""

    key: Key
    waited: float


@dataclass(frozen=True, slots=True)
class Refused:
    """The handler did not run, for this reason. The request waited so long for another
    attempt before."""

    key: Key | None
    refusal: Refusal
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class TakenOver:
    """An abandoned record was claimed again, as the policy says: the handler may run a
    second time.
    """

    key: Key


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The reconciler was asked about an abandoned key: execute, refuse or respond."""

    key: Key
    ruling: Literal["execute", "refuse", "respond"]


@dataclass(frozen=True, slots=True)
class RanUnprotected:
    """The store could not be reached and the policy says execute: a retry will run the
    handler again.
    """

    key: Key


@dataclass(frozen=True, slots=True)
class NotRecorded:
    """The handler ran, and its outcome could not be written (yet): the response, which
    is delivered all the same, or the release of the key."""

    key: Key


@dataclass(frozen=True, slots=True)
class RecordedLate:
    """An outcome that was not recorded at first is on record now."""

    key: Key


@dataclass(frozen=True, slots=True)
class ClaimMissing:
    """A completion did not find its own claim: the store lost it, or another attempt
    took it over.
    """

    key: Key
    found: Evidence


@dataclass(frozen=True, slots=True)
class Superseded:
    """A completion found another one on record: the handler ran twice. The first
    response is canonical, unless it answers another request: then every client gets
    the response of its own.
    """

    key: Key
    by_other_request: bool = False


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """A renewal found that the claim belongs to another attempt now, or to none, while
    the handler was running.
    """

    key: Key


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The response is on record, and its client was not there to take it: the gate has
    probably not settled it, and will not unless the client asks again. The log of your
    handler has the intent.
    """

    key: Key
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FailedAfterRecord:
    """The handler failed when its response was on record: a background task, or the
    part of a dependency behind its `yield`. Retries get the recorded response.
    """

    key: Key
    status: int


Event = (
    Executed
    | Failed
    | Replayed
    | Refused
    | TakenOver
    | Reconciled
    | RanUnprotected
    | NotRecorded
    | RecordedLate
    | ClaimMissing
    | Superseded
    | LeaseLost
    | Undelivered
    | FailedAfterRecord
)


class Observer(Protocol):
    """Called for every event, on the event loop: be quick. An exception that it raises
    is logged and goes no further.
    """

    def __call__(self, event: Event, /) -> None: ...


_ALARMS = (
    RanUnprotected,
    NotRecorded,
    ClaimMissing,
    Superseded,
    LeaseLost,
    Undelivered,
    FailedAfterRecord,
)


class LoggingObserver:
    """Writes to the `origin_middleware` logger: events that weaken the promise as
    warnings, the others as debug.

    A key is a bearer of value, so it is shown as the start of its SHA-256 digest.
    """

    def __init__(self) -> None:
        self._logger = logging.getLogger("origin_middleware")

    def __call__(self, event: Event, /) -> None:
        level = logging.WARNING if isinstance(event, _ALARMS) else logging.DEBUG
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", _described(event))


def _described(event: Event) -> str:
    facts = [f"key={key_digest(event.key)}" if event.key is not None else "key=none"]
    facts += [
        f"{name}={getattr(event, name)}"
        for name in event.__dataclass_fields__
        if name != "key"
    ]
    return f"{type(event).__name__} {' '.join(facts)}"


def key_digest(key: Key) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:12]
