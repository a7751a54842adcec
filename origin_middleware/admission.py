"""Before the store is asked: is there a key, is it well-formed, is it from the gate?"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from .asgi import Scope
from .decision import Refusal
from .errors import ConfigurationError
from .key import (
    INTENT_HEADER,
    REPLAY_HEADER,
    Key,
    MalformedKey,
    ProvenKey,
    header_key,
    header_name,
    is_intent,
    read_key,
    tenant_name,
    tenants_key,
)
from .policy import Policy, is_seconds
from .signature import Distrust, checked_secrets, verify

Clock = Callable[[], float]

_REPLAY = header_name(REPLAY_HEADER)


@dataclass(frozen=True, slots=True)
class Denied:
    refusal: Refusal
    detail: str


class Admitted(NamedTuple):
    key: Key
    headers: Mapping[bytes, bytes]
    """Of the request; of several lines with one name, the last."""
    tenant: str = ""
    """Part of the fingerprint; '' if it is part of the key, or there is none."""
    until: float | None = None
    """When the gate's signature expires, as Unix time; None if none is needed."""
    proof: bytes = b""
    """Part of the fingerprint too, if the key came with one."""
    replays: bool = False
    """The payment is used, so the request is answered from the record or refused."""


class Admission:
    """What an app trusts, whatever the policy of a path."""

    def __init__(
        self, secrets: Mapping[str, bytes], tolerance: float, clock: Clock
    ) -> None:
        self._secrets = checked_secrets(secrets)
        self._tolerance = _checked_tolerance(tolerance)
        self._clock = clock

    @property
    def verifies(self) -> bool:
        return bool(self._secrets)

    def check(self, policy: Policy) -> None:
        """Raises ConfigurationError if the gate does not sign what the policy takes as
        the key: with one signed request, a client could send any number of keys.
        """
        if not self._secrets:
            return
        if not is_intent(policy.header, policy.key_of):
            raise ConfigurationError(
                f"IdempotencyMiddleware(secrets=...): the gate signs {INTENT_HEADER}, "
                "so the key has to come from there. Leave header and key_of of the "
                "policy as they are, or secrets out."
            )
        if not policy.require_key:
            _warn_free(policy.name)

    def admit(self, scope: Scope, policy: Policy) -> Denied | Admitted | None:
        """None if there is no key, and none is required."""
        headers = dict(scope["headers"])
        key = read_key(scope, headers, policy.header, policy.key_of)
        replays = key is None and _REPLAY in headers
        if replays and is_intent(policy.header, policy.key_of):
            key = header_key(_REPLAY, scope, headers)
        if key is None:
            return _missing(scope, policy) if policy.require_key else None
        if isinstance(key, MalformedKey):
            return Denied(Refusal.KEY_MALFORMED, key.reason)
        if not self._secrets:
            if is_intent(policy.header, policy.key_of):
                _warn_unverified()
            elif not (isinstance(key, ProvenKey) or _tells_clients_apart(policy)):
                _warn_shared()
            return _admitted(scope, headers, policy, key, None, replays)
        verdict = verify(scope, self._secrets, self._clock(), self._tolerance)
        if isinstance(verdict, Distrust):
            return Denied(Refusal.SIGNATURE_REFUSED, f"{verdict.value}.")
        return _admitted(scope, headers, policy, key, verdict, replays)

    def has_expired(self, admitted: Admitted) -> bool:
        """Ask this again after the body, which may take its time."""
        until = admitted.until
        return until is not None and until < self._clock() - self._tolerance


def _admitted(
    scope: Scope,
    headers: Mapping[bytes, bytes],
    policy: Policy,
    found: Key | ProvenKey,
    until: float | None,
    replays: bool,
) -> Admitted:
    if isinstance(found, ProvenKey):
        key, proof = Key(found.key), found.proof
    else:
        key, proof = found, b""
    if policy.tenant_of is None:
        return Admitted(key, headers, "", until, proof, replays)
    tenant = tenant_name(policy.tenant_of, scope)
    if proof or is_intent(policy.header, policy.key_of):
        # With the tenant in the key, one payment would buy an execution for each
        # tenant that a client can name.
        return Admitted(key, headers, tenant, until, proof, replays)
    return Admitted(tenants_key(key, tenant), headers, until=until)


def _missing(scope: Scope, policy: Policy) -> Denied:
    detail = f"Send it as {policy.header}." if policy.key_of is None else ""
    if scope["method"] == "OPTIONS":
        detail += " For a CORS preflight, add the CORS middleware outside this one."
    return Denied(Refusal.KEY_MISSING, detail.lstrip())


@lru_cache(maxsize=256)
def _warn_free(policy: str) -> None:
    """Once for each name."""
    logging.getLogger("origin_middleware").warning(
        "Requests without a settlement intent run for free, although secrets are set: "
        "Policy(name=%r) has no require_key=True.",
        policy,
    )


@cache
def _warn_unverified() -> None:
    """Once for each process."""
    logging.getLogger("origin_middleware").warning(
        "Keys are taken on trust, because IdempotencyMiddleware(secrets=...) is not "
        "set. A client that reaches this app directly can make up a key, or read the "
        "recorded response of another client. Let only the gate reach this app, or "
        "use a gate that signs."
    )


def _tells_clients_apart(policy: Policy) -> bool:
    return policy.tenant_of is not None or bool(policy.fingerprint_headers)


@cache
def _warn_shared() -> None:
    """Once for each process."""
    logging.getLogger("origin_middleware").warning(
        "Clients choose their own keys, and two that choose the same one share a "
        "record: one may read the response of the other. Set Policy(tenant_of=...), or "
        "Policy(fingerprint_headers=('authorization',))."
    )


def _checked_tolerance(seconds: object) -> float:
    if is_seconds(seconds):
        return seconds
    raise ConfigurationError(
        f"IdempotencyMiddleware(clock_tolerance={seconds!r}): clock_tolerance must be "
        "a number of seconds, 0 or more."
    )
