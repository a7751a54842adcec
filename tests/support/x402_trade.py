"""A shop and its facilitator, each on a loopback port, and buyers who sign as the SDK's
client does.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import httpx
from eth_account import Account
from eth_account.signers.local import LocalAccount
from fastapi import HTTPException
from starlette.middleware import Middleware
from x402 import PaymentRequired, SettleResponse, x402ClientSync
from x402.http import FacilitatorConfig, HTTPFacilitatorClient
from x402.http.utils import (
    decode_payment_required_header,
    decode_payment_response_header,
    encode_payment_signature_header,
)
from x402.mechanisms.evm.exact import ExactEvmClientScheme
from x402.mechanisms.evm.signers import EthAccountSigner

from origin_middleware import MemoryStore
from origin_middleware.x402 import settle_once

from .running import serving
from .x402_facilitator import Facilitator, facilitating
from .x402_shop import ours, sdk, shop

Answer = httpx.Response
Stack = Callable[[HTTPFacilitatorClient], Sequence[Middleware]]


class Buyer:
    """Asks a shop, and pays what it demands."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def demand(self, path: str = "/report") -> PaymentRequired:
        demand = await self._http.post(path)
        assert demand.status_code == 402
        asked = decode_payment_required_header(demand.headers["payment-required"])
        assert isinstance(asked, PaymentRequired)
        return asked

    async def sign(
        self, path: str = "/report", account: LocalAccount | None = None
    ) -> str:
        """A payment by `account`, or by somebody new."""
        client = x402ClientSync()
        signer = EthAccountSigner(account or Account.create())
        client.register("eip155:*", ExactEvmClientScheme(signer))
        payload = client.create_payment_payload(await self.demand(path))
        return encode_payment_signature_header(payload)

    async def ask(self, payment: str, path: str = "/report") -> Answer:
        return await self._http.post(path, headers={"payment-signature": payment})

    async def ask_all(self, payments: Iterable[str]) -> list[Answer]:
        return await asyncio.gather(*map(self.ask, payments))


@dataclass
class Sales:
    """Its first `failures` executions fail."""

    executions: int = 0
    failures: int = 0

    async def sell(self) -> object:
        self.executions += 1
        if self.executions <= self.failures:
            raise HTTPException(500)
        return {"execution": self.executions}


@dataclass
class Trade(Buyer):
    http: httpx.AsyncClient
    facilitator: Facilitator
    sales: Sales

    def __post_init__(self) -> None:
        super().__init__(self.http)

    @property
    def executions(self) -> int:
        return self.sales.executions

    @property
    def paid(self) -> int:
        return self.facilitator.paid


def protected(client: HTTPFacilitatorClient) -> Sequence[Middleware]:
    """As the documentation says."""
    store = MemoryStore()
    return [sdk(settle_once(client, store)), ours(store)]


@asynccontextmanager
async def trading(
    *faults: str, stack: Stack = protected, timeout: float = 30.0, failures: int = 0
) -> AsyncIterator[Trade]:
    with facilitating(*faults) as (facilitator, url):
        client = HTTPFacilitatorClient(FacilitatorConfig(url=url, timeout=timeout))
        sales = Sales(failures=failures)
        starting = partial(serving, shop(sales.sell, stack(client), client))
        with starting() as at:
            async with httpx.AsyncClient(base_url=at, timeout=60.0) as http:
                yield Trade(http, facilitator, sales)


def statuses(answers: Iterable[Answer]) -> Counter[int]:
    return Counter(answer.status_code for answer in answers)


def receipt(answer: Answer) -> SettleResponse:
    return decode_payment_response_header(answer.headers["payment-response"])
