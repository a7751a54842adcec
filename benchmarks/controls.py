"""The controls: the bare app, and the bare app with the fewest commands of redis-py.

The floor makes a SET NX and a SET around a first execution, and one GET for a replay.
It remembers which keys it completed itself instead of asking, and checks nothing: a
floor, and not an alternative.
"""

from dataclasses import replace
from functools import wraps
from typing import Any

from redis.asyncio import Redis
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from benchmarks.app import Handler, Handlers, Row, fastapi_app, starlette_app
from benchmarks.raw import RawCommands
from origin_middleware.asgi import ASGIApp, Headers, Message, Receive, Scope, Send

_LEASE, _RETENTION = 60_000, 86_400_000  # milliseconds
_HEADER = b"idempotency-key"


class Commands:
    def __init__(self, client: Redis | RawCommands) -> None:
        self._client = client
        self._completed: set[bytes] = set()

    async def claim(self, key: bytes) -> tuple[int, Headers, bytes] | None:
        """What is on record, or None."""
        if key in self._completed:
            record: Any = await self._client.get(key)
            return _unpacked(record)
        await self._client.set(key, b"", nx=True, px=_LEASE)
        return None

    async def complete(
        self, key: bytes, status: int, headers: Headers, body: bytes
    ) -> None:
        record = _packed(status, headers, body)
        await self._client.set(key, record, px=_RETENTION)
        self._completed.add(key)


def _packed(status: int, headers: Headers, body: bytes) -> bytes:
    lines = [b"%d" % status, *(name + b":" + value for name, value in headers)]
    return b"\n".join(lines) + b"\n\n" + body


def _unpacked(record: bytes) -> tuple[int, Headers, bytes]:
    head, _, body = record.partition(b"\n\n")
    status, *lines = head.split(b"\n")
    headers = [(name, value) for name, _, value in (x.partition(b":") for x in lines)]
    return int(status), headers, body


class Floor:
    """The commands as middleware."""

    def __init__(self, app: ASGIApp, commands: Commands) -> None:
        self._app = app
        self._commands = commands

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = next((v for name, v in scope["headers"] if name == _HEADER), None)
        if key is None:
            await self._app(scope, receive, send)
        elif kept := await self._commands.claim(key):
            await _replay(send, *kept)
        else:
            await self._execute(key, scope, receive, send)

    async def _execute(
        self, key: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        start, *parts = messages
        body = b"".join(part.get("body", b"") for part in parts)
        await self._commands.complete(key, start["status"], start["headers"], body)
        for message in messages:
            await send(message)


async def _replay(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _with_floor(handlers: Handlers, url: str) -> ASGIApp:
    return starlette_app(handlers, Middleware(Floor, commands=_of_redis_py(url)))


def _with_raw_connection(handlers: Handlers, url: str) -> ASGIApp:
    commands = Commands(RawCommands(url))
    return starlette_app(handlers, Middleware(Floor, commands=commands))


def _of_redis_py(url: str) -> Commands:
    return Commands(Redis.from_url(url))


def _with_decorated_floor(handlers: Handlers, url: str) -> ASGIApp:
    commands = _of_redis_py(url)

    def decorate(function: Handler) -> Handler:
        @wraps(function)
        async def endpoint(request: Request) -> Response:
            key = request.headers.get("idempotency-key", "").encode()
            if not key:
                return await function(request)
            if kept := await commands.claim(key):
                status, headers, body = kept
                replay = Response(body, status)
                replay.raw_headers = headers
                return replay
            response = await function(request)
            headers, body = response.raw_headers, bytes(response.body)
            await commands.complete(key, response.status_code, headers, body)
            return response

        return endpoint

    return fastapi_app(handlers, decorate=decorate)


BARE = Row(
    name="bare",
    kind="control",
    how="the Starlette app, with nothing in front of it",
    build=lambda handlers, _: starlette_app(handlers),
    replays=False,
)
FLOOR = Row(
    name="floor",
    kind="control",
    how="the bare Redis commands around the Starlette app",
    build=_with_floor,
    distribution="redis",
)
FLOOR_AGAIN = Row(
    name="floor-again",
    kind="control",
    how="the same as floor: what differs is noise",
    build=_with_floor,
    distribution="redis",
)
RAW_CONNECTION = Row(
    name="raw-connection",
    kind="control",
    how="the commands of the floor on one pipelined connection, without redis-py",
    build=_with_raw_connection,
    distribution="hiredis",
)
BARE_UVLOOP = replace(BARE, name="bare-uvloop", ground="uvloop", how="bare, on uvloop")
FLOOR_UVLOOP = replace(
    FLOOR, name="floor-uvloop", ground="uvloop", how="the floor, on uvloop"
)
FLOOR_REDIS_SERVER = replace(
    FLOOR,
    name="floor-redis-server",
    ground="redis-server",
    how="the floor, with the redis-server of this machine",
)
BARE_FASTAPI = Row(
    name="bare-fastapi",
    kind="control",
    ground="fastapi",
    how="the FastAPI app, with nothing in front of it",
    build=lambda handlers, _: fastapi_app(handlers),
    replays=False,
)
FLOOR_FASTAPI = Row(
    name="floor-fastapi",
    kind="control",
    ground="fastapi",
    how="the bare Redis commands as a decorator of FastAPI endpoints",
    build=_with_decorated_floor,
    distribution="redis",
)
