"""One payment in many spellings, and many proofs of one nonce: one execution."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from tests.edge.runtime.x402.test_gate import pay
from tests.origin_middleware.x402.test_strangers import _spellings
from tests.support.payments import decoded, encoded, pay_with_permit2
from tests.support.scripted_facilitator import ScriptedFacilitator, answer
from tests.support.x402_gate import EXACT, Gate, asking, routes, selling

VALID = {"isValid": True, "payer": "0x1"}
SETTLED = {"success": True, "transaction": "0xabc", "network": EXACT["network"]}


@pytest.mark.parametrize("many", [32, pytest.param(1_000, marks=pytest.mark.slow)])
def test_spellings_of_one_payment(many: int) -> None:
    with selling() as gate:
        spellings = _spellings(pay(gate), Random(402))  # noqa: S311 - repeatable
        headers: set[str] = set()
        while len(headers) < many:
            headers.add(next(spellings))
        with ThreadPoolExecutor(8) as pool:
            told = Counter(each.status for each in pool.map(gate.ask, sorted(headers)))
        assert told[200]
        assert set(told) <= {200, 400, 402, 422}
        assert (len(gate.executions), gate.facilitator.paid) == (1, 1)


def test_the_amount_of_upto_is_the_handlers() -> None:
    """Also at a replay; and nothing over the maximum."""
    accept = EXACT | {"scheme": "upto", "asset": "USDC"}
    document = routes(accept)
    for charges, asked, status in (
        ('{"amount": "7"}', "7", 200),
        ('{"amount": "1001"}', None, 500),
        ("7", None, 500),
    ):
        with (
            ScriptedFacilitator() as scripted,
            selling(document, charges=charges) as gate,
            asking(gate, scripted.url, document) as chosen,
        ):
            assert chosen.x402 is not None
            payment = decoded(pay_with_permit2())
            payment["payload"]["permit2Authorization"]["deadline"] = "9999999999"
            offer = chosen.x402.offers["/report"].accepts[0]
            payment["accepted"] = dict(offer.entry)
            for _ in range(2):
                scripted.will(answer(200, VALID))
                if asked is not None:
                    scripted.will(answer(200, SETTLED))
                told = gate.ask(encoded(payment))
                assert told.status == status
                assert "settlement-overrides" not in told.headers
            amounts = [
                question.body["paymentRequirements"]["amount"]
                for question in scripted.asked
                if question.path.endswith("/settle")
            ]
            assert amounts == ([asked, asked] if asked is not None else [])
            assert len(gate.executions) == 1


def test_one_nonce_signed_again_and_a_decoy() -> None:
    with selling() as gate:
        payment = decoded(pay(gate))
        assert gate.ask(encoded(payment)).status == 200
        payment["payload"]["authorization"]["validBefore"] = "99999999999"
        assert _refused(gate, payment)
        payment["payload"]["permit2Authorization"] = {"nonce": "1"}
        assert _refused(gate, payment)
        assert len(gate.executions) == 1


def _refused(gate: Gate, payment: object) -> bool:
    return gate.ask(encoded(payment)).status in (400, 402, 422)
