"""The app of the server matrix: four kinds of handlers, each with one side effect.

Environment: REDIS_URL, LEDGER, and WORK, how many seconds follow the side effect.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from origin_middleware import IdempotencyMiddleware, Policy
from origin_middleware.stores.redis import RedisStore
from sample_origin.ledger import Ledger

WORK = float(os.environ["WORK"])
LEDGER = Ledger(Path(os.environ["LEDGER"]))


def effect(request: Request) -> None:
    LEDGER.append(intent=request.headers["x-settlement-intent-id"])


async def plain(request: Request) -> Response:
    effect(request)
    await asyncio.sleep(WORK)
    return PlainTextResponse("done")


async def streaming(request: Request) -> Response:
    async def parts() -> AsyncIterator[str]:
        yield "do"
        effect(request)
        await asyncio.sleep(WORK)
        yield "ne"

    return StreamingResponse(parts(), media_type="text/plain")


def sync(request: Request) -> Response:
    effect(request)
    time.sleep(WORK)
    return PlainTextResponse("done")


async def background(request: Request) -> Response:
    effect(request)
    await asyncio.sleep(WORK)
    return PlainTextResponse("done", background=BackgroundTask(asyncio.sleep, WORK))


app = Starlette(
    routes=[
        Route(f"/{kind.__name__}", kind)
        for kind in (plain, streaming, sync, background)
    ]
)
app.add_middleware(
    IdempotencyMiddleware,
    store=RedisStore.from_url(os.environ["REDIS_URL"]),
    policy=Policy(require_key=True, lease=4.0),
)
