"""A paid API whose handler does what the client says, and its `/metrics`.

`python -m uvicorn --factory tests.origin_middleware.metrics.shop:shop`; the store's
address is in the environment.
"""

import asyncio
import os
from typing import Any

from prometheus_client import CollectorRegistry, make_asgi_app
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from origin_middleware import IdempotencyMiddleware, LoggingObserver, Policy
from origin_middleware.prometheus import PrometheusObserver
from origin_middleware.stores.redis import RedisStore

POLICIES = {
    "/jokes": Policy(require_key=True, name="jokes", patience=2.0, lease=4.0),
    "/risky": Policy(name="risky", on_store_unavailable="execute", lease=4.0),
    "/again": Policy(name="again", on_abandoned="execute", lease=4.0),
}


async def handle(request: Request) -> Response:
    await asyncio.sleep(float(request.headers.get("x-takes", "0")))
    if "x-raises" in request.headers:
        raise ValueError
    size = int(request.headers.get("x-size", "10"))
    return Response(b"x" * size, status_code=int(request.headers.get("x-status", 200)))


def shop() -> Starlette:
    several = "PROMETHEUS_MULTIPROC_DIR" in os.environ
    registry = CollectorRegistry()
    metrics = PrometheusObserver(registry)
    if several:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # prometheus_client's gap
    return observed(metrics, Mount("/metrics", make_asgi_app(registry)))


def observed(observer: Any, *more: BaseRoute) -> Starlette:
    store = RedisStore.from_url(os.environ["SHOP_STORE"], budget=1.0, observer=observer)
    paths = [Route(path, handle, methods=["GET", "POST"]) for path in POLICIES]
    return Starlette(
        routes=[*paths, *more],
        middleware=[
            Middleware(
                IdempotencyMiddleware,
                store=store,
                policy=POLICIES,
                observer=[observer, LoggingObserver()],
            )
        ],
    )
