"""Duplicates, and faults of the facilitator, in any order: the payer gets the answer,
pays once, and one handler runs.
"""

import asyncio
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st
from x402 import PaymentPayload, SettleResponse, SupportedResponse, VerifyResponse
from x402.http import HTTPFacilitatorClient
from x402.schemas import SupportedKind

from origin_middleware import MemoryStore, Policy
from origin_middleware.x402 import payment_key, settle_once
from tests.support.payments import NETWORK
from tests.support.x402_shop import ours, sdk, shop
from tests.support.x402_trade import Buyer, Sales, receipt, statuses


class Moody:
    """A facilitator over a chain of nonces: each fault is for one settlement."""

    def __init__(self, faults: list[str]) -> None:
        self._faults = faults
        self._used: set[str] = set()
        self.paid = 0

    def get_supported(self) -> SupportedResponse:
        kind = SupportedKind(x402_version=2, scheme="exact", network=NETWORK)
        return SupportedResponse(kinds=[kind])

    async def verify(self, payload: Any, _: Any) -> VerifyResponse:
        used = _nonce(payload) in self._used
        reason = "invalid_exact_evm_nonce_already_used" if used else None
        await asyncio.sleep(0)
        return VerifyResponse(is_valid=not used, invalid_reason=reason)

    async def settle(self, payload: Any, _: Any) -> SettleResponse:
        fault = self._faults.pop(0) if self._faults else "none"
        await asyncio.sleep(0)
        if fault == "nothing":
            raise httpx.ReadTimeout("nothing was done")
        answer = self._transfer(_nonce(payload))
        await asyncio.sleep(0)
        match fault:
            case "lost":
                raise httpx.ReadError("")
            case "pending":
                pending = {"success": False, "error_reason": "settlement_pending"}
                return answer.model_copy(update=pending)
            case "nonsense":
                raise ValueError("Facilitator settle returned invalid JSON: <html>")
        return answer

    def _transfer(self, nonce: str) -> SettleResponse:
        if nonce in self._used:
            reason = "invalid_exact_evm_nonce_already_used"
            return _answer(success=False, error_reason=reason, transaction="")
        self._used.add(nonce)
        self.paid += 1
        return _answer(success=True, transaction=f"0x{self.paid}")


def _nonce(payload: PaymentPayload) -> str:
    nonce: str = payload.payload["authorization"]["nonce"]
    return nonce


def _answer(**members: Any) -> SettleResponse:
    return SettleResponse(network=NETWORK, **members)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.sampled_from(["nothing", "lost", "pending", "nonsense", "none"]), max_size=8
    ),
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.integers(0, 2),
)
def test_whatever_fails_a_payer_pays_once_for_one_answer(
    faults: list[str], rounds: list[int], failures: int
) -> None:
    asyncio.run(_play(faults, rounds, failures))


async def _play(faults: list[str], rounds: list[int], failures: int) -> None:
    store, facilitator = MemoryStore(), Moody(faults)
    sales = Sales(failures=failures)
    client = HTTPFacilitatorClient()  # never asked
    policy = Policy(key_of=payment_key)
    stack = [sdk(settle_once(facilitator, store)), ours(store, policy)]
    transport = httpx.ASGITransport(shop(sales.sell, stack, client))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
        buyer = Buyer(http)
        payment = await buyer.sign()
        told: set[int] = set()
        for many in rounds:
            told.update(statuses(await buyer.ask_all([payment] * many)))
        # Once nothing fails any more, the next retry gets all there is.
        faults.clear()
        while (last := await buyer.ask(payment)).status_code == 500:
            pass
    assert last.status_code == 200
    assert receipt(last).extra is None
    assert told <= {200, 500}
    assert sales.executions == failures + 1
    assert facilitator.paid == 1
