"""The measured app, and a row of the tables: the app with something in front of it."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from origin_middleware.asgi import ASGIApp

Document = dict[str, Any]
Handler = Callable[[Request], Awaitable[Response]]
Decorate = Callable[[Handler], Handler]
Kind = Literal["control", "ours", "rival"]
Ground = Literal["starlette", "fastapi", "uvloop", "redis-server"]
"""What a row stands on. Starlette, stock asyncio and the wheel's Valkey, but for what
it names: another framework, another event loop, or the machine's `redis-server`. Only
rows of one ground are compared.
"""
Build = Callable[["Handlers", str], ASGIApp]

SIZES = {"/1KiB": 1 << 10, "/64KiB": 1 << 16, "/1MiB": 1 << 20}
SLOW = 0.05  # seconds, the handler of the storm


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    name: str
    kind: Kind
    how: str
    """How it is used, in one line."""
    build: Build
    """Makes the app, from the handlers and the URL of the server."""
    ground: Ground = "starlette"
    distribution: str | None = None
    """The package whose version is reported."""
    header: bytes = b"idempotency-key"
    replays: bool = True
    keeps_responses: bool = True
    """False where only a function's return value is kept."""

    @property
    def bare(self) -> str:
        """The row with the same app and nothing else. It asks no server."""
        own = self.ground in ("fastapi", "uvloop")
        return f"bare-{self.ground}" if own else "bare"

    @property
    def floor(self) -> str:
        """The row with the same app and the bare commands."""
        return "floor" if self.ground == "starlette" else f"floor-{self.ground}"


class Handlers:
    """Counts executions by path. `/held` begins, and ends when it is let go."""

    def __init__(self) -> None:
        self.executions: Counter[str] = Counter()
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()
        self.ended_at = 0.0

    def by_path(self) -> dict[str, Handler]:
        answers: dict[str, Handler] = {path: _ready(path) for path in SIZES}
        answers |= {"/slow": self._slow, "/held": self._held}
        answers |= {"/cookies": _cookies, "/no-content": _no_content}
        answers |= {"/stream": _stream, "/binary": _binary}
        answers |= {"/echo": _echo, "/echo-too": _echo}
        return {path: self._counted(path, answers[path]) for path in answers}

    def execute(self, path: str) -> Document:
        """What `path` does, for a rival that wraps functions and not responses."""
        self.executions[path] += 1
        return DOCUMENTS[path]

    def _counted(self, path: str, answer: Handler) -> Handler:
        async def handler(request: Request) -> Response:
            await request.body()
            self.executions[path] += 1
            return await answer(request)

        return handler

    async def _slow(self, _: Request) -> Response:
        answer = JSONResponse({"execution": self.executions["/slow"]})
        await asyncio.sleep(SLOW)
        return answer

    async def _held(self, _: Request) -> Response:
        self.begun.set()
        await self.let_go.wait()
        self.ended_at = time.monotonic()
        return JSONResponse({"execution": self.executions["/held"]})


def starlette_app(handlers: Handlers, *middleware: Middleware) -> Starlette:
    routes = [
        Route(path, handler, methods=["POST"])
        for path, handler in handlers.by_path().items()
    ]
    return Starlette(routes=routes, middleware=middleware)


def fastapi_app(
    handlers: Handlers,
    *middleware: Middleware,
    decorate: Decorate = lambda handler: handler,
) -> FastAPI:
    """`decorate` wraps every endpoint, for what protects single routes."""
    app = FastAPI(openapi_url=None, middleware=middleware)
    for path, handler in handlers.by_path().items():
        endpoint = decorate(_endpoint(handler))
        app.post(path, response_model=None)(endpoint)
    return app


def _endpoint(handler: Handler) -> Handler:
    async def endpoint(request: Request) -> Response:
        return await handler(request)

    return endpoint


def _ready(path: str) -> Handler:
    async def order(_: Request) -> Response:
        return JSONResponse(DOCUMENTS[path])

    return order


async def _cookies(_: Request) -> Response:
    response = JSONResponse({"paid": True})
    response.set_cookie("session", "one")
    response.set_cookie("csrf", "two")
    return response


async def _no_content(_: Request) -> Response:
    return Response(status_code=204)


async def _stream(_: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"one\n", b"two\n", b"three\n"):
            yield part
            await asyncio.sleep(0.001)

    return StreamingResponse(parts(), media_type="text/plain")


async def _binary(_: Request) -> Response:
    return Response(bytes(range(256)), media_type="application/octet-stream")


async def _echo(request: Request) -> Response:
    body = await request.body()
    return JSONResponse({"path": request.url.path, "body": body.decode()})


def document(size: int) -> Document:
    """An order whose JSON is `size` bytes long."""
    lines = [{"sku": f"{n:06}", "quantity": 1, "price": n} for n in range(size // 64)]
    order = {"number": "ord_0123456789", "currency": "EUR", "lines": lines, "pad": ""}
    order["pad"] = "x" * (size - len(rendered(order)))
    return order


def rendered(order: Document) -> bytes:
    return json.dumps(order, ensure_ascii=False, separators=(",", ":")).encode()


DOCUMENTS = {path: document(size) for path, size in SIZES.items()}
REQUEST_BODY = rendered(DOCUMENTS["/1KiB"])
