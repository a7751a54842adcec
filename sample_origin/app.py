"""The paid API: `uvicorn sample_origin.app:app`.

    GET  /api/joke         paid
    POST /premium/report   paid; takes {"topic": "tea"}
    GET  /health           free

A paid request appends a row to the ledger: that is its side effect.

Environment:
    REDIS_URL   where the records are kept (default: in the memory of this process)
    LEDGER      the file of the side effects (default: ledger.jsonl)
    LEASE       seconds that a retry waits for the claim of a dead worker (default: 10)
    EDGE_SIGNING_SECRET, EDGE_SIGNING_KEY_ID
                the same as for the gate; unsigned requests are then refused (401)
    MESSAGES    a file for all that passes, which the page of `make serve` shows

To see failures: `?seconds=2` makes a paid handler take that long after its side effect,
`?before=3` before it, at its first attempt (and writes its process into
ledger.jsonl.waiting meanwhile).
While a file ledger.jsonl.outage exists beside the ledger, paid handlers answer 503, as
if what they depend on were down.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from json import JSONDecodeError

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from origin_middleware import (
    IdempotencyMiddleware,
    MemoryStore,
    Policy,
    StoreUnavailable,
    attempt_of,
)
from origin_middleware.asgi import Scope
from origin_middleware.stores.redis import RedisStore

from . import environment
from .ledger import Ledger
from .messages import Participant
from .watched import listen_to_the_middleware, watched

_log = logging.getLogger("uvicorn.error")

# Every path that is not listed as free is paid, so a forgotten route is not free.
FREE = frozenset({"/health"})
PAID = Policy(require_key=True, effects="declared", lease=environment.lease())
SECRETS = environment.signing_secrets()

INTENT = "x-settlement-intent-id"
LONGEST_WORK = 60.0


def policy_of(scope: Scope) -> Policy | None:
    return None if scope["path"] in FREE else PAID


def create_app(store: RedisStore | MemoryStore, ledger: Ledger) -> Starlette:
    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if isinstance(store, RedisStore):
            await _check(store)
        else:
            _log.warning(
                "REDIS_URL is not set: records are kept in the memory of this process. "
                "They end with it, and other workers do not see them. "
                "Do not take payments like this."
            )
        yield

    app = Starlette(
        routes=[
            Route("/api/joke", joke),
            Route("/premium/report", report, methods=["POST"]),
            Route("/health", health),
        ],
        lifespan=lifespan,
    )
    app.add_middleware(
        IdempotencyMiddleware, store=store, policy=policy_of, secrets=SECRETS
    )
    app.state.ledger = ledger
    return app


async def _check(store: RedisStore) -> None:
    try:
        await store.check()
    except StoreUnavailable as exc:
        raise RuntimeError(
            f"The server of REDIS_URL cannot be reached. {exc} "
            "Start it, or unset REDIS_URL to keep records in memory."
        ) from None  # redis-py's traceback would add nothing


async def joke(request: Request) -> Response:
    serial = await _work(request, "joke")
    joke = "I know a UDP joke, but you might not get it."
    return JSONResponse({"joke": joke, "serial": serial})


async def report(request: Request) -> Response:
    topic = await _topic(request)
    serial = await _work(request, "report")
    return JSONResponse({"report": f"All about {topic}.", "serial": serial}, 201)


async def health(request: Request) -> Response:
    """Shows the intent that arrived: a forged one does not."""
    return JSONResponse({"status": "ok", "intent": request.headers.get(INTENT)})


async def _work(request: Request, effect: str) -> str:
    """The side effect. Each has a new serial number, so a second one would show."""
    ledger: Ledger = request.app.state.ledger
    if ledger.outage.exists():
        raise HTTPException(503, "A dependency is down.")
    before, seconds = _seconds(request, "before"), _seconds(request, "seconds")
    attempt = attempt_of(request.scope)
    if before and (attempt is None or attempt.number == 1):
        ledger.waiting.write_text(str(os.getpid()))
        await asyncio.sleep(before)
    if attempt is not None:  # every paid request has one
        await attempt.effects_begin()
    serial = secrets.token_hex(4)
    ledger.append(effect=effect, serial=serial, intent=request.headers[INTENT])
    await asyncio.sleep(seconds)
    return serial


def _seconds(request: Request, name: str) -> float:
    try:
        seconds = float(request.query_params.get(name, "0"))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WORK:
        detail = f"{name} must be a number from 0 to {LONGEST_WORK:.0f}"
        raise HTTPException(400, detail)
    return seconds


async def _topic(request: Request) -> str:
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError):
        body = None
    topic = body.get("topic") if isinstance(body, dict) else None
    if not isinstance(topic, str):
        raise HTTPException(400, 'send JSON such as {"topic": "tea"}')
    return topic


def _sender(scope: Scope) -> Participant:
    """CloudFront names each of its requests. Others came around the gate."""
    named = any(name == b"x-amz-cf-id" for name, _ in scope["headers"])
    return "cloudfront" if named else "client"


listen_to_the_middleware()
app = watched(create_app(environment.store(), environment.ledger()), "worker", _sender)
