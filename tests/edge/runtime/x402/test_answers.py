"""What a standard facilitator may answer, and what the gate makes of it."""

import pytest

from edge.runtime.gate import Answer, NoAnswer, Unavailable
from edge.runtime.x402 import facilitator as standard
from edge.runtime.x402.amount import due
from edge.runtime.x402.terms import Accept


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(200, {"isValid": True}), ""),
        (Answer(200, {"isValid": False, "invalidReason": "no_funds"}), "no_funds"),
        (Answer(402, {"isValid": False, "invalidReason": "a b"}), "invalid_payment"),
        (Answer(500, {"isValid": False}), "invalid_payment"),
    ],
)
def test_verify_answers(answer: Answer, reason: str) -> None:
    assert standard._verified(answer) == reason


@pytest.mark.parametrize(
    "answer",
    [
        NoAnswer("late"),
        Answer(200, {"isValid": 1}),
        Answer(200, {"isValid": "true"}),
        Answer(200, None),
        Answer(201, {"isValid": True}),
        Answer(401, {}),
        Answer(500, {"isValid": True}),
    ],
)
def test_verify_answers_that_say_nothing(answer: Answer | NoAnswer) -> None:
    assert isinstance(standard._verified(answer), Unavailable)


TIMED_OUT = "settle_exact_evm_transaction_confirmation_timed_out"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(200, {"success": True, "transaction": "0x1"}), "settled"),
        (Answer(200, {"success": 1}), "unknown"),
        (Answer(500, {"success": True}), "unknown"),
        (
            Answer(500, {"success": False, "errorReason": "settlement_pending"}),
            "unknown",
        ),
        (Answer(400, {"success": False, "errorReason": "broke"}), "refused"),
        (Answer(500, {"success": False, "errorReason": "broke"}), "unknown"),
        (Answer(500, {"success": False, "errorReason": "invalid_x"}), "refused"),
        (Answer(500, {"success": False}), "unknown"),
        (Answer(200, {"success": False}), "refused"),
        (Answer(200, {"success": False, "transaction": "0x1"}), "unknown"),
        (Answer(200, {"success": False, "errorReason": TIMED_OUT}), "unknown"),
        (
            Answer(200, {"success": False, "errorReason": "unexpected_settle_error"}),
            "unknown",
        ),
        (
            Answer(200, {"success": False, "errorReason": "permit2_invalid_nonce"}),
            "used",
        ),
        (Answer(401, None), "unknown"),
        *[
            (Answer(status, {"success": False, "error": "unauthorized"}), "unknown")
            for status in (401, 403, 408, 429)
        ],
        (Answer(403, {"success": False, "errorReason": "blocked"}), "refused"),
        (NoAnswer("late"), "unknown"),
    ],
)
def test_settle_answers(answer: Answer | NoAnswer, kind: str) -> None:
    assert standard._found(answer).kind == kind


@pytest.mark.parametrize(
    ("override", "amount"),
    [
        (None, "1000"),
        ("{}", "1000"),
        ('{"amount": "7"}', "7"),
        ('{"amount": "0"}', "0"),
        ('{"amount": "50%"}', "500"),
        ('{"amount": "0.05%"}', "0"),
        ('{"amount": "12.5%"}', "125"),
        ('{"amount": "$0.0005"}', "500"),
        ('{"amount": "1000"}', "1000"),
        ('{"amount": "1001"}', None),
        ('{"amount": "101%"}', None),
        ('{"amount": "-1"}', None),
        ('{"amount": 7}', None),
        ('{"amount": "07"}', None),
        ("7", None),
        ("{", None),
    ],
)
def test_amounts(override: str | None, amount: str | None) -> None:
    accept = Accept({"scheme": "upto", "amount": "1000"}, 6)
    assert due(accept, override) == amount
    exact = Accept({"scheme": "exact", "amount": "1000"}, 6)
    assert due(exact, override) == "1000"
