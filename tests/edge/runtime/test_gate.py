"""The accept rule, as a table. No server, no clock, no event."""

import pytest

from edge.runtime.gate import (
    Answer,
    Forward,
    Lifetime,
    NoAnswer,
    PaymentRequired,
    Unavailable,
    judge,
)
from edge.runtime.instant import seconds_of
from tests.edge.examples import NOW, exactly

VALID = {"valid": True, "settlementIntentId": "intent-1", "reason": None}


@pytest.mark.parametrize(
    "expiry",
    [
        {},
        {"expiresAt": None},
        {"expiresAt": "2026-02-07T08:12:44.568Z"},
        {"expiresAt": "2026-02-07T09:12:45+01:00"},
        {"expiresAt": "2026-02-07T20:12:34.566Z"},
        {"expiresAt": NOW + 11},
        {"expiresAt": (NOW + 11) * 1000},
        {"expiresAt": NOW + 12 * 3600 - 1},
    ],
)
def test_a_valid_payment_that_is_good_for_long_enough_is_forwarded(
    expiry: dict[str, object],
) -> None:
    verdict = judge(Answer(200, VALID | expiry), NOW)
    expires = seconds_of(expiry.get("expiresAt"))
    assert exactly(verdict) == exactly(Forward("intent-1", expires))


@pytest.mark.parametrize(
    "expiry",
    [
        "2026-02-07T08:12:34.567Z",  # now is not in the future
        "2026-02-07T08:12:34.566Z",
        "2026-02-07T08:12:44.566Z",
        NOW,
        NOW - 1,
        NOW + 9.9,
        (NOW - 1) * 1000,
        (NOW + 9) * 1000,
        1,
    ],
)
def test_an_intent_that_expires_before_it_can_be_settled_is_not_forwarded(
    expiry: object,
) -> None:
    verdict = judge(Answer(200, VALID | {"expiresAt": expiry}), NOW)
    assert exactly(verdict) == exactly(PaymentRequired("expires_too_soon", None))


@pytest.mark.parametrize(
    "expiry",
    ["2026-02-07T20:12:35Z", NOW + 43_201, (NOW + 30 * 86_400) * 1000, 9e10],
)
def test_an_intent_that_outlives_its_record_is_not_forwarded(expiry: object) -> None:
    verdict = judge(Answer(200, VALID | {"expiresAt": expiry}), NOW)
    assert exactly(verdict) == exactly(PaymentRequired("expires_too_late", None))


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(29, "expires_too_soon"), (30, None), (60, None), (61, "expires_too_late")],
)
def test_the_seller_says_for_how_long_an_intent_has_to_be_good(
    seconds: int, reason: str | None
) -> None:
    answer = Answer(200, VALID | {"expiresAt": NOW + seconds})
    verdict = judge(answer, NOW, Lifetime(shortest=30, longest=60))
    expected = PaymentRequired(reason) if reason else Forward("intent-1", NOW + seconds)
    assert exactly(verdict) == exactly(expected)


@pytest.mark.parametrize("expiry", ["", "soon", "2099-01-01T00:00:00", True, [], {}])
def test_an_expiry_that_cannot_be_read_is_not_forwarded(expiry: object) -> None:
    verdict = judge(Answer(200, VALID | {"expiresAt": expiry}), NOW)
    assert verdict == Unavailable("the expiry of the settlement intent cannot be read")


@pytest.mark.parametrize(
    "intent", [None, "", "a b", "a" * 256, "ä", 1, True, ["a"], {}]
)
def test_a_payment_without_a_usable_intent_is_not_forwarded(intent: object) -> None:
    verdict = judge(Answer(200, VALID | {"settlementIntentId": intent}), NOW)
    assert isinstance(verdict, Unavailable)


def test_a_payment_with_no_intent_at_all_is_not_forwarded() -> None:
    assert isinstance(judge(Answer(200, {"valid": True}), NOW), Unavailable)


@pytest.mark.parametrize("valid", [1, 1.0, "true", "True", [True], {"valid": True}])
def test_valid_must_be_true_itself(valid: object) -> None:
    verdict = judge(Answer(200, VALID | {"valid": valid}), NOW)
    assert isinstance(verdict, Unavailable)


@pytest.mark.parametrize("valid", [0, 0.0, "false", "", None, [], {}])
def test_what_is_not_false_itself_is_not_payment_required(valid: object) -> None:
    """Never turn what we do not understand into a business answer."""
    verdict = judge(Answer(200, VALID | {"valid": valid}), NOW)
    assert isinstance(verdict, Unavailable)


@pytest.mark.parametrize(
    "body", [None, True, 1, "valid", [VALID], [], {}, {"settlementIntentId": "a"}]
)
def test_what_is_no_answer_to_verify_is_not_forwarded(body: object) -> None:
    assert isinstance(judge(Answer(200, body), NOW), Unavailable)


@pytest.mark.parametrize(
    "status", [100, 201, 202, 204, 206, 301, 302, 400, 401, 402, 404, 429, 500, 503]
)
@pytest.mark.parametrize("body", [VALID, VALID | {"valid": False}])
def test_only_200_counts_whatever_the_body_says(status: int, body: object) -> None:
    verdict = judge(Answer(status, body), NOW)
    assert exactly(verdict) == exactly(Unavailable(f"verify answered {status}"))


def test_no_answer_is_not_forwarded() -> None:
    verdict = judge(NoAnswer("too late"), NOW)
    assert exactly(verdict) == exactly(Unavailable("too late"))


def test_an_invalid_payment_is_required_with_what_the_facilitator_says() -> None:
    requirement: dict[str, object] = {"scheme": "exact", "amountDisplay": "0.01"}
    body = {"valid": False, "reason": "expired", "requirement": requirement}
    verdict = judge(Answer(200, body), NOW)
    assert exactly(verdict) == exactly(PaymentRequired("expired", requirement))


@pytest.mark.parametrize(
    "rest",
    [{}, {"reason": None, "requirement": None}, {"reason": 1, "requirement": []}],
)
def test_a_requirement_that_is_none_is_left_out(rest: dict[str, object]) -> None:
    verdict = judge(Answer(200, {"valid": False, **rest}), NOW)
    assert exactly(verdict) == exactly(PaymentRequired(None, None))
