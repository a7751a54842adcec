"""Every number and rule of the middleware, validated where it is written."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from inspect import iscoroutinefunction
from math import isfinite
from typing import Any, Literal, Never, Self, TypeGuard

from .attempt import Reconciler
from .decision import OnStoreUnavailable
from .errors import ConfigurationError
from .key import INTENT_HEADER, KeyOf, TenantOf

OnAbandoned = Literal["refuse", "execute"] | Reconciler
OnFailure = Literal["release", "refuse"]
Effects = Literal["any time", "declared"]
Delivered = Literal["delivered", "below-400"] | Callable[[str, int], bool]

_MOVED = {"secrets", "clock_tolerance"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How requests with a key are treated. Times are in seconds.

    Raises ConfigurationError, at construction, for a value that cannot work.
    """

    name: str = "default"
    """What observers call this policy in metrics and logs: a word for its paths. Give
    each policy of an app its own."""

    header: str = INTENT_HEADER
    """The request header that carries the key: this one, or `"idempotency-key"`."""

    key_of: KeyOf | None = None
    """Finds the key in the ASGI scope instead, and returns None if there is none. For
    x402 without a gate: `origin_middleware.x402.payment_key`."""

    tenant_of: TenantOf | None = None
    """Whose request it is. The same `Idempotency-Key` of two tenants is two keys; the
    `key` of a handler, a reconciler and an observer then has the tenant in front. A
    settlement intent is one payment: used by another tenant, it is refused (422)."""

    require_key: bool = False
    """Refuse requests without a key. Set it on paid routes, or calling the origin
    directly is free."""

    lease: float = 10.0
    """How long a claim is held without renewal. It is renewed while the handler runs,
    so this does not limit the handler. Must be at least twice the store's budget."""

    patience: float = 25.0
    """How long a duplicate waits for the attempt that is running. Keep it below the
    30 s that CloudFront waits."""

    retention: float = 86_400.0
    """How long a record is kept, and with it the promise."""

    max_attempts: int = 20
    """How often the handler runs for one key if nothing is delivered; after that, 409
    until the retention has passed. An answer that is not delivered is not charged for,
    so without a limit one payment would buy any number of 404s. A claim whose fate is
    unknown counts too, so after a store outage the handler may run fewer times than
    this."""

    max_request_bytes: int | None = 16_777_216
    """Requests with a larger body are refused (413) before the handler runs; None for
    no limit. A body above 1 MiB waits in a temporary file."""

    max_response_bytes: int = 1_048_576
    """Larger responses are delivered but not kept; their retries get 409."""

    fingerprint_headers: Collection[str] = ()
    """Request headers that must be the same in a retry, such as authorization: with
    another value, it is a different request (422). A payment is not a login. The host
    is not compared: if one app serves several hosts, with keys that clients choose, add
    `host` here, or use `tenant_of`."""

    delivered: Delivered = "delivered"
    """Which responses count: the same word as in routes.toml, or a function of method
    and status. It must match the gate's `settle` rule, or charges and records
    diverge."""

    unrecorded_headers: Collection[str] = ()
    """Response headers that are neither kept nor replayed, such as set-cookie."""

    unrecorded_media_types: Collection[str] = (
        "text/event-stream",
        "multipart/x-mixed-replace",
    )
    """Responses of these types may be endless: they are delivered and not kept, and
    their handler is told when the client leaves. Add `application/jsonl` (FastAPI's
    JSON Lines) if yours are endless: otherwise the handler is told only after
    `max_response_bytes`."""

    private: bool = True
    """Mark answers under a key `Cache-Control: private`, and remove headers that only
    shared caches obey, such as `CDN-Cache-Control` (RFC 9213): a shared cache must not
    give a paid answer to other clients."""

    on_abandoned: OnAbandoned = "refuse"
    """What to do if the owner died and the outcome is unknown: refuse (409), execute
    again (at least once), or ask an async function that knows."""

    effects: Effects = "any time"
    """When side effects may happen. With `"declared"`, only after the handler has
    called `await attempt_of(scope).effects_begin()`: an attempt that dies before that
    has done nothing, and the next retry runs the handler again, whatever `on_abandoned`
    says."""

    on_failure: OnFailure = "release"
    """What happens to a retry if the handler raised or its response does not count: the
    handler runs again, or the retry is refused (409)."""

    on_store_unavailable: OnStoreUnavailable = "refuse"
    """What to do if no claim could be made, because the store is away or cannot be
    trusted: refuse (503), or run the handler unprotected."""

    def __new__(cls, **options: object) -> Self:
        if moved := sorted(_MOVED & options.keys()):
            raise ConfigurationError(
                f"Policy({moved[0]}=...): {moved[0]} belongs to the app, not to the "
                f"policy of a path. Write IdempotencyMiddleware(app, {moved[0]}=...)."
            )
        return object.__new__(cls)

    def __post_init__(self) -> None:
        _check_names(self)
        _check_functions(self)
        _check_choices(self)
        _check_times(self)
        _check_sizes(self)

    def counts(self, method: str, status: int) -> bool:
        """Is this response delivered: settled by the gate, and recorded here?"""
        match self.delivered:
            case "delivered":
                return delivered(method, status)
            case "below-400":
                return 100 <= status < 400
            case function:
                return function(method, status)


def delivered(method: str, status: int) -> bool:
    """2xx and "processed, the answer is elsewhere". Not: "ask again over there",
    nothing new, and errors. The gate spells the same table in its own words.
    """
    if 200 <= status < 300 or status == 303:
        return True
    return status in (301, 302) and method not in ("GET", "HEAD")


# RFC 9110, section 5.6.2: what a header name is made of.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# It becomes the value of a label, so it is short and needs no quoting.
_LABEL = re.compile(r"[A-Za-z0-9._:/-]{1,64}")

# Below this, renewing three times per lease would be most of what a worker does.
_SHORTEST_LEASE = 0.05

# A day and ten years: nobody needs more, and a record has room for no more digits.
_LONGEST_LEASE = 86_400.0
LONGEST_RETENTION = 315_360_000.0

# As many digits as a record has for it.
_MOST_ATTEMPTS = 999_999

# Every retry reads it whole from the store, and a process holds it in memory.
_LARGEST_RESPONSE = 67_108_864


def is_async(function: object) -> bool:
    called = getattr(function, "__call__", None)  # noqa: B004 - an object with one
    return iscoroutinefunction(function) or iscoroutinefunction(called)


def is_seconds(value: Any) -> TypeGuard[float]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and isfinite(value) and value >= 0


def _check_names(policy: Policy) -> None:
    name: object = policy.name
    if not isinstance(name, str) or not _LABEL.fullmatch(name):
        _refuse(policy, "name", "1 to 64 letters, digits and . _ : / - without spaces")
    if not _is_token(policy.header):
        example = "like 'x-settlement-intent-id'"
        _refuse(policy, "header", f"the name of an HTTP header, {example}")
    for name in ("unrecorded_headers", "fingerprint_headers"):
        if not _is_list_of(_is_token, getattr(policy, name)):
            _refuse(policy, name, "names of HTTP headers, in a list")
    if not _is_list_of(_is_media_type, policy.unrecorded_media_types):
        example = "media types without parameters, in lower case and in a list"
        _refuse(policy, "unrecorded_media_types", example)


def _is_list_of(is_one: Callable[[object], bool], values: object) -> bool:
    if not isinstance(values, Collection) or isinstance(values, (str, bytes)):
        return False
    return all(map(is_one, values))


def _is_media_type(value: object) -> bool:
    if not isinstance(value, str) or value != value.lower():
        return False
    parts = value.split("/")
    return len(parts) == 2 and all(map(_is_token, parts))


def _is_token(name: object) -> bool:
    return isinstance(name, str) and _TOKEN.fullmatch(name) is not None


def _check_functions(policy: Policy) -> None:
    for name in ("key_of", "tenant_of"):
        value = getattr(policy, name)
        if value is not None and not callable(value):
            _refuse(policy, name, "a function of the ASGI scope, or None")
        if is_async(value):
            _refuse(policy, name, "an ordinary function of the scope, not an async one")
    if is_async(policy.delivered):  # a coroutine is true: everything would count
        _refuse(policy, "delivered", "an ordinary function, not an async one")
    if not callable(policy.delivered):
        words = "a function of method and status"
        _check_choice(policy, "delivered", "delivered", "below-400", also=words)


def _check_choices(policy: Policy) -> None:
    for name in ("require_key", "private"):
        if getattr(policy, name) not in (True, False):
            _refuse(policy, name, "True or False")
    if not callable(policy.on_abandoned):
        words = "an async function"
        _check_choice(policy, "on_abandoned", "refuse", "execute", also=words)
    elif not is_async(policy.on_abandoned):
        raise ConfigurationError(
            f"Policy(on_abandoned={policy.on_abandoned!r}): the function has to be "
            "async."
        )
    _check_choice(policy, "on_failure", "release", "refuse")
    _check_choice(policy, "effects", "any time", "declared")
    _check_choice(policy, "on_store_unavailable", "refuse", "execute")
    if policy.on_failure == "refuse" and policy.on_abandoned == "execute":
        raise ConfigurationError(
            "Policy(on_failure='refuse', on_abandoned='execute') contradicts itself: "
            "a failure would be left as outcome unknown, and then executed again. "
            "Change one of the two."
        )


def _check_choice(policy: Policy, name: str, *choices: str, also: str = "") -> None:
    if getattr(policy, name) not in choices:
        expected = [*map(repr, choices), *([also] if also else [])]
        _refuse(policy, name, " or ".join(expected))


def _check_times(policy: Policy) -> None:
    for name in ("lease", "patience", "retention"):
        if not is_seconds(getattr(policy, name)):
            _refuse(policy, name, "a number of seconds, 0 or more")
    if policy.lease < _SHORTEST_LEASE:
        _refuse(policy, "lease", f"at least {_SHORTEST_LEASE} seconds")
    if policy.lease > _LONGEST_LEASE:
        _refuse(policy, "lease", f"at most {_LONGEST_LEASE:_.0f} seconds")
    if policy.retention > LONGEST_RETENTION:
        _refuse(policy, "retention", f"at most {LONGEST_RETENTION:_.0f} seconds")
    if policy.retention <= policy.lease:
        raise ConfigurationError(
            f"Policy(retention={policy.retention!r}) must be longer than lease "
            f"({policy.lease!r}): the record has to outlive the claim."
        )


def _check_sizes(policy: Policy) -> None:
    if not _is_size(policy.max_attempts) or policy.max_attempts < 1:
        _refuse(policy, "max_attempts", "a whole number, 1 or more")
    if policy.max_attempts > _MOST_ATTEMPTS:
        _refuse(policy, "max_attempts", f"at most {_MOST_ATTEMPTS:_}")
    size: object = policy.max_response_bytes
    if not _is_size(size):
        _refuse(policy, "max_response_bytes", "a whole number of bytes, 0 or more")
    if policy.max_request_bytes is not None and not _is_size(policy.max_request_bytes):
        words = "a whole number of bytes, 0 or more, or None for no limit"
        _refuse(policy, "max_request_bytes", words)
    if size > _LARGEST_RESPONSE:
        _refuse(policy, "max_response_bytes", f"at most {_LARGEST_RESPONSE:_}")


def _is_size(value: object) -> TypeGuard[int]:
    return type(value) is int and value >= 0


def _refuse(policy: Policy, name: str, expected: str) -> Never:
    raise ConfigurationError(
        f"Policy({name}={getattr(policy, name)!r}): {name} must be {expected}."
    )
