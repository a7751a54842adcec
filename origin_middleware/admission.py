"""Before the store is asked: is there a key, is it well-formed, is it from the gate?"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from .asgi import Scope
from .decision import Refusal
from .errors import ConfigurationError
from .key import INTENT_HEADER, Key, MalformedKey, read_key
from .policy import Policy, is_seconds
from .signature import checked_secrets, distrust

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Denied:
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class Admitted:
    key: Key


class Admission:
    """What an app trusts, whatever the policy of a path."""

    def __init__(
        self, secrets: Mapping[str, bytes], tolerance: float, clock: Clock
    ) -> None:
        self._secrets = checked_secrets(secrets)
        self._tolerance = _checked_tolerance(tolerance)
        self._clock = clock

    def check(self, policy: Policy) -> None:
        """Raises ConfigurationError where the gate does not sign what the policy takes
        as the key: with one signed request, a client could send any number of keys.
        """
        if not self._secrets:
            return
        if policy.key_of is not None or policy.header.lower() != INTENT_HEADER:
            raise ConfigurationError(
                f"IdempotencyMiddleware(secrets=...): the gate signs {INTENT_HEADER}, "
                "so the key has to come from there. Leave header and key_of of the "
                "policy as they are, or secrets out."
            )

    def admit(self, scope: Scope, policy: Policy) -> Denied | Admitted | None:
        """None where there is no key, and none is required."""
        key = read_key(scope, policy.header, policy.key_of, policy.tenant_of)
        if key is None:
            required = policy.require_key and not _is_preflight(scope)
            return _missing(policy) if required else None
        if isinstance(key, MalformedKey):
            return Denied(Refusal.KEY_MALFORMED, f"{policy.header}: {key.reason}.")
        if not self._secrets:
            _warn_unverified()
            return Admitted(key)
        reason = distrust(scope, self._secrets, self._clock(), self._tolerance)
        if reason is not None:
            return Denied(Refusal.SIGNATURE_REFUSED, f"{reason.value}.")
        return Admitted(key)


def _is_preflight(scope: Scope) -> bool:
    """What browsers ask before they ask; unpaid, and passed by the gate."""
    if scope["method"] != "OPTIONS":
        return False
    names = {name for name, _ in scope["headers"]}
    return {b"origin", b"access-control-request-method"} <= names


def _missing(policy: Policy) -> Denied:
    return Denied(Refusal.KEY_MISSING, f"Send it as {policy.header}.")


@cache
def _warn_unverified() -> None:
    """Once for each process."""
    logging.getLogger("origin_middleware").warning(
        "Keys are taken on trust, because IdempotencyMiddleware(secrets=...) is not "
        "set. A client that reaches this app directly can make up a key, or read the "
        "recorded response of another client. Let only the gate reach this app, or "
        "use a gate that signs."
    )


def _checked_tolerance(seconds: object) -> float:
    if is_seconds(seconds):
        return seconds
    raise ConfigurationError(
        f"IdempotencyMiddleware(clock_tolerance={seconds!r}): clock_tolerance must be "
        "a number of seconds, 0 or more."
    )
