"""What the events add up to: the metrics, whatever counts them.

The names are OpenTelemetry's. Prometheus has `_` for `.`, the unit after the name, and
`_total` after a counter. No label has a value that a client can make up.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .events import (
    ClaimMissing,
    Event,
    Executed,
    Failed,
    FailedAfterRecord,
    LeaseLost,
    NotRecorded,
    RanUnprotected,
    Reconciled,
    RecordedLate,
    Refused,
    Replayed,
    Started,
    StoreCalled,
    Superseded,
    TakenOver,
    Undelivered,
)

PREFIX = "origin_middleware."


class Metric(NamedTuple):
    """A counter, or a histogram if it has buckets."""

    name: str
    unit: str
    description: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()
    known: tuple[str, ...] = ()
    """All values of its only label. An alert on an increase sees none if a counter
    begins at 1, so these begin at 0."""


class Measured(NamedTuple):
    metric: Metric
    value: float
    labels: tuple[str, ...]
    """Their values, in the metric's order."""


# The advice of OpenTelemetry for HTTP servers, and up to what CloudFront waits for.
_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 25.0, 30.0, 60.0),
)
_STORE_SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01),
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
_BYTES = tuple(float(256 * 4**power) for power in range(7))

REQUESTS = Metric(
    "requests",
    "{request}",
    "Requests by outcome: those with a key, and those refused for lack of one.",
    ("outcome", "reason", "policy"),
)
STARTS = Metric(
    "handler.starts",
    "{execution}",
    "Handlers that began. Those that have not ended run, or have died.",
    ("attempt", "policy"),
)
DURATION = Metric(
    "handler.duration",
    "s",
    "How long handlers took, until their response was complete, or it was known that "
    "it would not be recorded.",
    ("outcome", "policy"),
    _SECONDS,
)
WAIT = Metric(
    "wait.duration",
    "s",
    "How long requests waited for another attempt with the same key.",
    ("outcome",),
    _SECONDS,
)
ANOMALIES = Metric(
    "anomalies",
    "{anomaly}",
    "What weakens the promise.",
    ("kind",),
    known=(
        *("superseded", "claim_lost", "claim_taken", "lease_lost", "not_recorded"),
        *("recorded_late", "undelivered", "failed_after_record"),
    ),
)
RULINGS = Metric(
    "rulings",
    "{ruling}",
    "How abandoned keys were decided.",
    ("kind",),
    known=("policy", "execute", "refuse", "respond"),
)
SIZE = Metric("recorded.size", "By", "Size of recorded responses.", ("kept",), _BYTES)
STORE = Metric(
    "store.duration",
    "s",
    "How long calls to the store took, including retries.",
    ("operation",),
    _STORE_SECONDS,
)
STORE_ERRORS = Metric(
    "store.errors",
    "{error}",
    "Calls to the store that failed.",
    ("operation", "error"),
)

METRICS = (
    *(REQUESTS, STARTS, DURATION, WAIT, ANOMALIES, RULINGS, SIZE),
    *(STORE, STORE_ERRORS),
)

ACTIVE = Metric(
    "handler.active",
    "{execution}",
    "Handlers that run now, until their response is recorded, or it is known that it "
    "will not be.",
    ("policy",),
)
"""Goes up and down, so it is not among those that add up: see `active`."""

_ANOMALIES = {
    LeaseLost: "lease_lost",
    NotRecorded: "not_recorded",
    RecordedLate: "recorded_late",
    Undelivered: "undelivered",
    FailedAfterRecord: "failed_after_record",
}


def measured(event: Event | StoreCalled) -> Iterator[Measured]:
    """What one event adds to which metrics."""
    measure = _MEASURES.get(type(event))
    return iter(()) if measure is None else measure(event)


def active(event: Event) -> int:
    """What the event adds to the handlers that run."""
    match event:
        case Started():
            return 1
        case Superseded(status=None):
            return 0  # a reconciler's response: no handler ran
        case Executed() | Failed() | ClaimMissing() | Superseded():
            return -1
    return 0


def _started(event: Started) -> Iterator[Measured]:
    attempt = "first" if event.attempt == 1 else "again"
    yield Measured(STARTS, 1, (attempt, event.policy))
    yield from _waited("executed", event.waited)


def _executed(event: Executed) -> Iterator[Measured]:
    yield from _ended("executed", "", event.policy, event.seconds)
    yield Measured(SIZE, event.size, ("yes" if event.kept else "no",))


def _failed(event: Failed) -> Iterator[Measured]:
    reason = "released" if event.released else "kept"
    yield from _ended("failed", reason, event.policy, event.seconds)


def _replayed(event: Replayed) -> Iterator[Measured]:
    yield Measured(REQUESTS, 1, ("replayed", "", event.policy))
    yield from _waited("replayed", event.waited)


def _refused(event: Refused) -> Iterator[Measured]:
    yield Measured(REQUESTS, 1, ("refused", event.refusal.value, event.policy))
    yield from _waited("refused", event.waited)


def _unprotected(event: RanUnprotected) -> Iterator[Measured]:
    yield Measured(REQUESTS, 1, ("unprotected", "", event.policy))


def _claim_missing(event: ClaimMissing) -> Iterator[Measured]:
    yield from _ended("executed", "", event.policy, event.seconds)
    yield Measured(ANOMALIES, 1, (event.found.value,))


def _superseded(event: Superseded) -> Iterator[Measured]:
    if event.status is not None:
        yield from _ended("executed", "", event.policy, event.seconds)
    yield Measured(ANOMALIES, 1, ("superseded",))


def _anomaly(event: Event) -> Iterator[Measured]:
    yield Measured(ANOMALIES, 1, (_ANOMALIES[type(event)],))


def _taken_over(_: TakenOver) -> Iterator[Measured]:
    yield Measured(RULINGS, 1, ("policy",))


def _reconciled(event: Reconciled) -> Iterator[Measured]:
    yield Measured(RULINGS, 1, (event.ruling,))


def _store_called(event: StoreCalled) -> Iterator[Measured]:
    yield Measured(STORE, event.seconds, (event.operation,))
    if event.failure is not None:
        yield Measured(STORE_ERRORS, 1, (event.operation, event.failure))


def _ended(
    outcome: str, reason: str, policy: str, seconds: float
) -> Iterator[Measured]:
    yield Measured(REQUESTS, 1, (outcome, reason, policy))
    yield Measured(DURATION, seconds, (outcome, policy))


def _waited(outcome: str, seconds: float) -> Iterator[Measured]:
    if seconds > 0:
        yield Measured(WAIT, seconds, (outcome,))


_MEASURES: dict[type, Callable[[Any], Iterator[Measured]]] = {
    Started: _started,
    Executed: _executed,
    Failed: _failed,
    Replayed: _replayed,
    Refused: _refused,
    RanUnprotected: _unprotected,
    ClaimMissing: _claim_missing,
    Superseded: _superseded,
    TakenOver: _taken_over,
    Reconciled: _reconciled,
    StoreCalled: _store_called,
    **dict.fromkeys(_ANOMALIES, _anomaly),
}
