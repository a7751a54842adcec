"""Apps to measure without a server: one with records, and ones that are wrong."""

from collections.abc import Callable

from starlette.middleware import Middleware

from benchmarks.app import Handlers, starlette_app
from benchmarks.client import Client
from origin_middleware import IdempotencyMiddleware, MemoryStore
from origin_middleware.asgi import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-settlement-intent-id"
Wrap = Callable[[ASGIApp], ASGIApp]


def protected() -> tuple[Client, Handlers]:
    handlers = Handlers()
    protection = Middleware(IdempotencyMiddleware, store=MemoryStore())
    return Client(starlette_app(handlers, protection), HEADER), handlers


def bare() -> tuple[Client, Handlers]:
    handlers = Handlers()
    return Client(starlette_app(handlers), HEADER), handlers


def wrapped(wrap: Wrap) -> tuple[Client, Handlers]:
    """A protected app, with something wrong in front."""
    handlers = Handlers()
    protection = Middleware(IdempotencyMiddleware, store=MemoryStore())
    return Client(wrap(starlette_app(handlers, protection)), HEADER), handlers


def runs_twice(app: ASGIApp) -> ASGIApp:
    """Executes once more, for nobody."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        async def nothing(_: Message) -> None:
            pass

        own = {**scope, "headers": []}
        await app(own, receive, nothing)

        async def nothing_to_read() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        await app(scope, nothing_to_read, send)

    return run


def answers_itself(after: int, status: int) -> Wrap:
    """Lets so many requests through; those that come then never see the handler."""

    def wrap(app: ASGIApp) -> ASGIApp:
        asked = 0

        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal asked
            asked += 1
            if asked <= after:
                await app(scope, receive, send)
                return
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b"{}"})

        return run

    return wrap


def loses_cookies(app: ASGIApp) -> ASGIApp:
    """From every replay."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_without(message: Message) -> None:
            headers = message.get("headers", [])
            if (b"idempotent-replayed", b"true") in headers:
                kept = [line for line in headers if line[0] != b"set-cookie"]
                message = {**message, "headers": kept}
            await send(message)

        await app(scope, receive, send_without)

    return run


def raises(_: ASGIApp) -> ASGIApp:
    async def run(*_: object) -> None:
        raise ConnectionResetError

    return run
