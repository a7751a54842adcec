"""Who else may have a payment: its payer, written otherwise or signed again; and
everybody, once it is on the chain.
"""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import pytest
from eth_account import Account
from starlette.middleware import Middleware
from x402 import AssetAmount, PaymentPayload
from x402.http import HTTPFacilitatorClient
from x402.http.types import PaymentOption, RouteConfig
from x402.http.utils import encode_payment_signature_header
from x402.mechanisms.evm.exact import ExactEvmClientScheme
from x402.mechanisms.evm.signers import EthAccountSigner

from origin_middleware import MemoryStore
from origin_middleware.x402 import settle_once
from tests.support.payments import NETWORK, PAY_TO, USDC, Json, decoded, encoded
from tests.support.x402_shop import ours, sdk
from tests.support.x402_trade import statuses, trading

SECP256K1 = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@pytest.mark.parametrize("many", [32, pytest.param(1_000, marks=pytest.mark.slow)])
async def test_spellings_of_one_payment(many: int) -> None:
    async with trading() as trade:
        spellings = _spellings(await trade.sign(), Random(402))  # noqa: S311 - repeatable
        headers: set[str] = set()
        while len(headers) < many:
            headers.add(next(spellings))
        told = statuses(await trade.ask_all(headers))
        told += statuses([await trade.ask(header) for header in headers])
        assert told[200]
        assert set(told) <= {200, 400, 402, 422}
        assert (trade.executions, trade.paid) == (1, 1)


def _spellings(payment: str, random: Random) -> Iterator[str]:
    """As the SDK's decoder and facilitator take them, and some that they do not."""
    while True:
        members = decoded(payment)
        for edit in random.sample(_EDITS, random.randrange(4)):
            edit(members, random)
        text = json.dumps(members, indent=random.choice([None, 1, 7]))
        for rewrite in random.sample(_REWRITES, random.randrange(2)):
            text = rewrite(text, random)
        header = base64.b64encode(text.encode()).decode()
        for wrap in random.sample(_WRAPS, random.randrange(2)):
            header = wrap(header, random)
        yield header


def _shuffled(value: Any, random: Random) -> Any:
    if not isinstance(value, dict):
        return value
    names = random.sample(list(value), len(value))
    return {name: _shuffled(value[name], random) for name in names}


def _reorder(payment: Json, random: Random) -> None:
    members = _shuffled(payment, random)
    payment.clear()
    payment.update(members)


def _unknown(payment: Json, random: Random) -> None:
    where = random.choice([payment, payment["accepted"]["extra"], payment["payload"]])
    where[f"x{random.randrange(99)}"] = random.randrange(99)


def _resource(payment: Json, random: Random) -> None:
    payment["resource"] = {"url": f"https://elsewhere.test/{random.random()}"}


def _extensions(payment: Json, random: Random) -> None:
    identifier = f"{random.getrandbits(128):032x}"
    payment["extensions"] = {"payment-identifier": {"info": {"id": identifier}}}


def _hexadecimal(payment: Json, random: Random) -> None:
    signed = payment["payload"]["authorization"]
    where, name = random.choice(
        [(signed, "nonce"), (signed, "from"), (payment["payload"], "signature")]
    )
    write: Callable[[str], Any] = random.choice(
        [
            lambda digits: f"0x{digits.upper()}",
            lambda digits: digits,
            lambda digits: "0x" + " ".join(digits[i : i + 2] for i in range(0, 40, 2)),
            lambda digits: f"0x{digits} ",
        ]
    )
    where[name] = write(where[name].removeprefix("0x"))


def _number(payment: Json, random: Random) -> None:
    signed = payment["payload"]["authorization"]
    name = random.choice(["value", "validAfter", "validBefore"])
    writings: list[Callable[[str], Any]] = [
        lambda digits: f"0{digits}",
        lambda digits: f" {digits}\t",
        "_".join,
        int,
        lambda digits: digits.translate({ord(d): ord(d) + 0xFEE0 for d in digits}),
    ]
    write = random.choice(writings)
    signed[name] = write(str(signed[name]))


def _recovery(payment: Json, _: Random) -> None:
    signature: str = payment["payload"]["signature"]
    other = {"1b": "00", "1c": "01"}.get(signature[-2:], signature[-2:])
    payment["payload"]["signature"] = signature[:-2] + other


def _high_s(payment: Json, _: Random) -> None:
    signature: str = payment["payload"]["signature"].removeprefix("0x")
    signature = signature.replace(" ", "").ljust(130, "0")
    s = SECP256K1 - int(signature[64:128], 16)
    v = {"1b": "1c", "1c": "1b"}.get(signature[-2:], "1b")
    payment["payload"]["signature"] = f"0x{signature[:64]}{s:064x}{v}"


_EDITS: list[Callable[[Json, Random], None]] = [
    _reorder,
    _unknown,
    _resource,
    _extensions,
    _hexadecimal,
    _number,
    _recovery,
    _high_s,
]
_REWRITES: list[Callable[[str, Random], str]] = [
    lambda text, random: " " * random.randrange(99) + text,
    lambda text, random: text + "\n" * random.randrange(99),
    lambda text, _: text.replace('"nonce"', '"nonce": 1, "nonce"'),
    lambda text, _: text.replace('"exact"', '"\\u0065xact"'),
]
_WRAPS: list[Callable[[str, Random], str]] = [
    lambda header, random: (
        header[: (at := random.randrange(1, 99))] + " " + header[at:]
    ),
    lambda header, random: (
        header[: (at := random.randrange(1, 99))] + "!" + header[at:]
    ),
    lambda header, _: header.rstrip("="),
    lambda header, random: header + "==" + "A" * random.randrange(9),
]


async def test_the_same_nonce_signed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free for the payer, and as often as one likes."""
    nonce = "0x" + "7" * 64
    monkeypatch.setattr("x402.mechanisms.evm.exact.client.create_nonce", lambda: nonce)
    account = Account.create()
    async with trading() as trade:
        payments = []
        for end in range(8):
            time = float(2_000_000_000 + end)
            with monkeypatch.context() as clock:
                clock.setattr(
                    "x402.mechanisms.evm.exact.client.time.time", lambda t=time: t
                )
                payments.append(await trade.sign(account=account))
        assert len(set(payments)) == 8
        told = statuses(await trade.ask_all(payments))
        assert told[200] == 1
        assert set(told) <= {200, 402, 422}
        later = statuses([await trade.ask(payment) for payment in payments])
        assert later == {200: 1, 402: 7}
        assert (trade.executions, trade.paid) == (1, 1)


OTHER_TOKEN = "0x036cbd" + "1" * 34


def two_tokens(client: HTTPFacilitatorClient) -> Sequence[Middleware]:
    extra = {"name": "T", "version": "1", "assetTransferMethod": "permit2"}
    prices = [
        AssetAmount(amount="9", asset=token, extra=extra)
        for token in (USDC, OTHER_TOKEN)
    ]
    accepts = [PaymentOption("exact", PAY_TO, price, NETWORK) for price in prices]
    store = MemoryStore()
    route = RouteConfig(accepts=accepts)
    return [sdk(settle_once(client, store), route), ours(store)]


async def test_one_nonce_of_permit2_for_two_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    utilities = "x402.mechanisms.evm.exact.permit2_utils"
    monkeypatch.setattr(f"{utilities}.create_permit2_nonce", lambda: "7")
    wallet = ExactEvmClientScheme(EthAccountSigner(Account.create()))
    async with trading(stack=two_tokens) as trade:
        accepts = (await trade.demand()).accepts
        assert len({accepted.asset for accepted in accepts}) == 2
        payments = [
            encode_payment_signature_header(
                PaymentPayload(
                    payload=wallet.create_payment_payload(accepted), accepted=accepted
                )
            )
            for accepted in accepts
        ]
        first, second = [await trade.ask(payment) for payment in payments]
        assert (first.status_code, second.status_code) == (200, 402)
        assert (await trade.ask(payments[0])).status_code == 200
        assert (trade.executions, trade.paid) == (1, 1)


async def test_a_decoy_beside_the_payment_runs_nothing() -> None:
    """The SDK's facilitator would settle the Permit2 payment, and the other is free to
    be changed."""
    async with trading() as trade:
        payment = decoded(await trade.sign())
        payment["payload"]["permit2Authorization"] = {"from": PAY_TO, "nonce": "1"}
        refused = await trade.ask(encoded(payment))
        assert refused.status_code == 402
        assert trade.executions == 0


async def test_strangers_who_know_a_payment_from_the_chain() -> None:
    async with trading() as trade:
        payment = await trade.sign()
        answer = await trade.ask(payment)

        forged = decoded(payment)
        forged["payload"]["signature"] = "0x" + "0" * 130
        rebuilt = decoded(await trade.sign())
        rebuilt["payload"] = decoded(payment)["payload"]
        bare = decoded(payment)
        del bare["extensions"]
        for stranger in (forged, rebuilt, bare):
            assert (await trade.ask(encoded(stranger))).status_code == 402

        retry = await trade.ask(payment)
        assert (retry.status_code, retry.content) == (200, answer.content)
        assert (trade.executions, trade.paid) == (1, 1)


async def test_a_stranger_who_knows_the_identifier_of_a_payment() -> None:
    identifier = {"payment-identifier": {"info": {"id": "an-id-that-is-known"}}}
    async with trading() as trade:
        mine = decoded(await trade.sign())
        mine["extensions"] |= identifier
        assert (await trade.ask(encoded(mine))).text == '{"execution":1}'
        unsigned = {**mine, "payload": {**mine["payload"], "signature": "0x00"}}
        assert (await trade.ask(encoded(unsigned))).status_code == 402
        own = decoded(await trade.sign())
        own["extensions"] |= identifier
        assert (await trade.ask(encoded(own))).text == '{"execution":2}'
        assert trade.paid == 2
