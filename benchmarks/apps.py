"""What is measured, and the controls it is measured against. All answer the same 1 KiB.

A control does the least that could work: the bare app, and the bare app with the fewest
commands of redis-py (SET NX and SET around a first execution, one GET for a replay). It
checks nothing, so it is a floor and not an alternative.
"""

from collections.abc import Awaitable, Callable
from secrets import token_hex

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from origin_middleware import IdempotencyMiddleware
from origin_middleware.asgi import ASGIApp, Message, Receive, Scope, Send
from origin_middleware.stores.redis import RedisStore

BODY = b"x" * 1024


async def _answer(request: Request) -> Response:
    await request.body()
    return Response(BODY, media_type="application/json")


def bare() -> Starlette:
    return Starlette(routes=[Route("/", _answer, methods=["POST"])])


def protected(store: RedisStore) -> Starlette:
    app = bare()
    app.add_middleware(IdempotencyMiddleware, store=store)
    return app


def floor_first(app: ASGIApp, client: Redis) -> ASGIApp:
    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        name = token_hex(32)
        await client.set(name, b"", nx=True, px=60_000)
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await app(scope, receive, keep)
        await client.set(name, messages[1]["body"], px=86_400_000)
        for message in messages:
            await send(message)

    return run


def floor_replay(client: Redis) -> ASGIApp:
    async def run(_: Scope, __: Receive, send: Send) -> None:
        body = await client.get("floor")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return run


Call = Callable[[], Awaitable[None]]


def caller(app: ASGIApp, key: str | Callable[[], str] | None) -> Call:
    """One request, in process, until the app returns."""
    headers = [(b"content-type", b"application/json")]

    async def call() -> None:
        own = key() if callable(key) else key
        intent = [(b"x-settlement-intent-id", own.encode())] if own else []
        sent = []

        async def receive() -> Message:
            return {"type": "http.request", "body": BODY, "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        scope: Scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "root_path": "",
            "headers": headers + intent,
        }
        await app(scope, receive, send)
        if sent[0]["status"] != 200 or sent[1]["body"] != BODY:
            raise RuntimeError(f"not the answer: {sent}")

    return call
