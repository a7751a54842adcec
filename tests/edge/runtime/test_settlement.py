"""What a response is worth, and what became of settling it."""

from typing import Any

import pytest

from edge.runtime.gate import Admission, Ambiguous, Answer, Free, Gated, NoAnswer
from edge.runtime.settlement import (
    Delivery,
    NotOurs,
    Refused,
    Replay,
    Settle,
    Settled,
    SettleRule,
    Skip,
    Unsettled,
    conclude,
    delivered,
    outcome,
    settles,
    withholds,
)
from tests.edge.examples import JOKE, exactly

GATED = Gated(JOKE)
DELIVERY = Delivery(
    method="GET",
    status=200,
    intent="intent-1",
    resource_id="joke-endpoint",
    network="eip155:8453",
    distrust=None,
)


def concluded(
    admission: Admission = GATED, rule: SettleRule = "delivered", **change: Any
) -> NotOurs | Skip | Replay | Settle:
    return conclude(admission, DELIVERY._replace(**change), rule)


def test_settled_says_when() -> None:
    body = {"ok": True, "settledAt": "2026-02-07T08:12:34.850Z"}
    said = outcome(Answer(200, body))
    assert exactly(said) == exactly(Settled("2026-02-07T08:12:34.850Z"))


@pytest.mark.parametrize("at", [None, 1, "soon", []])
def test_an_instant_that_cannot_be_read_is_not_repeated(at: object) -> None:
    said = outcome(Answer(200, {"ok": True, "settledAt": at}))
    assert exactly(said) == exactly(Settled(None))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (NoAnswer("too late"), "too late"),
        (Answer(401, {"error": "unauthorized"}), "unauthorized"),
        (Answer(401, {"ok": False, "error": "unauthorized"}), "unauthorized"),
        (Answer(400, {"ok": False, "error": "invalid_request"}), "invalid_request"),
        (Answer(408, {"ok": False, "error": "timeout"}), "timeout"),
        (Answer(409, {"ok": False, "error": "in_progress"}), "in_progress"),
        (Answer(425, {"ok": False, "error": "too_early"}), "too_early"),
        (Answer(429, {"ok": False, "error": "rate_limited"}), "rate_limited"),
        (Answer(500, {"ok": False, "error": "internal_error"}), "internal_error"),
        (Answer(503, {"ok": False}), "settle answered 503"),
        (Answer(307, {"ok": False, "error": "moved"}), "moved"),
        (Answer(404, {"error": "not_found"}), "not_found"),
        (Answer(404, {"ok": 0, "error": "not_found"}), "not_found"),
        (Answer(402, {"ok": None}), "settle answered 402"),
        (Answer(200, {"ok": 1}), "the answer to settle is malformed"),
        (Answer(200, None), "the answer to settle is malformed"),
        (Answer(500, None), "settle answered 500"),
        (Answer(500, {"error": "a story, with\nlines"}), "settle answered 500"),
        (Answer(500, {"error": "a" * 65}), "settle answered 500"),
        (Answer(401, {"error": "nf_live_SECRETKEY"}), "settle answered 401"),
        (Answer(500, {"error": 1}), "settle answered 500"),
        (Answer(201, {"ok": True}), "settle answered 201"),
    ],
)
def test_what_went_wrong_with_settle_is_said(
    answer: Answer | NoAnswer, error: str
) -> None:
    assert exactly(outcome(answer)) == exactly(Unsettled(error))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(200, {"ok": False, "error": "conflict"}), "conflict"),
        (Answer(402, {"ok": False, "error": "expired"}), "expired"),
        (Answer(403, {"ok": False, "error": "forbidden"}), "forbidden"),
        (Answer(404, {"ok": False, "error": "intent_not_found"}), "intent_not_found"),
        (Answer(402, {"ok": False}), "settle_refused"),
        (Answer(402, {"ok": False, "error": "nf_live_SECRETKEY"}), "settle_refused"),
        (Answer(402, {"ok": False, "error": "a story"}), "settle_refused"),
        (Answer(402, {"ok": False, "error": 1}), "settle_refused"),
    ],
)
def test_a_plain_no_to_settle_is_a_refusal(answer: Answer, error: str) -> None:
    assert exactly(outcome(answer)) == exactly(Refused(error))


@pytest.mark.parametrize("what", [Settled(None), Unsettled("timeout")])
def test_only_a_refusal_is_withheld(what: Settled | Unsettled) -> None:
    assert withholds(Refused("expired"), "withhold")
    assert not withholds(Refused("expired"), "deliver")
    assert not withholds(what, "withhold")


def test_a_delivered_response_is_settled() -> None:
    due = Settle("intent-1", "joke-endpoint", "eip155:8453", 200)
    assert exactly(concluded()) == exactly(due)


def test_it_is_settled_as_it_was_verified() -> None:
    """The route has another price by now: a new version of the gate has arrived."""
    due = concluded(resource_id="old-price", network="eip155:84532")
    assert exactly(due) == exactly(Settle("intent-1", "old-price", "eip155:84532", 200))


def test_what_the_request_does_not_say_its_route_does() -> None:
    due = concluded(resource_id=None, network=None)
    assert exactly(due) == exactly(
        Settle("intent-1", "joke-endpoint", "eip155:8453", 200)
    )


@pytest.mark.parametrize("status", [304, 307, 404, 503])
def test_what_was_not_delivered_is_skipped_and_says_why(status: int) -> None:
    skipped = Skip("intent-1", status, f"origin returned {status}")
    assert exactly(concluded(status=status)) == exactly(skipped)


def test_the_rule_of_the_seller_decides() -> None:
    assert isinstance(concluded(status=307), Skip)
    assert isinstance(concluded(status=307, rule="below-400"), Settle)


def test_the_method_decides_as_well() -> None:
    assert isinstance(concluded(status=302), Skip)
    assert isinstance(concluded(status=302, method="POST"), Settle)


@pytest.mark.parametrize("admission", [Free(), Ambiguous()])
def test_what_is_not_gated_is_not_settled(admission: Free | Ambiguous) -> None:
    assert isinstance(concluded(admission), NotOurs)


def test_a_missing_intent_is_said_by_a_gate_that_signs() -> None:
    """As it is when no origin request policy forwards the headers."""
    skipped = Skip(None, 200, "no settlement intent in the forwarded request")
    missing = concluded(intent=None, distrust="the signature is missing")
    assert exactly(missing) == exactly(skipped)
    assert isinstance(concluded(intent=None), NotOurs)


def test_an_intent_of_somebody_elses_is_not_settled() -> None:
    reason = "the signature is missing"
    skipped = Skip("intent-1", 200, reason)
    assert exactly(concluded(distrust=reason)) == exactly(skipped)


@pytest.mark.parametrize("rule", ["delivered", "below-400"])
def test_a_status_that_cannot_be_read_delivers_nothing(rule: SettleRule) -> None:
    skipped = Skip("intent-1", None, "origin returned an unreadable status")
    assert exactly(concluded(status=None, rule=rule)) == exactly(skipped)


NEVER_DELIVERED = [
    *(0, 100, 101, 103, 199, 300, 304, 305, 306, 307, 308, 399),
    *(400, 402, 404, 409, 429, 499, 500, 502, 503, 504, 599, 600, 999),
]
ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


@pytest.mark.parametrize("method", ALL_METHODS)
@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 226, 299, 303])
def test_delivered_whatever_the_method(method: str, status: int) -> None:
    assert delivered(method, status)


@pytest.mark.parametrize("method", ALL_METHODS)
@pytest.mark.parametrize("status", NEVER_DELIVERED)
def test_not_delivered_whatever_the_method(method: str, status: int) -> None:
    assert not delivered(method, status)


@pytest.mark.parametrize("status", [301, 302])
def test_a_redirect_of_a_get_delivers_nothing_yet(status: int) -> None:
    assert not delivered("GET", status)
    assert not delivered("HEAD", status)


@pytest.mark.parametrize("status", [301, 302])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_redirect_after_a_post_says_that_it_was_processed(
    method: str, status: int
) -> None:
    assert delivered(method, status)


@pytest.mark.parametrize("status", [200, 204, 301, 304, 307, 308, 399])
def test_below_400_settles_what_the_published_adapter_settles(status: int) -> None:
    assert settles("below-400", "GET", status)


@pytest.mark.parametrize("status", [99, 400, 404, 500, 503])
def test_below_400_means_below_400(status: int) -> None:
    assert not settles("below-400", "GET", status)


def test_the_rules_differ_on_a_redirect() -> None:
    assert not settles("delivered", "GET", 307)
    assert settles("below-400", "GET", 307)
