"""`settle_once` in a shop as the documentation has it: whatever becomes of the question
to the facilitator, the handler runs once and the payer pays once.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.middleware import Middleware
from x402 import PaymentPayload, SettleResponse, VerifyResponse
from x402.http import (
    FacilitatorConfig,
    HTTPFacilitatorClient,
    HTTPFacilitatorClientSync,
)
from x402.http.utils import (
    decode_payment_signature_header,
    encode_payment_signature_header,
)

from origin_middleware import (
    ConfigurationError,
    IdempotencyMiddleware,
    MemoryStore,
    Policy,
    Store,
    StoreUnavailable,
    persistence,
)
from origin_middleware.key import Key
from origin_middleware.record import Answer, Claim, Completed
from origin_middleware.response import StoredResponse
from origin_middleware.x402 import SettleOnce, payment_key, settle_once
from origin_middleware.x402.passage import Payment
from tests.support.asgi import App, request
from tests.support.faulty import FaultyStore
from tests.support.payments import decoded, encoded, pay, requirements
from tests.support.stores import a_claim
from tests.support.x402_facilitator import facilitating
from tests.support.x402_shop import ours, sdk, shop, terms
from tests.support.x402_trade import Sales, receipt, statuses, trading

SLOW = pytest.mark.slow
FAULTS = [
    "lost",
    "pending_500",
    *(pytest.param(fault, marks=SLOW) for fault in ("503", "cut", "hang")),
]


async def test_twenty_duplicates_at_once_and_five_later() -> None:
    async with trading() as trade:
        payment = await trade.sign()
        answers = await trade.ask_all([payment] * 20)
        answers += [await trade.ask(payment) for _ in range(5)]
        assert statuses(answers) == {200: 25}
        assert len({receipt(answer).transaction for answer in answers}) == 1
        assert {answer.text for answer in answers} == {'{"execution":1}'}
        assert (trade.executions, trade.facilitator.settled, trade.paid) == (1, 1, 1)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_of_a_settlement_is_not_seen(fault: str) -> None:
    async with trading(fault, timeout=3.0) as trade:
        payment = await trade.sign()
        first, retry = await trade.ask(payment), await trade.ask(payment)
        assert (first.status_code, retry.status_code) == (200, 200)
        assert receipt(first).success
        assert receipt(first).extra is None
        assert (trade.executions, trade.facilitator.settled, trade.paid) == (1, 2, 1)


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_settlement_that_stays_unknown_is_asked_again_by_a_retry(
    fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with trading(fault, fault, timeout=3.0) as trade:
        payment = await trade.sign()
        first = await trade.ask(payment)
        assert first.status_code == 200
        assert receipt(first).extra == {"settlement": "unknown"}
        assert "It is unknown whether a payment was settled" in caplog.text
        assert payment not in caplog.text
        retry = await trade.ask(payment)
        assert retry.status_code == 200
        assert receipt(retry).extra is None
        assert (trade.executions, trade.facilitator.settled, trade.paid) == (1, 3, 1)


def withholding(client: HTTPFacilitatorClient) -> Sequence[Middleware]:
    store = MemoryStore()
    return [sdk(settle_once(client, store, on_unknown="refuse")), ours(store)]


async def test_an_unknown_settlement_can_withhold_the_response() -> None:
    async with trading("lost", "503", stack=withholding) as trade:
        payment = await trade.sign()
        first = await trade.ask(payment)
        assert (first.status_code, first.text) == (402, "{}")
        assert receipt(first).error_reason == "settlement_pending"
        assert "payment-required" not in first.headers
        assert (await trade.ask(payment)).status_code == 200
        assert (trade.executions, trade.paid) == (1, 1)


def wary(client: HTTPFacilitatorClient) -> Sequence[Middleware]:
    store = MemoryStore()
    return [sdk(settle_once(client, store, on_used="failed")), ours(store)]


async def test_a_used_payment_can_count_as_one_that_was_revoked() -> None:
    async with trading("lost", stack=wary) as trade:
        refused = await trade.ask(await trade.sign())
        assert refused.status_code == 402
        reason = receipt(refused).error_reason
        assert reason == "invalid_exact_evm_nonce_already_used"


async def test_a_payer_without_money_pays_for_the_recorded_answer_later() -> None:
    async with trading("broke") as trade:
        payment = await trade.sign()
        refused = await trade.ask(payment)
        assert refused.status_code == 402
        assert receipt(refused).error_reason == "insufficient_funds"
        assert (await trade.ask(payment)).status_code == 200
        assert (trade.executions, trade.paid) == (1, 1)


def upfront(client: HTTPFacilitatorClient) -> Sequence[Middleware]:
    store = MemoryStore()
    route = terms(extra={"paymentFlow": "upfront"})
    return [sdk(settle_once(client, store), route), ours(store)]


async def test_a_handler_that_fails_after_it_was_paid_runs_again_for_free() -> None:
    async with trading(stack=upfront, failures=1) as trade:
        payment = await trade.sign()
        assert (await trade.ask(payment)).status_code == 500
        assert trade.paid == 1
        assert (await trade.ask(payment)).status_code == 200
        assert (trade.executions, trade.paid) == (2, 1)


async def test_a_handler_that_fails_is_not_paid() -> None:
    async with trading(failures=1) as trade:
        payment = await trade.sign()
        assert (await trade.ask(payment)).status_code == 500
        assert trade.facilitator.settled == 0
        assert (await trade.ask(payment)).status_code == 200
        assert (trade.executions, trade.paid) == (2, 1)


async def test_a_payment_for_one_route_does_not_buy_another() -> None:
    async with trading() as trade:
        payment = await trade.sign()
        assert (await trade.ask(payment, "/report")).status_code == 200
        assert (await trade.ask(payment, "/other")).status_code == 422
        assert (trade.executions, trade.paid) == (1, 1)


def half_protected(client: HTTPFacilitatorClient) -> Sequence[Middleware]:
    store = MemoryStore()
    policy = {"/report": Policy(key_of=payment_key)}
    return [sdk(settle_once(client, store)), ours(store, policy)]


async def test_a_used_payment_buys_nothing_where_the_middleware_is_missing() -> None:
    async with trading(stack=half_protected) as trade:
        payment = await trade.sign("/other")
        assert (await trade.ask(payment, "/other")).status_code == 200
        assert (await trade.ask(payment, "/other")).status_code == 402
        payment = await trade.sign("/report")
        assert (await trade.ask(payment, "/report")).status_code == 200
        assert (await trade.ask(payment, "/other")).status_code == 402
        assert trade.paid == 2


@pytest.mark.parametrize("method", ["permit2", pytest.param("eip3009", marks=SLOW)])
async def test_a_payment_whose_record_has_expired_is_used(method: str) -> None:
    """Also where the facilitator does not say so, as the SDK's about Permit2."""
    now = [0.0]

    def short(client: HTTPFacilitatorClient) -> Sequence[Middleware]:
        store = MemoryStore(clock=lambda: now[0])
        policy = Policy(key_of=payment_key, retention=60)
        route = terms(extra={"assetTransferMethod": method})
        return [sdk(settle_once(client, store), route), ours(store, policy)]

    async with trading(stack=short) as trade:
        payment = await trade.sign()
        assert (await trade.ask(payment)).status_code == 200
        now[0] += 61
        assert (await trade.ask(payment)).status_code == 402
        assert (trade.executions, trade.paid) == (1, 1)


@pytest.mark.parametrize("reaches", ["look", "claim"])
async def test_without_the_store_a_used_payment_is_not_demanded_again(
    reaches: str,
) -> None:
    store = FaultyStore()

    def faulty(client: HTTPFacilitatorClient) -> Sequence[Middleware]:
        return [sdk(settle_once(client, store)), ours(store)]

    async with trading(stack=faulty) as trade:
        payment = await trade.sign()
        assert (await trade.ask(payment)).status_code == 200
        store.away(reaches, "claim")
        refused = await trade.ask(payment)
        assert refused.status_code == 503
        assert refused.json()["code"] == "store-unavailable"
        store.away()
        assert (await trade.ask(payment)).status_code == 200
        assert (trade.executions, trade.paid) == (1, 1)


@pytest.mark.parametrize("changed", [{}, {"validBefore": "1"}])
async def test_without_the_store_a_forged_payment_runs_nothing(
    changed: dict[str, str],
) -> None:
    """With the policy that runs handlers then. That a payment has expired, the SDK's
    facilitator says before it looks at the signature."""
    store = FaultyStore()
    policy = Policy(key_of=payment_key, on_store_unavailable="execute")

    def faulty(client: HTTPFacilitatorClient) -> Sequence[Middleware]:
        return [sdk(settle_once(client, store)), ours(store, policy)]

    async with trading(stack=faulty) as trade:
        forged = decoded(await trade.sign())
        forged["payload"]["authorization"] |= changed
        forged["payload"]["signature"] = "0x" + "0" * 130
        store.away("look", "claim", "wait")
        assert (await trade.ask(encoded(forged))).status_code == 402
        assert (await trade.ask(await trade.sign())).status_code == 200
        assert (trade.executions, trade.paid) == (1, 1)


async def test_a_settlement_that_cannot_be_recorded_is_not_asked_for_in_vain() -> None:
    """The answer of the facilitator is delivered, and a retry finds out by asking."""
    store = FaultyStore()
    asked = Asked()
    client = settle_once(asked, store)
    client._claim = client._claim._replace(lease=0.05)
    for away in (["claim", "complete"], ["complete"], []):
        store.away(*away)
        answer = await client.settle(payload(), TERMS)
        assert answer.success
    assert asked.settled == 3


class InQuarantine(FaultyStore):
    """While it `refuses`, no settlement is claimed: a quarantine has begun while the
    handler ran, or the store is away for a moment."""

    refuses = False

    async def claim(self, key: Key, claim: Claim, /) -> Answer:
        if self.refuses and key.startswith("settle:"):
            raise StoreUnavailable("new claims wait", reason="quarantine")
        return await super().claim(key, claim)

    def stack(self, client: HTTPFacilitatorClient) -> Sequence[Middleware]:
        return [sdk(settle_once(client, self)), ours(self)]


async def test_a_settlement_that_cannot_be_claimed_is_recorded() -> None:
    store = InQuarantine()
    async with trading(stack=store.stack) as trade:
        payment = await trade.sign()
        store.refuses = True
        assert (await trade.ask(payment)).status_code == 200
        store.refuses = False
        assert (await trade.ask(payment)).status_code == 200
        assert (trade.executions, trade.facilitator.settled, trade.paid) == (1, 1, 1)


async def test_a_settled_payment_whose_record_is_out_of_reach_is_asked_about() -> None:
    """The store had told of it when the payment was verified."""
    store = InQuarantine()
    async with trading(stack=store.stack) as trade:
        payment = await trade.sign()
        assert (await trade.ask(payment)).status_code == 200
        store.refuses = True
        retry = await trade.ask(payment)
        assert (retry.status_code, receipt(retry).success) == (200, True)
        assert (trade.executions, trade.paid) == (1, 1)


class Asked:
    """A facilitator client of an application: `answers` are given in turn."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.settled = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()

    async def verify(self, payload: Any, requirements: Any) -> VerifyResponse:
        return VerifyResponse(is_valid=True)

    async def settle(self, payload: Any, requirements: Any) -> SettleResponse:
        self.settled += 1
        self.entered.set()
        await self.gate.wait()
        answer: Any = self.answers.pop(0) if self.answers else SETTLED
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[no-any-return] # wrong ones are under test

    def get_supported(self) -> Any:
        raise NotImplementedError


TERMS = requirements()
PAYMENT = pay()
SETTLED = SettleResponse(success=True, transaction="0x1", network=TERMS.network)


def payload(header: str = PAYMENT) -> PaymentPayload:
    found = decode_payment_signature_header(header)
    assert isinstance(found, PaymentPayload)
    return found


def failed(reason: str, **members: Any) -> SettleResponse:
    members = {"transaction": "", "network": TERMS.network, **members}
    return SettleResponse(success=False, error_reason=reason, **members)


async def keyed_settlement(
    client: SettleOnce, store: Store, paid: PaymentPayload
) -> SettleResponse:
    """Of a request that the middleware inside has keyed, and whose handler has run."""
    await keyed_request(client, store, paid)
    return await client.settle(paid, TERMS)


async def keyed_request(client: SettleOnce, store: Store, paid: PaymentPayload) -> None:
    assert (await client.verify(paid, TERMS)).is_valid
    header = encode_payment_signature_header(paid).encode()
    policy = Policy(key_of=payment_key)
    app = IdempotencyMiddleware(App(), store=store, policy=policy)
    await request(app, key=None, headers=[(b"payment-signature", header)])


def not_200(status: int, body: str) -> ValueError:
    """What the SDK's client raises."""
    return ValueError(f"Facilitator settle failed ({status}): {body}")


def hidden(status: int, reason: str) -> ValueError:
    answer = failed(reason, transaction="0x2")
    return not_200(status, answer.model_dump_json(by_alias=True))


USED, POOR = "permit2_invalid_nonce", "insufficient_funds"
NO_ANSWER = TimeoutError()
PAID = ("0x1", None)


@pytest.mark.parametrize(
    ("answers", "last", "questions"),
    [
        # CDP, with and without a reply to the second question
        ([hidden(500, "settlement_pending")], ("0x1", None), 2),
        ([hidden(500, "settlement_pending"), failed(USED)], ("0x2", None), 2),
        # A reason is a reason with any status.
        ([hidden(400, POOR), hidden(400, POOR)], ("0x2", POOR), 2),
        ([hidden(500, POOR), hidden(500, POOR)], ("0x2", POOR), 2),
        # The facilitator itself does not know: the payer may have paid.
        ([hidden(503, "internal_error"), failed(USED)], ("0x2", None), 2),
        ([failed("settle_exact_evm_transaction_confirmation_timed_out")], PAID, 2),
        ([failed("unexpected_settle_error"), failed(USED)], ("", None), 2),
        ([failed("", transaction="0x3"), failed(USED)], ("0x3", None), 2),
        # A used payment is ours only if we have asked before.
        ([failed(USED), failed(USED)], ("", USED), 2),
        ([NO_ANSWER, failed(USED)], ("", None), 2),
        # An empty purse may be what an unknown settlement has left behind.
        ([NO_ANSWER, failed(POOR), failed("expired")], ("0x1", None), 4),
        # A success is one with 200 only.
        ([not_200(502, SETTLED.model_dump_json(by_alias=True))], ("0x1", None), 2),
        ([not_200(500, "[" * 9999)], ("0x1", None), 2),
    ],
)
async def test_what_a_facilitator_says(
    answers: list[SettleResponse | Exception],
    last: tuple[str, str | None],
    questions: int,
) -> None:
    asked = Asked(*answers)
    store = MemoryStore()
    client = settle_once(asked, store)
    await keyed_settlement(client, store, payload())
    told = await keyed_settlement(client, store, payload())
    assert (told.transaction, told.error_reason) == last
    assert told.success == (told.error_reason is None)
    assert asked.settled == questions


async def test_an_unknown_settlement_that_cannot_be_taken_over_is_ours() -> None:
    """A payment that is used up then is settled, as if the store had been there."""
    asked, store = Asked(NO_ANSWER, NO_ANSWER, failed(USED)), FaultyStore()
    client = settle_once(asked, store)
    await keyed_request(client, store, payload())
    duplicate = asyncio.create_task(keyed_settlement(client, store, payload()))
    assert (await duplicate).extra == {"settlement": "unknown"}
    store.away("take_over")
    assert (await client.settle(payload(), TERMS)).success
    assert asked.settled == 3


@pytest.mark.parametrize(
    ("answers", "away", "state"),
    [
        ([SETTLED], ["complete"], "completed"),
        ([SETTLED], ["claim", "complete"], "completed"),
        ([failed(POOR)], ["release"], "released"),
        ([NO_ANSWER, NO_ANSWER], ["abandon"], "abandoned"),
        ([NO_ANSWER, NO_ANSWER], ["claim"], "abandoned"),
    ],
)
async def test_an_outcome_that_the_store_refuses_is_written_later(
    answers: list[object], away: list[str], state: str
) -> None:
    """A shutdown waits for it."""
    store = FaultyStore()
    app = IdempotencyMiddleware(App(), store=store)
    store.away(*away)
    await settle_once(Asked(*answers), store).settle(payload(), TERMS)
    store.away()
    await app._runtime.drain()
    assert await state_of_settlement(store) == state


@pytest.mark.parametrize(
    ("bound", "says"),
    [("_MOST_OUTCOMES", "too many outcomes"), ("_PERSIST_FOR", "within 0 seconds")],
)
async def test_an_outcome_that_the_store_refuses_does_not_wait_for_ever(
    bound: str,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(persistence, bound, 0)
    store = FaultyStore()
    app = IdempotencyMiddleware(App(), store=store)
    store.away("complete")
    assert (await settle_once(Asked(), store).settle(payload(), TERMS)).success
    await app._runtime.drain()
    assert says in caplog.text
    assert await state_of_settlement(store) == "in progress"


async def state_of_settlement(store: Store) -> str | None:
    facts = await store.look(Payment.of(payload(), TERMS).settlement)
    return facts.state if facts else None


class Panic(BaseException):
    """As pyo3 raises it for a panic in Rust."""


@pytest.mark.parametrize(
    "answer", [None, {"success": True}, asyncio.CancelledError(), Panic(), SystemExit()]
)
async def test_what_is_no_answer_of_a_facilitator_is_asked_again(
    answer: object,
) -> None:
    asked, store = Asked(answer), MemoryStore()
    client = settle_once(asked, store)
    told = await keyed_settlement(client, store, payload())
    assert (told.success, told.transaction) == (True, "0x1")
    assert asked.settled == 2


def nested(levels: int) -> dict[str, Any]:
    return {"in": nested(levels - 1)} if levels else {}


@pytest.mark.parametrize("extra", [{"note": "\ud800"}, {"note": object()}, nested(230)])
async def test_what_cannot_be_recorded_of_an_answer_is_left_out(extra: Any) -> None:
    asked, store = Asked(SETTLED.model_copy(update={"extra": extra})), MemoryStore()
    client = settle_once(asked, store)
    for _ in range(2):
        told = await keyed_settlement(client, store, payload())
        assert (told.success, told.transaction) == (True, "0x1")
    assert asked.settled == 1


async def test_one_question_at_a_time_for_one_payment() -> None:
    store, asked = MemoryStore(), Asked()
    asked.gate.clear()
    client, other = settle_once(asked, store), settle_once(asked, store)
    first = asyncio.create_task(keyed_settlement(client, store, payload()))
    await asked.entered.wait()
    rest = [
        asyncio.create_task(keyed_settlement(other, store, payload())) for _ in range(5)
    ]
    await asyncio.sleep(0)
    asked.gate.set()
    answers = await asyncio.gather(first, *rest)
    assert {answer.transaction for answer in answers} == {"0x1"}
    assert asked.settled == 1


async def test_the_claim_on_a_settlement_is_renewed() -> None:
    """Or a slow facilitator would be asked a second time meanwhile."""
    now = [0.0]
    store, asked = FaultyStore(clock=lambda: now[0]), Asked()
    asked.gate.clear()
    client = settle_once(asked, store)
    client._claim = client._claim._replace(lease=0.04)
    first = asyncio.create_task(keyed_settlement(client, store, payload()))
    await asked.entered.wait()
    for times in range(1, 6):
        now[0] += 0.03
        await store.asked("renew", times * 2)
    second = asyncio.create_task(keyed_settlement(client, store, payload()))
    await store.asked("take_over" if asked.settled > 1 else "claim", 2)
    asked.gate.set()
    assert (await first) == (await second)
    assert asked.settled == 1
    assert "take_over" not in store.calls


async def test_a_request_that_is_cancelled_does_not_take_the_answer_along() -> None:
    store, asked = FaultyStore(), Asked()
    asked.gate.clear()
    client = settle_once(asked, store)
    first = asyncio.create_task(keyed_settlement(client, store, payload()))
    await asked.entered.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    asked.gate.set()
    await store.asked("complete", 1)
    assert (await keyed_settlement(client, store, payload())).transaction == "0x1"
    assert asked.settled == 1


async def test_a_shutdown_waits_for_a_settlement() -> None:
    """The server has cancelled its request before."""
    store, asked = MemoryStore(), Asked()
    asked.gate.clear()
    app = IdempotencyMiddleware(App(), store=store)
    cancelled = asyncio.create_task(settle_once(asked, store).settle(payload(), TERMS))
    await asked.entered.wait()
    cancelled.cancel()
    draining = asyncio.create_task(app._runtime.drain())
    await asyncio.sleep(0.01)
    assert cancelled.cancelled()
    asked.gate.set()
    await draining
    assert await state_of_settlement(store) == "completed"


async def test_a_record_that_cannot_be_read_leaves_the_settlement_unknown() -> None:
    """As where somebody has written it by hand."""
    payment = Payment.of(payload(), TERMS)
    claim = a_claim()._replace(fingerprint=payment.proof)
    for record in (StoredResponse(200, [], b"{}").to_bytes(), b"damaged"):
        store, asked = MemoryStore(), Asked(NO_ANSWER, NO_ANSWER)
        client = settle_once(asked, store)
        await keyed_settlement(client, store, payload())
        await store.complete(payment.settlement, claim, Completed(record), 200)
        told = await keyed_settlement(client, store, payload())
        assert (told.success, told.extra) == (True, {"settlement": "unknown"})
        assert asked.settled == 2


async def test_another_proof_of_a_settled_payment_is_invalid() -> None:
    store, asked = MemoryStore(), Asked()
    client = settle_once(asked, store)
    assert (await keyed_settlement(client, store, payload())).success
    changed = decoded(PAYMENT)
    changed["payload"]["authorization"]["validBefore"] = "9999999999"
    other = payload(encoded(changed))
    assert not (await client.verify(other, TERMS)).is_valid
    assert not (await client.settle(other, TERMS)).success
    assert asked.settled == 1


async def test_a_payment_that_became_another_meanwhile_is_not_settled_twice() -> None:
    """Both proofs were valid when they were verified."""
    store, asked = MemoryStore(), Asked()
    client = settle_once(asked, store)
    changed = decoded(PAYMENT)
    changed["payload"]["authorization"]["validBefore"] = "9999999999"
    other = payload(encoded(changed))
    assert (await client.verify(other, TERMS)).is_valid
    assert (await keyed_settlement(client, store, payload())).success
    refused = await client.settle(other, TERMS)
    assert (refused.success, refused.error_reason) == (False, "duplicate_settlement")
    assert (
        refused.error_message == "This payment was settled before, with another proof."
    )
    assert asked.settled == 1


class SettledMeanwhile(Asked):
    def __init__(self, store: Store) -> None:
        super().__init__()
        self._store = store

    async def verify(self, payload: Any, requirements: Any) -> VerifyResponse:
        await keyed_settlement(settle_once(Asked(), self._store), self._store, payload)
        return VerifyResponse(is_valid=False, invalid_reason=USED)


async def test_a_payment_that_was_settled_while_it_was_verified_is_valid() -> None:
    """The facilitator then says that it is used."""
    store = MemoryStore()
    client = settle_once(SettledMeanwhile(store), store)
    assert (await client.verify(payload(), TERMS)).is_valid


async def test_an_unknown_settlement_tells_the_transaction_that_is_known() -> None:
    store = MemoryStore()
    asked = Asked(hidden(500, "settlement_pending"), NO_ANSWER)
    told = await keyed_settlement(settle_once(asked, store), store, payload())
    assert (told.success, told.transaction) == (True, "0x2")
    assert told.extra == {"settlement": "unknown"}


async def test_a_payment_that_cannot_be_keyed_is_neither_verified_nor_settled() -> None:
    asked = Asked()
    client = settle_once(asked, MemoryStore())
    changed = decoded(PAYMENT)
    changed["payload"]["permit2Authorization"] = {"nonce": "1"}
    other = payload(encoded(changed))
    refused = await client.verify(other, TERMS)
    assert not refused.is_valid
    assert "payload must be one of" in (refused.invalid_message or "")
    assert not (await client.settle(other, TERMS)).success
    assert asked.settled == 0


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        ((HTTPFacilitatorClientSync(), MemoryStore()), {}, "async facilitator client"),
        ((object(), MemoryStore()), {}, "async facilitator client"),
        ((Asked(), MemoryStore), {}, "the store that IdempotencyMiddleware has"),
        ((Asked(), MemoryStore()), {"on_unknown": "402"}, "'deliver' or 'refuse'"),
        ((Asked(), MemoryStore()), {"on_used": True}, "'settled' or 'failed'"),
        ((Asked(), MemoryStore()), {"patience": -1}, "patience must be a number"),
        ((Asked(), MemoryStore()), {"retention": "1"}, "retention must be a number"),
        ((Asked(), MemoryStore()), {"retention": 5}, "must be longer than 10 seconds"),
    ],
)
def test_arguments_that_cannot_work_are_refused(
    arguments: Any, options: Any, says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says):
        settle_once(*arguments, **options)


async def test_the_order_of_the_middlewares_is_checked_at_construction() -> None:
    with facilitating() as (_, url):
        client = HTTPFacilitatorClient(FacilitatorConfig(url=url))
        store = MemoryStore()
        outside, inside = ours(store), sdk(settle_once(client, store))
        wrong = shop(Sales().sell, [outside, inside], client)
        with pytest.raises(ConfigurationError, match=r"add_middleware\(Payment.* last"):
            wrong.build_middleware_stack()
        shop(Sales().sell, [inside, outside], client).build_middleware_stack()
