"""A worker process: uvicorn, the real middleware, Redis; and a mark at which it dies.

Nothing in the product knows of marks: they are put around it here.
"""

import asyncio
import logging
import os
import random
import signal
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from threading import Timer
from typing import Any

import uvicorn

from origin_middleware import IdempotencyMiddleware, Policy, attempt_of
from origin_middleware.asgi import ASGIApp, Message, Receive, Scope, Send
from origin_middleware.stores.redis import RedisStore, scripts
from origin_middleware.stores.redis.shared_line import SharedLine

MARKS = (
    "request received",
    "claim sent",
    "claim acknowledged",
    "handler started",
    "effects sent",
    "effects acknowledged",
    "effect done",
    "handler ended",
    "completion sent",
    "completion acknowledged",
    "first byte sent",
    "last byte sent",
)

AT_RANDOM = "at random"
_ALIVE_FOR = 0.06
"""Seconds after its first request: it has served eight by then."""

LEASE, BUDGET = 1.0, 0.5


@dataclass(frozen=True)
class Setting:
    """Of one worker."""

    redis: str
    ledger: str
    """Every start and every effect is a line in this file; a client names it, because
    the worker that survives serves many trials."""
    mark: str = ""
    """Where it dies; '' for never."""
    passes: int = 0
    """How often the mark is passed before."""
    declares: bool = False
    on_abandoned: str = "refuse"


class _Mark:
    def __init__(self, setting: Setting) -> None:
        self._name, self._passes = setting.mark, setting.passes

    def at(self, name: str) -> None:
        if self._name == AT_RANDOM:
            self._name = ""
            Timer(random.uniform(0, _ALIVE_FOR), _die).start()
        if name != self._name:
            return
        if self._passes == 0:
            _die()
        self._passes -= 1


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def serve(listening: socket.socket, setting: Setting) -> None:
    """In a process of its own."""
    logging.disable()
    mark = _Mark(setting)
    _put_marks(mark)

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        attempt = attempt_of(scope)
        assert attempt is not None, "a key is required"
        await receive()
        ledger = dict(scope["headers"])[b"x-ledger"].decode()  # of its trial
        write(ledger, f"started {attempt.intent}\n")
        mark.at("handler started")
        await asyncio.sleep(0.005)
        if setting.declares:
            write(ledger, f"begins {attempt.intent}\n")
            await attempt.effects_begin()
        write(ledger, f"effect {attempt.intent}\n")
        mark.at("effect done")
        await asyncio.sleep(0.005)
        mark.at("handler ended")
        body = f"{attempt.intent} by {os.getpid()}".encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    policy = Policy(
        require_key=True,
        lease=LEASE,
        patience=3.0,
        effects="declared" if setting.declares else "any time",
        on_abandoned=setting.on_abandoned,  # type: ignore[arg-type] # a str here
    )
    store = RedisStore.from_url(setting.redis, budget=BUDGET)
    app = IdempotencyMiddleware(handle, store=store, policy=policy)
    options = uvicorn.Config(
        _marked(app, mark), log_level="critical", lifespan="on", ws="none"
    )
    asyncio.run(uvicorn.Server(options).serve(sockets=[listening]))


def write(ledger: str, line: str) -> None:
    """In one piece, so that it is complete even if the process is killed after it."""
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


def _marked(app: ASGIApp, mark: _Mark) -> ASGIApp:
    """What passes between the server and the middleware."""

    async def marked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await lifespan(receive, send)
            return
        mark.at("request received")

        async def sending(message: Message) -> None:
            await send(message)
            last = message["type"] == "http.response.body"
            mark.at("last byte sent" if last else "first byte sent")

        await app(scope, receive, sending)

    return marked


async def lifespan(receive: Receive, send: Send) -> None:
    for part in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{part}.complete"})


def _put_marks(mark: _Mark) -> None:
    """Around the line to the server: when a script is sent, and when it is answered."""
    names = {
        by: name
        for name, script in (("claim", scripts.CLAIM), ("completion", scripts.COMPLETE))
        for by in (script.digest, script.source)
    }
    before: Callable[..., Awaitable[Any]] = SharedLine.send

    def send(line: SharedLine, command: Any, *more: Any) -> Awaitable[Any]:
        reply = before(line, command, *more)
        name = names.get(command[1] if len(command) > 1 else "")
        if command[-1] == "1" and command[1] in (
            scripts.RENEW.digest,
            scripts.RENEW.source,
        ):
            name = "effects"
        if name is None:
            return reply
        mark.at(f"{name} sent")
        return _acknowledged(reply, mark, name)

    SharedLine.send = send  # type: ignore[method-assign,assignment] # this process only


async def _acknowledged(reply: Awaitable[Any], mark: _Mark, name: str) -> Any:
    found = await reply
    mark.at(f"{name} acknowledged")
    return found
