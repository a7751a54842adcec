"""A worker process that sells: handlers that are quick, slow, stall their event loop,
and fail; and a ledger of what they did and when.

The clock of the ledger, CLOCK_MONOTONIC, is one for all processes of the machine.
"""

import asyncio
import json
import logging
import os
import random
import socket
import time
from dataclasses import dataclass

import uvicorn

from origin_middleware import IdempotencyMiddleware, Policy, attempt_of
from origin_middleware.asgi import ASGIApp, Receive, Scope, Send
from origin_middleware.stores.redis import RedisStore

from .worker import lifespan, write

LEASE, BUDGET, PATIENCE = 2.0, 0.8, 1.0

_LATE = 0.3
_TICK = 0.05

KINDS = (*("quick",) * 20, *("slow",) * 20, *("fails",) * 10, "stalls")


@dataclass(frozen=True)
class Shop:
    redis: str
    ledger: str
    quarantine: float = 30.0
    on_abandoned: str = "refuse"
    retention: float = 3_600.0


def sell(listening: socket.socket, shop: Shop) -> None:
    """In a process of its own."""
    logging.disable()
    policy = Policy(
        require_key=True,
        lease=LEASE,
        patience=PATIENCE,
        retention=shop.retention,
        on_abandoned=shop.on_abandoned,  # type: ignore[arg-type] # a str here
    )
    store = RedisStore.from_url(shop.redis, budget=BUDGET, quarantine=shop.quarantine)

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        await _handle(shop, scope, receive, send)

    protected = IdempotencyMiddleware(handle, store=store, policy=policy)
    app = _with_figures(protected, shop)
    options = uvicorn.Config(app, log_level="critical", lifespan="on", ws="none")
    asyncio.run(uvicorn.Server(options).serve(sockets=[listening]))


async def _handle(shop: Shop, scope: Scope, receive: Receive, send: Send) -> None:
    attempt = attempt_of(scope)
    assert attempt is not None, "a key is required"
    request = dict(scope["headers"])[b"x-request"].decode()

    def note(what: str) -> None:
        line = f"{what} {attempt.intent} {request} {os.getpid()} {time.monotonic()}"
        write(shop.ledger, line + "\n")

    note("started")
    kind = (await receive())["body"].decode()
    await asyncio.sleep(random.uniform(0.3, 1.8) if kind == "slow" else 0.005)
    if kind == "stalls":
        time.sleep(random.choice((0.4, LEASE * 1.2)))  # noqa: ASYNC251 - on purpose
    failed = kind == "fails" and random.random() < 0.6
    if not failed:
        note("effect")
    await asyncio.sleep(0.005)
    note("failed" if failed else "ended")
    status = 500 if failed else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": request.encode()})


def _with_figures(app: ASGIApp, shop: Shop) -> ASGIApp:
    """A GET tells what only the process knows of itself."""
    ticking: list[asyncio.Task[None]] = []

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            ticking.append(asyncio.create_task(_tick(shop)))
        if scope["type"] != "http" or scope["method"] != "GET":
            await app(scope, receive, send)
            return
        figures = {"pid": os.getpid(), "tasks": len(asyncio.all_tasks())}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        body = json.dumps(figures).encode()
        await send({"type": "http.response.body", "body": body})

    return outer


async def _tick(shop: Shop) -> None:
    """Notes when the process stood still, whatever the reason."""
    before = time.monotonic()
    while True:
        await asyncio.sleep(_TICK)
        now = time.monotonic()
        if now - before > _LATE:
            write(shop.ledger, f"stood {os.getpid()} {before} {now}\n")
        before = now
