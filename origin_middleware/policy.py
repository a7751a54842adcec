"""Every number and rule of the middleware, validated where it is written."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from . import policy_checks
from .asgi import Scope
from .decision import OnStoreUnavailable
from .delivered import delivered as settled_by_the_gate
from .errors import ConfigurationError
from .key import KeyOf, ReadKey, TenantOf, key_reader
from .reconciler import Reconciler
from .response import HOP_BY_HOP

OnAbandoned = Literal["refuse", "execute"] | Reconciler
OnFailure = Literal["release", "refuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How requests with a key are treated. Times are in seconds.

    Raises ConfigurationError, at construction, for a value that cannot work.
    """

    header: str = "x-settlement-intent-id"
    """The request header that carries the key."""

    key_of: KeyOf | None = None
    """Finds the key in the ASGI scope instead; None where there is none."""

    tenant_of: TenantOf | None = None
    """Whose key it is: the same key of two tenants is two keys. The `key` that a
    handler, a reconciler and an observer see then has the tenant in front; `intent` is
    what was sent."""

    require_key: bool = False
    """Refuse requests without a key. On paid routes: yes, or calling the origin
    directly is free."""

    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False, hash=False)
    """The gate's signing secrets by key id, several at once so that they can be
    rotated. A request with a key that none of them has signed is refused (401)."""

    clock_tolerance: float = 5.0
    """How far this machine's clock and the gate's may be apart."""

    lease: float = 10.0
    """How long a claim is held without renewal. It is renewed while the handler runs,
    so this is no limit on the handler."""

    patience: float = 25.0
    """How long a duplicate waits for the attempt that is running. Less than the 30 s
    that CloudFront waits."""

    retention: float = 86_400.0
    """How long a record is kept, and with it the promise."""

    max_response_bytes: int = 1_048_576
    """Larger responses are delivered but not kept; their retries get 409."""

    delivered: Callable[[str, int], bool] = settled_by_the_gate
    """Does a response count, by method and status? Has to say what the gate says, or
    payers are charged for what is not recorded, or the other way round."""

    unrecorded_headers: Collection[str] = ()
    """Response headers that are neither kept nor replayed, such as set-cookie."""

    on_abandoned: OnAbandoned = "refuse"
    """The owner died and the outcome is unknown: refuse (409), execute again (at least
    once), or ask a function that knows."""

    on_failure: OnFailure = "release"
    """The handler raised or its response does not count: a retry runs again, or is
    refused (409)."""

    on_store_unavailable: OnStoreUnavailable = "refuse"
    """No claim could be made, because the store is away or not to be trusted: refuse
    (503), or run the handler unprotected."""

    header_name: bytes = field(init=False, repr=False, compare=False)
    """`header` the way ASGI delivers names."""

    unrecorded: frozenset[bytes] = field(init=False, repr=False, compare=False)
    """`unrecorded_headers` and those that belong to one connection."""

    key: ReadKey = field(init=False, repr=False, compare=False)
    """Finds the key of a request, or why there is none."""

    def __post_init__(self) -> None:
        policy_checks.check(self)
        left_out = {name.lower().encode("ascii") for name in self.unrecorded_headers}
        object.__setattr__(self, "header_name", self.header.lower().encode("ascii"))
        object.__setattr__(self, "unrecorded", HOP_BY_HOP | left_out)
        object.__setattr__(self, "secrets", dict(self.secrets))
        read = key_reader(self.header_name, self.key_of, self.tenant_of)
        object.__setattr__(self, "key", read)

    @property
    def takes_over(self) -> bool:
        return self.on_abandoned != "refuse"


PolicyOf = Callable[[Scope], Policy | None]


def policy_of(policy: Policy | PolicyOf) -> PolicyOf:
    """Raises ConfigurationError for what is neither; the function that it returns, for
    an answer that is none."""
    if isinstance(policy, Policy):
        return lambda _: policy
    if isinstance(policy, type) or not callable(policy):
        raise ConfigurationError(
            f"IdempotencyMiddleware(policy={policy!r}): policy must be a Policy(...), "
            "or a function that returns one for an ASGI scope."
        )
    if policy_checks.is_async(policy):
        raise ConfigurationError(
            f"IdempotencyMiddleware(policy={policy!r}): policy must be an ordinary "
            "function, not an async one."
        )

    def found(scope: Scope) -> Policy | None:
        answer: object = policy(scope)
        if answer is None or isinstance(answer, Policy):
            return answer
        raise ConfigurationError(
            f"The policy function returned {answer!r:.60}. It has to return a Policy, "
            "or None to let a request pass untouched."
        )

    return found
