"""Numbers and rules that cannot work are refused where they are written."""

from typing import Any

import pytest

from origin_middleware import ConfigurationError, Policy


async def asked_of_somebody(*_: object) -> bool:
    return False


def test_the_defaults_are_the_documented_ones() -> None:
    policy = Policy()
    assert policy.header == "x-settlement-intent-id"
    assert (policy.lease, policy.patience, policy.retention) == (10.0, 25.0, 86_400.0)
    assert policy.max_response_bytes == 1_048_576
    assert (policy.on_abandoned, policy.on_failure) == ("refuse", "release")
    assert (policy.on_store_unavailable, policy.require_key) == ("refuse", False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"header": ""}, "header must be the name of an HTTP header"),
        ({"header": "x intent"}, "header must be"),
        ({"header": b"x-intent"}, "header must be"),
        ({"require_key": "yes"}, "require_key must be True or False"),
        ({"lease": 0}, r"lease must be at least 0\.05 seconds"),
        ({"lease": -1}, "lease must be a number of seconds, 0 or more"),
        ({"lease": 100_000, "retention": 1e6}, "lease must be at most 86_400 seconds"),
        ({"lease": True}, "lease must be a number"),
        (
            {"patience": -1},
            r"Policy\(patience=-1\): patience must be a number of seconds",
        ),
        ({"patience": float("nan")}, "patience must be"),
        ({"patience": float("inf")}, "patience must be"),
        ({"patience": "25"}, "patience must be"),
        ({"retention": 5}, "must be longer than lease"),
        ({"retention": 1e9}, "retention must be at most 315_360_000 seconds"),
        ({"max_response_bytes": -1}, "max_response_bytes must be a whole number"),
        ({"max_response_bytes": 1.5}, "max_response_bytes must be"),
        ({"on_abandoned": "retry"}, "on_abandoned must be 'refuse' or 'execute'"),
        ({"on_failure": "execute"}, "on_failure must be 'release' or 'refuse'"),
        ({"on_store_unavailable": None}, "on_store_unavailable must be"),
        ({"on_failure": "refuse", "on_abandoned": "execute"}, "contradicts itself"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Policy(**options)


def test_a_refused_policy_is_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="lease"):
        Policy(lease=0)


def test_no_patience_and_no_kept_bytes_are_allowed() -> None:
    assert Policy(patience=0, max_response_bytes=0).patience == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"secrets": b"x" * 32}, "a dict of key id to bytes"),
        ({"secrets": {"a": "x" * 32}}, "secrets are bytes"),
        ({"secrets": {1: b"x" * 32}}, "key ids are strings"),
        ({"secrets": {"a": b"x" * 31}}, "'a' has 31 bytes; at least 32"),
        ({"secrets": {"": b"x" * 32}}, "no signature can name the key id ''"),
        ({"secrets": {"a;b": b"x" * 32}}, "no signature can name"),
        ({"secrets": {"a,b": b"x" * 32}}, "no signature can name"),
        ({"secrets": {'a"b': b"x" * 32}}, "no signature can name"),
        ({"secrets": {"é": b"x" * 32}}, "no signature can name"),
        ({"clock_tolerance": -1}, "clock_tolerance must be a number of seconds"),
        ({"key_of": "header"}, "key_of must be a function of the ASGI scope"),
        ({"tenant_of": 1}, "tenant_of must be a function of the ASGI scope"),
        ({"delivered": None}, "delivered must be a function of method and status"),
        ({"delivered": asked_of_somebody}, "delivered must be an ordinary function"),
        ({"key_of": asked_of_somebody}, "key_of must be an ordinary function"),
        ({"tenant_of": asked_of_somebody}, "tenant_of must be an ordinary function"),
        ({"unrecorded_headers": "set-cookie"}, "unrecorded_headers must be names"),
        ({"unrecorded_headers": ["set cookie"]}, "unrecorded_headers must be names"),
        ({"unrecorded_headers": 1}, "unrecorded_headers must be names"),
        ({"on_abandoned": print}, "the function has to be async"),
        ({"secrets": {"a": b"x" * 32}, "header": "idempotency-key"}, "the gate signs"),
        ({"secrets": {"a": b"x" * 32}, "key_of": lambda _: "k"}, "the gate signs"),
        ({"on_abandoned": 1}, "'refuse' or 'execute' or an async function"),
    ],
)
def test_rules_that_cannot_work_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Policy(**options)
