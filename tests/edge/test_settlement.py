"""What a response is worth, and what became of settling it."""

from typing import Any

import pytest

from edge.delivered import SettleRule
from edge.gate import Admission, Ambiguous, Answer, Free, Gated, NoAnswer
from edge.settlement import (
    Delivery,
    NotOurs,
    Settle,
    Settled,
    Skip,
    Unsettled,
    conclude,
    outcome,
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
) -> NotOurs | Skip | Settle:
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
        (Answer(404, {"ok": False, "error": "intent_not_found"}), "intent_not_found"),
        (Answer(401, {"error": "unauthorized"}), "unauthorized"),
        (Answer(200, {"ok": False, "error": "conflict"}), "conflict"),
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
