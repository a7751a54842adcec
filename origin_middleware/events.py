"""What an observer is told: one frozen event for each thing that happens to a request
with a key.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, Literal, ParamSpec, Protocol, TypeVar

from .decision import Refusal
from .errors import StoreFailure
from .key import Key, key_digest
from .record import NO_TRACE, Evidence

P = ParamSpec("P")

_log = logging.getLogger("origin_middleware")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """Under which policy: `Policy(name=...)`."""

    policy: str = "default"


@dataclass(frozen=True, slots=True)
class Started(_Told):
    """The handler begins to run; before that, the request waited for `waited` seconds
    for another attempt. Exactly one of Executed, Failed, ClaimMissing and Superseded
    follows: late if the store is away, and none if the process dies.
    """

    key: Key
    attempt: int
    """Which attempt under this key it is; later ones follow failures and deaths."""
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class Executed(_Told):
    """The handler ran, its response counts, and it is on record."""

    key: Key
    status: int
    seconds: float
    """Until the response was complete, or it was clear that it would not be kept."""
    kept: bool = True
    """False if the record says only that there was a response, without the response: it
    was too large, may be endless, or the store did not take it. Retries get 409."""
    size: int = 0
    """Bytes of the recorded response; 0 if it was not kept."""


@dataclass(frozen=True, slots=True)
class Failed(_Told):
    """The handler raised, was cancelled, did not finish its response (status None), or
    gave an answer that does not count as delivered. Or its outcome could not be written
    at all; then NotRecorded came first. The key is given back (`released`), or the
    outcome counts as unknown."""

    key: Key
    status: int | None
    released: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Replayed(_Told):
    """The recorded response went out, `seconds` after the request came. For `waited` of
    them it waited for another attempt."""

    key: Key
    waited: float
    seconds: float = 0.0
    trace: bytes = NO_TRACE
    """Of the attempt whose response it is: trace id (16 bytes), span id (8), flags."""


@dataclass(frozen=True, slots=True)
class Refused(_Told):
    """The handler did not run, for this reason, `seconds` after the request came. For
    `waited` of them it waited for another attempt."""

    key: Key | None
    refusal: Refusal
    waited: float = 0.0
    seconds: float = 0.0
    trace: bytes = NO_TRACE
    """The trace of the attempt that has the key, as in Replayed; zeros if there is
    none."""


@dataclass(frozen=True, slots=True)
class TakenOver(_Told):
    """An abandoned record was claimed again, as the policy says: the handler may run a
    second time.
    """

    key: Key
    trace: bytes = NO_TRACE
    """The trace of the attempt that was abandoned, as in Replayed."""


@dataclass(frozen=True, slots=True)
class Reconciled(_Told):
    """The reconciler was asked about an abandoned key, and ruled."""

    key: Key
    ruling: Literal["execute", "refuse", "respond"]


@dataclass(frozen=True, slots=True)
class RanUnprotected(_Told):
    """The handler runs although the store could not be reached, because the policy says
    so: a retry will run the handler again.
    """

    key: Key


@dataclass(frozen=True, slots=True)
class NotRecorded(_Told):
    """The handler ran, and its outcome could not be written (yet). The outcome is the
    response, which is delivered all the same, or the release of the key."""

    key: Key


@dataclass(frozen=True, slots=True)
class RecordedLate(_Told):
    """An outcome that was not recorded at first is on record now."""

    key: Key


@dataclass(frozen=True, slots=True)
class ClaimMissing(_Told):
    """A completion did not find its own claim: the store lost it, or another attempt
    took it over.
    """

    key: Key
    found: Evidence
    status: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Superseded(_Told):
    """A completion found another one on record: the handler ran twice. The first
    response counts, unless it answers another request: then each client gets its own
    response.
    """

    key: Key
    by_other_request: bool = False
    status: int | None = None
    """The status of the response that came second; None if it is a reconciler's, for
    which no handler ran."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class LeaseLost(_Told):
    """A renewal found that the claim belongs to another attempt now, or to none, while
    the handler was running.
    """

    key: Key


@dataclass(frozen=True, slots=True)
class Undelivered(_Told):
    """The response is on record, but its client had left: the gate has probably not
    settled it, and will not unless the client asks again. Logs have only the key's
    digest: to find the intent, log it in your handler, or read `key` in an observer of
    your own.
    """

    key: Key
    status: int
    seconds: float


@dataclass(frozen=True, slots=True)
class FailedAfterRecord(_Told):
    """The handler failed after its response was recorded: in a background task, or in
    the part of a dependency after its `yield`. Retries get the recorded response.
    """

    key: Key
    status: int


@dataclass(frozen=True, slots=True)
class StoreCalled:
    """A call to the store, as its caller sees it, including the store's own retries.
    Only `RedisStore(observer=...)` reports these, because a store serves many
    policies."""

    operation: str
    """claim, take_over, watch, renew, begin_effects, complete, release, abandon, look
    or check."""
    seconds: float
    failure: StoreFailure | None = None
    """Why it failed; None if it was answered."""


Event = (
    Started
    | Executed
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
    """Called for every event, on the event loop, while the request that it is about
    runs: be quick. An exception that it raises is logged and goes no further.
    """

    def __call__(self, event: Event, /) -> None: ...


class StoreObserver(Protocol):
    """Like an Observer, but for the calls to a store."""

    def __call__(self, event: StoreCalled, /) -> None: ...


def one_or_several(given: Any) -> tuple[Any, ...]:
    """What `observer=` was given, as a tuple; its elements are not checked yet."""
    several = isinstance(given, Iterable) and not callable(given)
    return tuple(given) if several else (given,)


E = TypeVar("E")


class Observers(Generic[E]):
    """Those who listen. Without any, no event is made."""

    __slots__ = ("_observers", "_only_logs")

    def __init__(self, *observers: Callable[[E], None]) -> None:
        self._observers = observers
        # The ordinary case: what is not logged need not be made.
        self._only_logs = len(observers) == 1 and type(observers[0]) is LoggingObserver

    def __bool__(self) -> bool:
        return bool(self._observers)

    def tell(self, kind: Callable[P, E], *facts: P.args, **named: P.kwargs) -> None:
        """An observer that fails must not fail the request, nor keep the other
        observers from being told."""
        if self._only_logs:
            if not _log.isEnabledFor(_LEVELS.get(kind, logging.DEBUG)):
                return
        elif not self._observers:
            return
        event = kind(*facts, **named)
        for observer in self._observers:
            try:
                observer(event)
            except BaseException:  # an observer may raise anything
                _log.exception("The observer failed.")


ALARMS = (
    RanUnprotected,
    NotRecorded,
    ClaimMissing,
    Superseded,
    LeaseLost,
    Undelivered,
    FailedAfterRecord,
)
"""What weakens the promise."""

_PREFIX = "origin_middleware."


class LoggingObserver:
    """Writes to the `origin_middleware` logger: events that weaken the promise as
    warnings; `Failed` as info, because only the log remembers it once the key is
    released; the others as debug.

    A key is worth money, so the log shows its SHA-256 digest, which names its record.
    Each line has its facts as attributes too (`extra=`): `origin_middleware.event`,
    `origin_middleware.key.digest`, and one for each field.
    """

    def __call__(self, event: Event | StoreCalled, /) -> None:
        level = _level(type(event))
        if _log.isEnabledFor(level):
            name, facts = type(event).__name__, _facts(event)
            line = " ".join(f"{fact}={value}" for fact, value in facts.items())
            extra = {_PREFIX + fact: value for fact, value in facts.items()}
            extra[_PREFIX + "event"] = name
            _log.log(level, "%s %s", name, line, extra=extra)


_LEVELS: dict[object, int] = dict.fromkeys(ALARMS, logging.WARNING)
_LEVELS[Failed] = logging.INFO


def _level(kind: object) -> int:
    return _LEVELS.get(kind, logging.DEBUG)


def _facts(event: Event | StoreCalled) -> dict[str, Any]:
    """As words and numbers, which log handlers can take."""
    facts = {name: getattr(event, name) for name in event.__dataclass_fields__}
    if not isinstance(event, StoreCalled):
        key, policy = facts.pop("key"), facts.pop("policy")
        digest = "none" if key is None else key_digest(key)
        facts = {"key.digest": digest, **facts, "policy": policy}
        if facts.get("trace") == NO_TRACE:
            del facts["trace"]
    return {name: _plain(value) for name, value in facts.items()}


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case bytes():
            return value.hex()
    return value
