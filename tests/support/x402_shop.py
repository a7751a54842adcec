"""A paid API as the documentation has it: FastAPI, the SDK's payment middleware, ours.

`uvicorn --factory tests.support.x402_shop:from_environment` serves it for tests with
processes. Of its environment, `SHOP_FACILITATOR` and `SHOP_REDIS` are URLs,
`SHOP_LEDGER` is a file that gets a line for every execution, and `SHOP_DIES` says where
the first process that gets there is killed.
"""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI
from starlette.middleware import Middleware
from x402 import (
    SettleResponse,
    SupportedResponse,
    VerifyResponse,
    x402ResourceServer,
)
from x402.http import FacilitatorClient, FacilitatorConfig, HTTPFacilitatorClient
from x402.http.middleware.fastapi import PaymentMiddlewareASGI
from x402.http.types import PaymentOption, RouteConfig
from x402.mechanisms.evm.exact import ExactEvmServerScheme

from origin_middleware import IdempotencyMiddleware, Policy, Store
from origin_middleware.stores.redis import RedisStore
from origin_middleware.x402 import payment_key, replay_token, settle_once

from .payments import NETWORK, PAY_TO

PATHS = ("/report", "/other")

Sell = Callable[[], Awaitable[object]]


def terms(extra: dict[str, Any] | None = None, **changed: Any) -> RouteConfig:
    option = PaymentOption("exact", PAY_TO, "$0.001", NETWORK, extra=extra)
    return RouteConfig(accepts=option, extensions=replay_token.declaration, **changed)


def sdk(client: FacilitatorClient, route: RouteConfig | None = None) -> Middleware:
    """The SDK's middleware, as the SDK documents it."""
    server = x402ResourceServer(client)
    scheme = cast("Any", ExactEvmServerScheme)()  # typed, but not as its base asks for
    server.register(NETWORK, scheme)
    server.register_extension(cast("Any", replay_token))
    routes = {f"POST {path}": route or terms() for path in PATHS}
    return Middleware(PaymentMiddlewareASGI, routes=routes, server=server)


def ours(store: Store, policy: Any = None) -> Middleware:
    policy = policy or Policy(key_of=payment_key)
    return Middleware(IdempotencyMiddleware, store=store, policy=policy)


def shop(
    sell: Sell, outside_first: Sequence[Middleware], client: HTTPFacilitatorClient
) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await client.aclose()

    app = FastAPI(middleware=outside_first, lifespan=lifespan)
    for path in PATHS:
        app.add_api_route(path, sell, methods=["POST"])
    return app


class Mortal:
    """A facilitator client that kills its process once, before or after a settlement.
    The file `grave` says that this has happened.
    """

    def __init__(self, client: FacilitatorClient, grave: Path, *, after: bool) -> None:
        self._client = client
        self._grave = grave
        self._after = after

    def get_supported(self) -> SupportedResponse:
        return self._client.get_supported()

    async def verify(self, payload: Any, requirements: Any) -> VerifyResponse:
        return await self._client.verify(payload, requirements)

    async def settle(self, payload: Any, requirements: Any) -> SettleResponse:
        if not self._after:
            self._die()
        answer = await self._client.settle(payload, requirements)
        self._die()
        return answer

    def _die(self) -> None:
        with suppress(FileExistsError):
            self._grave.touch(exist_ok=False)
            os.kill(os.getpid(), signal.SIGKILL)


def from_environment() -> FastAPI:
    config = FacilitatorConfig(url=os.environ["SHOP_FACILITATOR"])
    http = HTTPFacilitatorClient(config)
    store = RedisStore.from_url(os.environ["SHOP_REDIS"], budget=1.0)
    ledger = Path(os.environ["SHOP_LEDGER"])
    grave = ledger.with_name("grave")

    async def sell() -> dict[str, int]:
        with ledger.open("ab", buffering=0) as file:  # noqa: ASYNC230 - one write, at its end
            file.write(b"%d\n" % os.getpid())
        return {"by": os.getpid()}

    client: FacilitatorClient = http
    match os.environ["SHOP_DIES"]:
        case "while asking":
            client = Mortal(http, grave, after=False)
        case "after asking":
            client = Mortal(http, grave, after=True)
    client = settle_once(client, store)
    if os.environ["SHOP_DIES"] == "before asking":
        client = Mortal(client, grave, after=False)
    return shop(sell, [sdk(client), ours(store)], http)
