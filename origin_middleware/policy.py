"""Every number and rule of the middleware, validated where it is written."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, Never, get_args

from .asgi import Scope
from .decision import OnAbandoned, OnStoreUnavailable
from .errors import ConfigurationError

OnFailure = Literal["release", "refuse"]

# RFC 9110, section 5.6.2: what a header name is made of.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# Below this, renewing three times per lease would be most of what a worker does.
_SHORTEST_LEASE = 0.05

# A day and ten years: nobody needs more, and a record has room for no more digits.
_LONGEST_LEASE = 86_400.0
_LONGEST_RETENTION = 315_360_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How requests with a key are treated. Times are in seconds.

    Raises ConfigurationError, at construction, for a value that cannot work.
    """

    header: str = "x-settlement-intent-id"
    """The request header that carries the key."""

    require_key: bool = False
    """Refuse requests without a key. On paid routes: yes, or calling the origin
    directly is free.
    """

    lease: float = 10.0
    """How long a claim is held without renewal. Renewed while the handler runs, so not
    a limit on it.
    """

    patience: float = 25.0
    """How long a duplicate waits for the attempt that is running. Inside CloudFront's
    30 s response timeout.
    """

    retention: float = 86_400.0
    """How long a record is kept, and with it the promise."""

    max_response_bytes: int = 1_048_576
    """Larger responses are delivered but not kept; their retries get 409."""

    on_abandoned: OnAbandoned = "refuse"
    """The owner died and the outcome is unknown: refuse (409), or execute again (at
    least once).
    """

    on_failure: OnFailure = "release"
    """The handler raised or its response does not count: a retry runs again, or is
    refused (409).
    """

    on_store_unavailable: OnStoreUnavailable = "refuse"
    """No claim could be made: refuse (503), or run the handler unprotected."""

    header_name: bytes = field(init=False, repr=False, compare=False)
    """`header` the way ASGI delivers names."""

    def __post_init__(self) -> None:
        self._check_names()
        object.__setattr__(self, "header_name", self.header.lower().encode("ascii"))
        for name in ("lease", "patience", "retention"):
            self._check_seconds(name)
        if self.lease < _SHORTEST_LEASE:
            self._refuse("lease", f"at least {_SHORTEST_LEASE} seconds")
        if self.lease > _LONGEST_LEASE:
            self._refuse("lease", f"at most {_LONGEST_LEASE:_.0f} seconds")
        if self.retention > _LONGEST_RETENTION:
            self._refuse("retention", f"at most {_LONGEST_RETENTION:_.0f} seconds")
        if self.retention <= self.lease:
            raise ConfigurationError(
                f"Policy(retention={self.retention!r}) must be longer than lease "
                f"({self.lease!r}): the record has to outlive the claim. "
                "Try retention=86_400.0."
            )
        size: object = self.max_response_bytes
        if type(size) is not int or size < 0:
            self._refuse("max_response_bytes", "a whole number of bytes, 0 or more")
        if self.on_failure == "refuse" and self.on_abandoned == "execute":
            raise ConfigurationError(
                "Policy(on_failure='refuse', on_abandoned='execute') contradicts "
                "itself: a failure would be left as outcome unknown, and then "
                "executed again. Change one of the two."
            )

    def _check_names(self) -> None:
        header: object = self.header
        if not isinstance(header, str) or not _TOKEN.fullmatch(header):
            self._refuse(
                "header", "the name of an HTTP header, like 'x-settlement-intent-id'"
            )
        if self.require_key not in (True, False):
            self._refuse("require_key", "True or False")
        for name, choices in (
            ("on_abandoned", get_args(OnAbandoned)),
            ("on_failure", get_args(OnFailure)),
            ("on_store_unavailable", get_args(OnStoreUnavailable)),
        ):
            if getattr(self, name) not in choices:
                self._refuse(name, " or ".join(map(repr, choices)))

    def _check_seconds(self, name: str) -> None:
        value = getattr(self, name)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not isfinite(value) or value < 0:
            self._refuse(name, "a number of seconds, 0 or more")

    def _refuse(self, name: str, expected: str) -> Never:
        raise ConfigurationError(
            f"Policy({name}={getattr(self, name)!r}): {name} must be {expected}."
        )


PolicyOf = Callable[[Scope], Policy | None]


def policy_of(policy: Policy | PolicyOf) -> PolicyOf:
    """Raises ConfigurationError for what is neither."""
    if isinstance(policy, Policy):
        return lambda _: policy
    if isinstance(policy, type) or not callable(policy):
        raise ConfigurationError(
            f"IdempotencyMiddleware(policy={policy!r}): policy must be a Policy(...), "
            "or a function that returns one for an ASGI scope."
        )
    return policy
