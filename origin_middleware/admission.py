"""Before the store is asked: is there a key, is it well-formed, is it from the gate?"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from .asgi import Scope
from .decision import Refusal
from .key import Key, MalformedKey
from .policy import Policy
from .signature import distrust

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Denied:
    refusal: Refusal
    detail: str


@dataclass(frozen=True, slots=True)
class Admitted:
    key: Key


def admit(scope: Scope, policy: Policy, clock: Clock) -> Denied | Admitted | None:
    """None where there is no key, and none is required. `clock` tells Unix time."""
    key = policy.key(scope)
    if key is None:
        required = policy.require_key and not _is_preflight(scope)
        return _missing(policy) if required else None
    if isinstance(key, MalformedKey):
        return Denied(Refusal.KEY_MALFORMED, f"{policy.header}: {key.reason}.")
    if not policy.secrets:
        _say_that_intents_are_not_verified()
        return Admitted(key)
    reason = distrust(scope, policy.secrets, clock(), policy.clock_tolerance)
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
def _say_that_intents_are_not_verified() -> None:
    """Once for each process."""
    logging.getLogger("origin_middleware").warning(
        "Keys are taken on trust, because Policy(secrets=...) is not set: whoever "
        "reaches this app directly can make one up, or read a recorded response of "
        "somebody else's. Let nobody but the gate reach it, or use a gate that signs."
    )
