"""What type checkers make of the public names: read by mypy and pyright, never run.

A `type: ignore` that becomes unnecessary fails: then a mistake of a user is not found.
"""

from collections.abc import Mapping
from typing import Any, assert_type

from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from x402.schemas import ResourceServerExtension

from origin_middleware import (
    Abandoned,
    Attempt,
    Event,
    Executed,
    IdempotencyMiddleware,
    Key,
    MemoryStore,
    Policy,
    Refused,
    Ruling,
    Store,
    attempt_of,
    drain,
)
from origin_middleware.asgi import Scope
from origin_middleware.openapi import describe, document
from origin_middleware.stores.redis import RedisStore
from origin_middleware.x402 import replay_token

store = RedisStore.from_url("redis://localhost:6379")
assert_type(store, RedisStore)
extension: ResourceServerExtension = replay_token
stores: list[Store] = [store, MemoryStore(), RedisStore(Redis())]


async def decide(abandoned: Abandoned) -> Ruling:
    assert_type(abandoned.key, Key)
    return "execute"


def observe(event: Event) -> None:
    match event:
        case Executed():
            assert_type(event.key, Key)
        case Refused():
            assert_type(event.key, Key | None)
        case _:
            pass


def choose(scope: Scope) -> Policy | None:
    return Policy() if scope["path"] == "/a" else None


def tenant(scope: Scope) -> str:
    return str(scope["path"])


paid = Policy(require_key=True, on_abandoned=decide, tenant_of=tenant)
assert_type(paid.counts("GET", 200), bool)
by_path: Mapping[str, Policy] = {"/reports/*": paid}

app = FastAPI()
app.add_middleware(
    IdempotencyMiddleware,
    store=store,
    policy=by_path,
    secrets={"2026-02": b"secret"},
    observer=observe,
)
app.add_middleware(IdempotencyMiddleware, store=MemoryStore(), policy=choose)
document(app)
assert_type(describe(app.openapi(), paid), dict[str, Any])

Starlette(middleware=[Middleware(IdempotencyMiddleware, store=store)])
IdempotencyMiddleware(app, store=store)


async def handler(request: Request) -> None:
    attempt = attempt_of(request.scope)
    assert_type(attempt, Attempt | None)
    await drain()


Policy(lease="10")  # type: ignore[arg-type]
Policy(on_abandoned="repeat")  # type: ignore[arg-type]
Policy(lese=10)  # type: ignore[call-arg]
IdempotencyMiddleware(app)  # type: ignore[call-arg]
IdempotencyMiddleware(app, store=Redis())  # type: ignore[arg-type]
IdempotencyMiddleware(app, store=store, secrets={"a": "text"})  # type: ignore[dict-item]
