"""What a response is worth, and what became of settling it."""

import pytest

from edge.gate import (
    Ambiguous,
    Answer,
    Free,
    Gated,
    NoAnswer,
    NotOurs,
    Settle,
    Settled,
    Skip,
    Unsettled,
    conclude,
    outcome,
)
from tests.edge.examples import JOKE, exactly


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
        (Answer(500, {"error": 1}), "settle answered 500"),
        (Answer(201, {"ok": True}), "settle answered 201"),
    ],
)
def test_what_went_wrong_with_settle_is_said(
    answer: Answer | NoAnswer, error: str
) -> None:
    assert exactly(outcome(answer)) == exactly(Unsettled(error))


def test_a_delivered_response_is_settled() -> None:
    conclusion = conclude(Gated(JOKE), "GET", "intent-1", 200, "delivered")
    assert exactly(conclusion) == exactly(Settle(JOKE, "intent-1", 200))


@pytest.mark.parametrize("status", [304, 307, 404, 503])
def test_what_was_not_delivered_is_skipped_and_says_why(status: int) -> None:
    conclusion = conclude(Gated(JOKE), "GET", "intent-1", status, "delivered")
    assert exactly(conclusion) == exactly(
        Skip("intent-1", status, f"origin returned {status}")
    )


def test_the_rule_of_the_seller_decides() -> None:
    assert isinstance(conclude(Gated(JOKE), "GET", "a", 307, "delivered"), Skip)
    assert isinstance(conclude(Gated(JOKE), "GET", "a", 307, "below-400"), Settle)


@pytest.mark.parametrize("admission", [Free(), Ambiguous()])
def test_what_is_not_gated_is_not_settled(admission: Free | Ambiguous) -> None:
    conclusion = conclude(admission, "GET", "intent-1", 200, "delivered")
    assert isinstance(conclusion, NotOurs)


def test_a_missing_intent_is_said() -> None:
    """As it is when no origin request policy forwards the headers."""
    conclusion = conclude(Gated(JOKE), "GET", None, 200, "delivered")
    assert exactly(conclusion) == exactly(
        Skip(None, 200, "no settlement intent in the forwarded request")
    )


def test_a_status_that_cannot_be_read_delivers_nothing() -> None:
    conclusion = conclude(Gated(JOKE), "GET", "intent-1", None, "below-400")
    assert exactly(conclusion) == exactly(
        Skip("intent-1", None, "origin returned an unreadable status")
    )
