"""The gate before a standard facilitator: the SDK's client, its facilitator over a
pretended chain, and an origin that records.
"""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from x402.http.utils import (
    decode_payment_response_header,
)

from edge.runtime.gate import Forward
from edge.runtime.handler import Edge
from edge.runtime.x402.facilitator import X402
from sample_origin.payers import signed
from tests.support.cloudfront_events import documented
from tests.support.payments import Json, decoded, encoded
from tests.support.x402_gate import EXACT, Answer, Gate, logged, routes, selling


def pay(gate: Gate) -> str:
    """As the SDK's client does: ask, read the demand, sign."""
    return sign(gate.ask())


def sign(demand: Answer) -> str:
    assert demand.status == 402
    return signed(demand.headers["payment-required"])


def test_a_payment_is_verified_run_and_settled() -> None:
    with selling() as gate:
        answer = gate.ask(pay(gate))
        assert (answer.status, answer.body) == (200, '{"report":1}')
        receipt = decode_payment_response_header(answer.headers["payment-response"])
        assert receipt.success
        assert receipt.transaction == gate.facilitator.chain.transactions[0]


def test_twenty_duplicates_at_once_and_five_later() -> None:
    with selling() as gate:
        payment = pay(gate)
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(gate.ask, [payment] * 20))
        answers += [gate.ask(payment) for _ in range(5)]
        assert [(each.status, each.body) for each in answers] == [
            (200, '{"report":1}')
        ] * 25
        assert (len(gate.executions), gate.facilitator.paid) == (1, 1)


@pytest.mark.parametrize("fault", ["503", "lost", "pending_500", "cut"])
def test_a_settlement_that_is_unknown(fault: str) -> None:
    """Asked again at once; a retry gets the answer, and nobody pays twice."""
    with selling(None, fault) as gate:
        payment = pay(gate)
        assert [gate.ask(payment).status for _ in range(3)] == [200, 200, 200]
        assert (len(gate.executions), gate.facilitator.paid) == (1, 1)


def test_an_unknown_settlement_is_delivered_or_withheld(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with selling(None, "503", "503") as gate:
        assert gate.ask(pay(gate)).status == 200
    *_, line = logged(capsys.readouterr().out)
    assert (line["settled"], line["error"]) == (False, "settle answered 503")
    with selling(routes(settle_unknown="refuse"), "503", "503") as gate:
        payment = pay(gate)
        withheld = gate.ask(payment)
        assert (withheld.status, withheld.headers["retry-after"]) == (503, "5")
        assert "payment-required" not in withheld.headers
        assert gate.ask(payment).status == 200
        assert (len(gate.executions), gate.facilitator.paid) == (1, 1)


def test_a_refused_settlement_withholds_the_answer() -> None:
    """The record stays: the same payment gets the answer once it can be made."""
    with selling(None, "broke") as gate:
        payment = pay(gate)
        refused = gate.ask(payment)
        assert (refused.status, refused.body) == (402, "{}")
        receipt = decode_payment_response_header(refused.headers["payment-response"])
        assert (receipt.success, receipt.error_reason) == (False, "insufficient_funds")
        assert gate.ask(payment).status == 200
        assert (len(gate.executions), gate.facilitator.paid) == (1, 1)


def test_a_used_payment_is_forwarded_for_a_replay_only() -> None:
    with selling() as gate:
        payment = pay(gate)
        assert gate.ask(payment).status == 200
        replayed = gate.ask(payment)
        assert (replayed.status, replayed.headers["idempotent-replayed"]) == (
            200,
            "true",
        )
        first, second = gate.forwarded
        assert first["x-settlement-intent-id"] == second["x-settlement-replay-id"]
        assert "x-settlement-intent-id" not in second
        assert gate.ask(payment, body="another request").status == 422
        assert len(gate.executions) == 1


def test_a_used_payment_of_which_nothing_is_on_record_runs_nothing() -> None:
    with selling() as gate, selling() as elsewhere:
        elsewhere.facilitator.chain = gate.facilitator.chain
        payment = pay(gate)
        assert gate.ask(payment).status == 200
        elsewhere.edge = gate.edge  # the same gate, another origin
        assert elsewhere.ask(payment).status == 409
        assert elsewhere.executions == []


@pytest.mark.parametrize(("used", "status"), [("replay", 200), ("refuse", 402)])
def test_a_duplicate_was_settled_first(used: str, status: int) -> None:
    with selling(routes(used=used)) as gate:
        payment = pay(gate)
        gate.facilitator.faults.append("used")
        assert gate.ask(payment).status == status
        assert len(gate.executions) == 1


def test_a_used_payment_can_be_refused_at_the_gate() -> None:
    with selling(routes(used="refuse")) as gate:
        payment = pay(gate)
        assert [gate.ask(payment).status for _ in range(2)] == [200, 402]
        assert len(gate.forwarded) == 1


def test_strangers() -> None:
    """With zeros for a signature; with the whole payment from the chain and a demand
    of their own. The payer is still answered."""
    with selling() as gate:
        payment = pay(gate)
        assert gate.ask(payment).status == 200
        zeros = decoded(payment)
        zeros["payload"]["signature"] = "0x" + "0" * 130
        own = decoded(payment)
        own["extensions"] = decoded(gate.ask().headers["payment-required"])[
            "extensions"
        ]
        for stranger in (zeros, own):
            assert gate.ask(encoded(stranger)).status in (402, 422)
        assert gate.ask(payment).status == 200
        assert len(gate.executions) == 1


def test_clients_cannot_speak_for_the_gate() -> None:
    with selling() as gate:
        payment = pay(gate)
        gate.ask(payment)
        for name in ("x_settlement_replay_id", "x_settlement_intent_id"):
            assert gate.ask(**{name: "x402_1"}).status == 402
        forged = gate.ask(
            pay(gate), x_settlement_proof="forged", x_settlement_replay_id="x402_1"
        )
        assert forged.status == 200
        assert gate.forwarded[-1]["x-settlement-proof"] != "forged"
        assert "x-settlement-replay-id" not in gate.forwarded[-1]


def test_logs_show_no_payment_token_or_signature(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with selling(routes(identifier="required")) as gate:
        payment = decoded(pay_with_id(gate, "identifier-of-16-and-more"))
        assert gate.ask(encoded(payment)).status == 200
    out = capsys.readouterr().out
    token = payment["extensions"]["replay-token"]["info"]["token"]
    signed = payment["payload"]["authorization"]
    for secret in (
        token,
        payment["payload"]["signature"],
        signed["nonce"],
        "identifier-of-16-and-more",
        encoded(payment),
    ):
        assert secret not in out
    *_, line = logged(out)
    assert line["facilitator"] == "x402"
    assert (line["scheme"], line["network"]) == ("exact", "eip155:84532")
    assert line["transaction"].startswith("0x")


def pay_with_id(gate: Gate, identifier: str | None) -> str:
    payment = decoded(pay(gate))
    info = payment["extensions"]["payment-identifier"]["info"]
    if identifier is not None:
        info["id"] = identifier
    return encoded(payment)


@pytest.mark.parametrize("identifier", [None, "short", "x" * 129, "with a space 12345"])
def test_an_identifier_that_is_required_or_malformed(identifier: str | None) -> None:
    with selling(routes(identifier="required")) as gate:
        assert gate.ask(pay_with_id(gate, identifier)).status == 400
        assert gate.facilitator.verified == 0


EDITS: dict[str, Callable[[Json], Any]] = {
    "v1": lambda paid: paid.update(x402Version=1),
    "version true": lambda paid: paid.update(x402Version=True),
    "price": lambda paid: paid["accepted"].update(amount="1"),
    "payTo": lambda paid: paid["accepted"].update(payTo="0x" + "1" * 40),
    "extra": lambda paid: paid["accepted"].update(extra={}),
    "both methods": lambda paid: paid["payload"].update(permit2Authorization={}),
    "scheme": lambda paid: paid["accepted"].update(scheme="batch-settlement"),
    "nonce": lambda paid: paid["payload"]["authorization"].update(nonce="0x1"),
    "from": lambda paid: paid["payload"]["authorization"].update({"from": "nobody"}),
    "transaction": lambda paid: paid.update(payload={"transaction": "AAAA"}),
}


def edited(payment: str, edit: str) -> str:
    members: Json = decoded(payment)
    EDITS[edit](members)
    return encoded(members)


@pytest.mark.parametrize(
    ("edit", "status"),
    [
        ("v1", 402),
        ("version true", 402),
        ("price", 402),
        ("payTo", 402),
        ("extra", 402),
        ("both methods", 400),
        ("scheme", 400),
        ("nonce", 400),
        ("from", 400),
        ("transaction", 400),
    ],
)
def test_payments_that_are_not_asked_about(edit: str, status: int) -> None:
    with selling() as gate:
        answer = gate.ask(edited(pay(gate), edit))
        assert answer.status == status
        if edit.startswith("v"):
            assert "2" in decoded(answer.headers["payment-required"])["error"]
        assert (gate.facilitator.verified, gate.executions) == (0, [])


@pytest.mark.parametrize(
    "header",
    [
        "",
        "=",
        "e30",
        "e30=\n",
        "e30= ",
        "/" * 4,
        "WzFd",
        "eyJhIjoxLCJhIjoyfQ==",  # {"a":1,"a":2}
        "eyJhIjpOYU59",  # {"a":NaN}
    ],
)
def test_headers_that_cannot_be_read(header: str) -> None:
    with selling() as gate:
        assert gate.ask(header).status == 400
        assert gate.facilitator.verified == 0


def test_a_payment_over_16_kilobytes_is_not_read() -> None:
    """Which would be one without the spaces."""
    with selling() as gate:
        short = encoded(decoded(pay(gate)))
        text = json.dumps(decoded(short))
        long = base64.b64encode((text + " " * 13_000).encode()).decode()
        assert len(long) > 16_384
        assert gate.ask(long).status == 400
        assert gate.facilitator.verified == 0
        assert gate.ask(short).status == 200


def test_an_origin_without_the_middleware_gets_no_intent_for_a_used_payment() -> None:
    """What it does then is its own; nothing says that the payment counts."""
    with selling(protected=False) as gate:
        payment = pay(gate)
        assert gate.ask(payment).status == 200
        gate.ask(payment)
        assert "x-settlement-intent-id" not in gate.forwarded[-1]
        assert gate.facilitator.paid == 1


def test_without_a_payment_or_with_that_of_v1() -> None:
    with selling() as gate:
        for answer in (gate.ask(), gate.ask(x_payment="e30=")):
            assert (answer.status, answer.body) == (402, "{}")
            assert answer.headers["cache-control"] == "no-store"
            demand = decoded(answer.headers["payment-required"])
            assert demand["x402Version"] == 2
            assert demand["accepts"][0]["amount"] == EXACT["amount"]
        tokens = {
            decoded(gate.ask().headers["payment-required"])["extensions"][
                "replay-token"
            ]["info"]["token"]
            for _ in range(5)
        }
        assert len(tokens) == 5


def test_a_payment_on_two_lines() -> None:
    with selling() as gate:
        request = documented("viewer-request")["Records"][0]["cf"]["request"]
        request |= {"uri": "/report", "method": "POST"}
        line = {"key": "Payment-Signature", "value": pay(gate)}
        request["headers"]["payment-signature"] = [line, line]
        assert gate.edge(documented_with(request), None)["status"] == "400"


@pytest.mark.parametrize("sent", ["another", "none"])
def test_what_was_not_verified_is_not_settled(sent: str) -> None:
    """As where the origin request policy does not forward the payment."""
    with selling() as gate:
        request = documented("viewer-request")["Records"][0]["cf"]["request"]
        request |= {"uri": "/report", "method": "POST"}
        name = "payment-signature"
        request["headers"][name] = [{"key": name, "value": pay(gate)}]
        event = documented("origin-response")
        forwarded = gate.edge(documented_with(request), None)
        if sent == "another":
            payment = decoded(forwarded["headers"][name][0]["value"])
            payment["payload"]["signature"] = "0x" + "1" * 130
            forwarded["headers"][name][0]["value"] = encoded(payment)
        else:
            del forwarded["headers"][name]
        event["Records"][0]["cf"]["request"] = forwarded
        assert gate.edge(event, None)["status"] == "500"
        assert gate.facilitator.settled == 0


def test_the_intent_of_another_facilitator_costs_nobody_the_response(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As while a gate of NexFlow is replaced by this one."""
    with selling() as gate:
        request = documented("viewer-request")["Records"][0]["cf"]["request"]
        request |= {"uri": "/report", "method": "POST"}
        before = Edge(gate.edge._settings, NexFlowAlike(gate.edge._settings))
        event = documented("origin-response")
        cf = event["Records"][0]["cf"]
        cf["request"] = before(documented_with(request), None)
        cf["response"]["status"] = "200"
        capsys.readouterr()
        assert gate.edge(event, None) is cf["response"]
        assert gate.facilitator.settled == 0
    (line,) = logged(capsys.readouterr().out)
    assert line["error"] == "the intent is of another facilitator"


def test_where_nothing_was_asked_no_time_was_spent_asking(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """However long reading and refusing take on a small Lambda."""

    with selling() as gate:
        chosen = gate.edge._settings
        clock = count(step=0.01)
        edge = Edge(chosen, X402(chosen), clock=lambda: next(clock))
        request = documented("viewer-request")["Records"][0]["cf"]["request"]
        request |= {"uri": "/report", "method": "POST"}
        assert edge(documented_with(request), None)["status"] == "402"
    (line,) = logged(capsys.readouterr().out)
    assert line["latencyMs"] == 0


def test_after_a_bug_it_is_still_known_that_there_was_a_payment(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Broken(X402):
        def judge(self, *_: Any) -> Any:
            raise RuntimeError

    with selling() as gate:
        request = documented("viewer-request")["Records"][0]["cf"]["request"]
        request |= {"uri": "/report", "method": "POST"}
        line = {"key": "Payment-Signature", "value": "e30="}
        chosen = gate.edge._settings
        for headers, is_there in (({}, False), ({"payment-signature": [line]}, True)):
            event = documented_with(request | {"headers": headers})
            assert Edge(chosen, Broken(chosen))(event, None)["status"] == "500"
            (found,) = logged(capsys.readouterr().out)
            assert found["hasPaymentHeader"] is is_there


class NexFlowAlike(X402):
    """Vouches for an intent of its own."""

    def judge(self, *_: Any) -> Forward:
        return Forward("si_1")


def documented_with(request: Any) -> Any:
    event = documented("viewer-request")
    event["Records"][0]["cf"]["request"] = request
    return event
