"""The records of `settle_once` lie beside those of requests: nobody decides them."""

import json
import re
from collections.abc import Sequence

from starlette.middleware import Middleware
from x402.http import HTTPFacilitatorClient

from origin_middleware.stores.redis import RedisStore
from origin_middleware.x402 import settle_once
from origin_middleware.x402.payment import decode_payment, payment_id
from tests.support.night import NAMESPACE, ONE_SERVER, WHY, Ask, digest
from tests.support.servers import RedisServer
from tests.support.x402_shop import ours, sdk
from tests.support.x402_trade import receipt, trading

pytestmark = ONE_SERVER

HAPPENED = ("--happened", "--status", "200", "--body", "@/dev/null")


async def test_an_unknown_settlement_is_for_its_next_retry(
    store: RedisStore, server: RedisServer, ask: Ask
) -> None:
    def stack(client: HTTPFacilitatorClient) -> Sequence[Middleware]:
        inside = RedisStore.from_url(server.url, namespace=NAMESPACE)
        return [sdk(settle_once(client, inside)), ours(inside)]

    async with trading("lost", "lost", stack=stack, timeout=3.0) as trade:
        payment = await trade.sign()
        assert receipt(await trade.ask(payment)).extra == {"settlement": "unknown"}

        status, out, _ = await ask("list", "--fail")
        assert status == 0
        assert "0 abandoned of 2 records" in out
        assert "not counted: 1 settlement of payments; the next retry asks" in out

        name = digest(f"settle:{payment_id(decode_payment(payment.encode()))}")
        status, out, _ = await ask("show", f"sha256:{name}")
        assert "the settlement of a payment, abandoned" in out
        assert "a retry gets    asks the facilitator again" in out
        assert "next: nothing: the next retry asks the facilitator again" in out
        assert not re.search(r"outcome-unknown|resolve|trace", out)

        for act in (("resolve", "--did-not-happen"), ("resolve", *HAPPENED)):
            await _is_refused(ask, name, *act)
        assert (await trade.ask(payment)).status_code == 200
        assert (trade.executions, trade.paid) == (1, 1)

        status, out, _ = await ask("show", f"sha256:{name}", "--json")
        seen = json.loads(out)
        assert (seen["settlement"], seen["state"]) == (True, "completed")
        assert seen["trace_id"] is None
        await _is_refused(ask, name, "forget")


async def _is_refused(ask: Ask, name: str, act: str, *options: str) -> None:
    status, _, err = await ask(act, f"sha256:{name}", *options, *WHY)
    assert status == 1
    assert "is the settlement of a payment" in err
