"""Numbers and rules that cannot work are refused where they are written."""

import copy
import pickle
from dataclasses import fields, replace
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
    assert policy.max_attempts == 20
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
        ({"max_attempts": 0}, "max_attempts must be a whole number, 1 or more"),
        ({"max_attempts": None}, "max_attempts must be a whole number, 1 or more"),
        ({"max_attempts": True}, "max_attempts must be a whole number, 1 or more"),
        ({"max_attempts": 1_000_000}, "max_attempts must be at most 999_999"),
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
        ({"key_of": "header"}, "key_of must be a function of the ASGI scope"),
        ({"tenant_of": 1}, "tenant_of must be a function of the ASGI scope"),
        ({"delivered": None}, "delivered must be .* a function of method and status"),
        (
            {"delivered": "below-500"},
            "must be 'delivered' or 'below-400' or a function",
        ),
        ({"delivered": asked_of_somebody}, "delivered must be an ordinary function"),
        ({"key_of": asked_of_somebody}, "key_of must be an ordinary function"),
        ({"tenant_of": asked_of_somebody}, "tenant_of must be an ordinary function"),
        ({"unrecorded_headers": "set-cookie"}, "unrecorded_headers must be names"),
        ({"unrecorded_headers": ["set cookie"]}, "unrecorded_headers must be names"),
        ({"unrecorded_headers": 1}, "unrecorded_headers must be names"),
        ({"fingerprint_headers": "authorization"}, "fingerprint_headers must be names"),
        ({"fingerprint_headers": ["a b"]}, "fingerprint_headers must be names"),
        ({"unrecorded_media_types": "text/html"}, "unrecorded_media_types must be"),
        ({"unrecorded_media_types": ["html"]}, "unrecorded_media_types must be"),
        ({"unrecorded_media_types": ["Text/HTML"]}, "unrecorded_media_types must be"),
        ({"max_request_bytes": -1}, "max_request_bytes must be a whole number"),
        ({"max_request_bytes": 1e6}, "max_request_bytes must be a whole number"),
        ({"private": "yes"}, "private must be True or False"),
        ({"on_abandoned": print}, "the function has to be async"),
        ({"on_abandoned": 1}, "'refuse' or 'execute' or an async function"),
    ],
)
def test_rules_that_cannot_work_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Policy(**options)


@pytest.mark.parametrize("option", ["secrets", "clock_tolerance"])
def test_what_belongs_to_the_app_is_refused_with_its_place(option: str) -> None:
    options: dict[str, Any] = {option: 5}
    place = rf"Write IdempotencyMiddleware\(app, {option}=\.\.\.\)"
    with pytest.raises(ConfigurationError, match=place):
        Policy(**options)


def test_an_unknown_option_is_a_type_error_as_everywhere() -> None:
    options: dict[str, Any] = {"patient": 5}
    with pytest.raises(TypeError, match="patient"):
        Policy(**options)


def test_a_policy_can_be_copied_pickled_and_changed() -> None:
    policy = Policy(patience=5)
    assert replace(policy, lease=5.0) == Policy(patience=5, lease=5.0)
    assert copy.copy(policy) == policy
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301 - our own bytes


def test_a_policy_has_no_fields_but_its_options() -> None:
    assert all(field.init for field in fields(Policy))


@pytest.mark.parametrize(
    ("rule", "status", "counts"),
    [
        ("delivered", 200, True),
        ("delivered", 304, False),
        ("below-400", 304, True),
        ("below-400", 399, True),
        ("below-400", 400, False),
        ("below-400", 99, False),
        (lambda method, status: (method, status) == ("GET", 418), 418, True),
    ],
)
def test_a_response_counts_by_the_rule_of_the_gate_or_a_function(
    rule: Any, status: int, counts: bool
) -> None:
    assert Policy(delivered=rule).counts("GET", status) is counts
