"""Facilitators that answer late, wrongly or not at all, and payers who know something
of another's payment: what each of them gets.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from x402.http.utils import decode_payment_response_header

from edge.runtime.x402 import facilitator as standard
from edge.runtime.x402.facilitator import X402
from tests.edge.runtime.x402.test_gate import pay, pay_with_id
from tests.support.payments import Json, decoded, encoded, pay_with_permit2
from tests.support.scripted_facilitator import (
    ScriptedFacilitator,
    answer,
    hang_up,
    raw,
    wire,
)
from tests.support.x402_facilitator import facilitating
from tests.support.x402_gate import EXACT, Gate, asking, logged, routes, selling

VALID = {"isValid": True, "payer": "0x1"}
SETTLED = {"success": True, "transaction": "0xabc", "network": EXACT["network"]}
IDENTIFIER = "an-id-that-is-known"


@pytest.mark.parametrize("fault", ["hang", "slow"])
def test_a_settlement_whose_answer_is_late(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The money has moved. Asked once more, the facilitator says so."""
    monkeypatch.setattr(standard, "_FIRST", 0.05)  # 1 s, and 19 s for the second
    with selling(None, fault) as gate:
        payment = pay(gate)
        paid = gate.ask(payment)
        assert (paid.status, paid.body) == (200, '{"report":1}')
        assert decode_payment_response_header(paid.headers["payment-response"]).success
        assert gate.facilitator.settled == 2
        assert gate.ask(payment).body == paid.body
        assert (len(gate.executions), gate.facilitator.paid) == (1, 1)


@pytest.mark.parametrize(("rule", "status"), [("deliver", 200), ("refuse", 503)])
def test_a_settlement_that_never_gets_an_answer(
    rule: str,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Asked twice, and no more; the payer who has paid gets the answer at a retry, and
    is never told to pay again."""
    monkeypatch.setattr(X402, "longest_settle", 2.0)
    with selling(routes(settle_unknown=rule), "hang", "hang") as gate:
        payment = pay(gate)
        told = gate.ask(payment)
        assert told.status == status
        assert not {"payment-required", "payment-response"} & told.headers.keys()
        *_, line = logged(capsys.readouterr().out)
        assert (line["settled"], line["error"]) == (
            False,
            "the facilitator did not answer in time",
        )
        retry = gate.ask(payment)
        assert (retry.status, retry.body) == (200, '{"report":1}')
        assert gate.facilitator.settled == 2
        assert (len(gate.executions), gate.facilitator.paid) == (1, 1)


def test_a_retry_whose_offer_is_gone_is_asked_to_pay_unless_it_is_kept() -> None:
    raised = EXACT | {"amount": "2000"}
    kept = routes(raised)
    kept["route"][0]["accepts"].append(dict(EXACT))
    with selling() as gate, facilitating() as (facilitator, url):
        facilitator.chain = gate.facilitator.chain
        payment = pay(gate)
        first = gate.ask(payment)
        with asking(gate, url, routes(raised)):
            assert gate.ask(payment).status == 402
        with asking(gate, url, kept):
            retry = gate.ask(payment)
            assert (retry.status, retry.body) == (200, first.body)
        assert (len(gate.executions), gate.facilitator.paid) == (1, 1)


@contextmanager
def scripted() -> Iterator[tuple[ScriptedFacilitator, Gate]]:
    with (
        ScriptedFacilitator() as facilitator,
        selling() as gate,
        asking(gate, facilitator.url),
    ):
        yield facilitator, gate


SAYS_NOTHING = {
    "no JSON": raw(200, b"<html>"),
    "no body": raw(200, b""),
    "a member twice": raw(200, b'{"isValid":true,"isValid":true}'),
    "no members": answer(200, {}),
    "a list": answer(200, [VALID]),
    "no isValid": answer(200, {"payer": "0x1"}),
    "a text": answer(200, {"isValid": "true"}),
    "a number": answer(200, {"isValid": 1}),
    "null": answer(200, {"isValid": None}),
    "202": answer(202, VALID),
    "302": answer(302, VALID),
    "401": answer(401, {"error": "who are you?"}),
    "500, and valid": answer(500, VALID),
    "500": answer(500, {"error": "broken"}),
    "nothing": hang_up(),
    "half": wire(b'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"isValid":true}'),
}


def test_an_answer_to_verify_that_says_nothing() -> None:
    """500, and nothing is demanded: the payment may be good, and is at the next try."""
    with scripted() as (facilitator, gate):
        payment = pay(gate)
        for name, step in SAYS_NOTHING.items():
            # A kept connection that ends is asked about again, over a fresh one.
            facilitator.will(answer(200, {"isValid": False}, {"connection": "close"}))
            assert gate.ask(payment).status == 402
            facilitator.will(step)
            told = gate.ask(payment)
            assert told.status == 500, name
            assert "payment-required" not in told.headers
        assert gate.forwarded == []
        facilitator.will(answer(200, VALID), answer(200, SETTLED))
        assert gate.ask(payment).status == 200


def test_an_invalid_payment_is_told_why() -> None:
    """Whatever the status; and by a code, not by what a facilitator may quote."""
    with scripted() as (facilitator, gate):
        payment = pay(gate)
        for status, reason, told in (
            (200, "insufficient_funds", "insufficient_funds"),
            (400, "insufficient_funds", "insufficient_funds"),
            (500, "Bearer secret text", "invalid_payment"),
            (402, None, "invalid_payment"),
            (200, [], "invalid_payment"),
        ):
            facilitator.will(
                answer(status, {"isValid": False, "invalidReason": reason})
            )
            answered = gate.ask(payment)
            assert answered.status == 402
            assert decoded(answered.headers["payment-required"])["error"] == told
        assert gate.forwarded == []


def test_one_nonce_of_permit2_for_two_tokens_and_two_spenders() -> None:
    """It is used up for its owner, whatever is paid, and through whom."""
    other = {"asset": "0x" + "1" * 40, "decimals": 6, "name": "T", "version": "1"}
    upto = EXACT | {"scheme": "upto"}
    document = routes(upto)
    document["route"][0]["accepts"].append(upto | other)
    with (
        ScriptedFacilitator() as facilitator,
        selling(document) as gate,
        asking(gate, facilitator.url, document) as chosen,
    ):
        assert chosen.x402 is not None
        usdc, token = chosen.x402.offers["/report"].accepts
        owned = decoded(pay_with_permit2())
        owned["payload"]["permit2Authorization"]["deadline"] = "9999999999"
        owned["accepted"] = dict(usdc.entry)
        paid = encoded(owned)
        with_token = decoded(paid)
        with_token["accepted"] = dict(token.entry)
        _permitted(with_token)["permitted"]["token"] = token.entry["asset"]
        with_spender = decoded(paid)
        _permitted(with_spender)["spender"] = "0x" + "2" * 40
        facilitator.will(answer(200, VALID), answer(200, SETTLED))
        assert gate.ask(paid).status == 200
        # A facilitator that knows nothing of the nonce: the origin does.
        for again in (with_token, with_spender):
            facilitator.will(answer(200, VALID))
            assert gate.ask(encoded(again)).status == 422
        settled = [each for each in facilitator.asked if each.path.endswith("/settle")]
        assert (len(settled), len(gate.executions)) == (1, 1)
        of_another = decoded(paid)
        _permitted(of_another)["from"] = "0x" + "3" * 40
        facilitator.will(answer(200, VALID), answer(200, SETTLED))
        assert gate.ask(encoded(of_another)).body == '{"report":2}'


def _permitted(payment: Json) -> Json:
    signed: Json = payment["payload"]["permit2Authorization"]
    return signed


@pytest.mark.parametrize("faults", [(), ("503", "503")])
def test_who_knows_an_identifier(faults: tuple[str, ...]) -> None:
    """Before and after the settlement: another's payment is his own purchase, and the
    same payment under another id, or for another request, is 422."""
    with selling(routes(identifier="required"), *faults) as gate:
        mine = pay_with_id(gate, IDENTIFIER)
        assert gate.ask(mine).body == '{"report":1}'
        settled = gate.facilitator.settled

        renamed = decoded(mine)
        info = renamed["extensions"]["payment-identifier"]["info"]
        info["id"] = "another-id-of-16-characters"
        assert gate.ask(encoded(renamed)).status == 422
        assert gate.ask(mine, body="another request").status == 422
        unpaid = decoded(pay_with_id(gate, IDENTIFIER))
        unpaid["payload"]["signature"] = "0x" + "0" * 130
        assert gate.ask(encoded(unpaid)).status == 402
        assert gate.facilitator.settled == settled

        own = gate.ask(pay_with_id(gate, IDENTIFIER))
        assert (own.status, own.body) == (200, '{"report":2}')
        assert "idempotent-replayed" not in own.headers
        assert gate.ask(mine).body == '{"report":1}'
        assert (len(gate.executions), gate.facilitator.paid) == (2, 2)
