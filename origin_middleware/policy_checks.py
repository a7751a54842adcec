"""Nonsense in a policy is refused, with what to change."""

import re
from collections.abc import Callable, Collection, Mapping
from inspect import iscoroutinefunction
from math import isfinite
from typing import TYPE_CHECKING, Never

from .errors import ConfigurationError

if TYPE_CHECKING:
    from .policy import Policy

# RFC 9110, section 5.6.2: what a header name is made of.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# Below this, renewing three times per lease would be most of what a worker does.
_SHORTEST_LEASE = 0.05

# A day and ten years: nobody needs more, and a record has room for no more digits.
_LONGEST_LEASE = 86_400.0
_LONGEST_RETENTION = 315_360_000.0

INTENT_HEADER = "x-settlement-intent-id"

# Every retry reads it whole from the store, and a process holds it in memory.
_LARGEST_RESPONSE = 67_108_864

# As long as the digest (RFC 2104, section 3).
_SHORTEST_SECRET = 32

# What signature.py reads back: a semicolon or a comma would end the parameter.
_KEY_ID = re.compile(r"[!#-+\--:<-\[\]-~]{1,255}")


def check(policy: "Policy") -> None:
    """Raises ConfigurationError."""
    _check_names(policy)
    _check_functions(policy)
    _check_choices(policy)
    _check_times(policy)
    _check_secrets(policy.secrets)
    _check_that_the_key_is_signed(policy)
    size: object = policy.max_response_bytes
    if type(size) is not int or size < 0:
        _refuse(policy, "max_response_bytes", "a whole number of bytes, 0 or more")
    if size > _LARGEST_RESPONSE:
        _refuse(policy, "max_response_bytes", f"at most {_LARGEST_RESPONSE:_}")


def _check_names(policy: "Policy") -> None:
    if not _is_token(policy.header):
        example = "like 'x-settlement-intent-id'"
        _refuse(policy, "header", f"the name of an HTTP header, {example}")
    left_out: object = policy.unrecorded_headers
    is_names = isinstance(left_out, Collection) and not isinstance(left_out, str)
    if not is_names or not all(map(_is_token, policy.unrecorded_headers)):
        _refuse(policy, "unrecorded_headers", "names of HTTP headers, in a list")


def _is_token(name: object) -> bool:
    return isinstance(name, str) and _TOKEN.fullmatch(name) is not None


def _check_functions(policy: "Policy") -> None:
    for name in ("key_of", "tenant_of"):
        value = getattr(policy, name)
        if value is not None and not callable(value):
            _refuse(policy, name, "a function of the ASGI scope, or None")
        if is_async(value):
            _refuse(policy, name, "an ordinary function of the scope, not an async one")
    if not callable(policy.delivered):
        _refuse(policy, "delivered", "a function of method and status")
    if is_async(policy.delivered):  # a coroutine is true: everything would count
        _refuse(policy, "delivered", "an ordinary function, not an async one")


def is_async(function: object) -> bool:
    called = getattr(function, "__call__", None)  # noqa: B004 - an object with one
    return iscoroutinefunction(function) or iscoroutinefunction(called)


def _check_choices(policy: "Policy") -> None:
    if policy.require_key not in (True, False):
        _refuse(policy, "require_key", "True or False")
    if callable(policy.on_abandoned):
        _check_reconciler(policy.on_abandoned)
    else:
        _check_choice(policy, "on_abandoned", "refuse", "execute")
    _check_choice(policy, "on_failure", "release", "refuse")
    _check_choice(policy, "on_store_unavailable", "refuse", "execute")
    if policy.on_failure == "refuse" and policy.on_abandoned == "execute":
        raise ConfigurationError(
            "Policy(on_failure='refuse', on_abandoned='execute') contradicts itself: "
            "a failure would be left as outcome unknown, and then executed again. "
            "Change one of the two."
        )


def _check_reconciler(function: Callable[..., object]) -> None:
    if not is_async(function):
        raise ConfigurationError(
            f"Policy(on_abandoned={function!r}): the function has to be async."
        )


def _check_choice(policy: "Policy", name: str, *choices: str) -> None:
    if getattr(policy, name) not in choices:
        also = " or an async function" if name == "on_abandoned" else ""
        _refuse(policy, name, " or ".join(map(repr, choices)) + also)


def _check_times(policy: "Policy") -> None:
    for name in ("lease", "patience", "retention", "clock_tolerance"):
        value = getattr(policy, name)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not isfinite(value) or value < 0:
            _refuse(policy, name, "a number of seconds, 0 or more")
    if policy.lease < _SHORTEST_LEASE:
        _refuse(policy, "lease", f"at least {_SHORTEST_LEASE} seconds")
    if policy.lease > _LONGEST_LEASE:
        _refuse(policy, "lease", f"at most {_LONGEST_LEASE:_.0f} seconds")
    if policy.retention > _LONGEST_RETENTION:
        _refuse(policy, "retention", f"at most {_LONGEST_RETENTION:_.0f} seconds")
    if policy.retention <= policy.lease:
        raise ConfigurationError(
            f"Policy(retention={policy.retention!r}) must be longer than lease "
            f"({policy.lease!r}): the record has to outlive the claim."
        )


def _check_secrets(secrets: object) -> None:
    """The messages never show a secret."""
    if not isinstance(secrets, Mapping):
        raise ConfigurationError(
            "Policy(secrets=...): a dict of key id to bytes is needed."
        )
    for keyid, secret in secrets.items():
        if not isinstance(keyid, str) or not isinstance(secret, bytes):
            raise ConfigurationError(
                "Policy(secrets=...): key ids are strings and secrets are bytes."
            )
        if not _KEY_ID.fullmatch(keyid):
            raise ConfigurationError(
                f"Policy(secrets=...): no signature can name the key id {keyid!r}. Use "
                "letters, digits and . _ -, as in '2026-02'."
            )
        if len(secret) < _SHORTEST_SECRET:
            raise ConfigurationError(
                f"Policy(secrets=...): the secret {keyid!r} has {len(secret)} bytes; "
                f"at least {_SHORTEST_SECRET} are needed. Make one with "
                "secrets.token_bytes(32)."
            )


def _check_that_the_key_is_signed(policy: "Policy") -> None:
    """Or whoever has one signed request could send it with any number of keys."""
    elsewhere = policy.key_of is not None or policy.header.lower() != INTENT_HEADER
    if policy.secrets and elsewhere:
        raise ConfigurationError(
            f"Policy(secrets=...): the gate signs {INTENT_HEADER}, so the key has to "
            "come from there. Leave header and key_of as they are, or secrets out."
        )


def _refuse(policy: "Policy", name: str, expected: str) -> Never:
    raise ConfigurationError(
        f"Policy({name}={getattr(policy, name)!r}): {name} must be {expected}."
    )
