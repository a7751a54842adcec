"""What a payer and a seller get, by the order of the middlewares: the SDK alone, ours
on either side of it, and ours inside with `settle_once`.

The other columns show that each row is able to fail.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest
from starlette.middleware import Middleware
from x402.http import HTTPFacilitatorClient
from x402.http.types import RouteConfig

from origin_middleware import MemoryStore, Policy
from origin_middleware.x402 import payment_key, settle_once
from tests.support.payments import decoded, encoded
from tests.support.x402_shop import ours, sdk, terms
from tests.support.x402_trade import Stack, Trade, statuses, trading

pytestmark = pytest.mark.slow

ROUTE = terms()
UPFRONT = terms(extra={"paymentFlow": "upfront"})


def stack(order: str, route: RouteConfig) -> Stack:
    def made(client: HTTPFacilitatorClient) -> Sequence[Middleware]:
        store = MemoryStore()
        # Without its opinion about the order.
        inside = ours(store, Policy(key_of=payment_key.__call__))
        match order:
            case "SDK alone":
                return [sdk(client, route)]
            case "ours outside":
                return [inside, sdk(client, route)]
            case "ours inside":
                return [sdk(client, route), inside]
        return [sdk(settle_once(client, store), route), ours(store)]

    return made


async def duplicates(trade: Trade) -> Counter[int]:
    payment = await trade.sign()
    told = statuses(await trade.ask_all([payment] * 20))
    return told + statuses([await trade.ask(payment) for _ in range(5)])


async def twice(trade: Trade) -> Counter[int]:
    payment = await trade.sign()
    return statuses([await trade.ask(payment) for _ in range(2)])


async def a_stranger(trade: Trade) -> Counter[int]:
    payment = await trade.sign()
    await trade.ask(payment)
    forged = decoded(payment)
    forged["payload"]["signature"] = "0x" + "0" * 130
    return statuses([await trade.ask(encoded(forged))])


@dataclass(frozen=True)
class Row:
    """What each order gets: statuses, executions and payments."""

    plays: Callable[[Trade], Awaitable[Counter[int]]]
    gets: dict[str, tuple[dict[int, int], int, int]]
    faults: tuple[str, ...] = ()
    failures: int = 0
    upfront: bool = False


FOR_EVER = {
    "SDK alone": ({402: 2}, 1, 1),
    "ours outside": ({402: 2}, 1, 1),
    "ours inside": ({402: 2}, 1, 1),
    "settle_once": ({200: 2}, 1, 1),
}
ROWS = {
    "20 at once and 5 later": Row(
        duplicates,
        {
            "ours outside": ({200: 25}, 1, 1),
            "ours inside": ({200: 1, 402: 24}, 1, 1),
            "settle_once": ({200: 25}, 1, 1),
        },
    ),
    "the settlement fails once": Row(
        twice,
        {
            "SDK alone": ({402: 1, 200: 1}, 2, 1),
            "ours outside": ({402: 1, 200: 1}, 2, 1),
            "ours inside": ({402: 1, 200: 1}, 1, 1),
            "settle_once": ({200: 2}, 1, 1),
        },
        faults=("503",),
    ),
    "its answer is lost": Row(twice, FOR_EVER, faults=("lost",)),
    "its answer is pending": Row(twice, FOR_EVER, faults=("pending_500",)),
    "a stranger with a signature of zeros": Row(
        a_stranger,
        {
            "SDK alone": ({402: 1}, 1, 1),
            "ours outside": ({422: 1}, 1, 1),
            "ours inside": ({402: 1}, 1, 1),
            "settle_once": ({402: 1}, 1, 1),
        },
    ),
    "paid upfront, and the handler fails once": Row(
        twice,
        {
            "SDK alone": ({500: 1, 402: 1}, 1, 1),
            "ours outside": ({500: 1, 402: 1}, 1, 1),
            "ours inside": ({500: 1, 402: 1}, 1, 1),
            "settle_once": ({500: 1, 200: 1}, 2, 1),
        },
        failures=1,
        upfront=True,
    ),
}


@pytest.mark.parametrize(
    ("name", "order"),
    [(name, order) for name, row in ROWS.items() for order in row.gets],
)
async def test_what_a_payer_and_a_seller_get(name: str, order: str) -> None:
    row = ROWS[name]
    made = stack(order, UPFRONT if row.upfront else ROUTE)
    async with trading(*row.faults, stack=made, failures=row.failures) as trade:
        told = await row.plays(trade)
        assert (told, trade.executions, trade.paid) == row.gets[order]


async def test_the_sdk_alone_runs_a_handler_for_every_duplicate_at_once() -> None:
    async with trading(stack=stack("SDK alone", ROUTE)) as trade:
        told = await duplicates(trade)
        assert trade.executions > 1
        assert (told, trade.paid) == ({200: 1, 402: 24}, 1)
