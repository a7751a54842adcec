"""Among other middleware, around routes, sub-apps, and what else apps are made of."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from origin_middleware import IdempotencyMiddleware, MemoryStore, Policy, drain
from tests.support.asgi import KEY

INTENT = {KEY.decode(): "intent-1"}
LONG = "a long answer, again and again. " * 100


class Tagging(BaseHTTPMiddleware):
    async def dispatch(
        self, request: Request, call_next: RequestResponseEndpoint
    ) -> Response:
        response = await call_next(request)
        response.headers["x-tagged"] = "yes"
        return response


class Handlers:
    """Handlers that count their executions."""

    def __init__(self) -> None:
        self.executions = 0

    async def text(self, request: Request) -> Response:
        self.executions += 1
        return PlainTextResponse(f"{LONG}{self.executions}")

    async def stream(self, request: Request) -> Response:
        self.executions += 1

        async def parts() -> AsyncIterator[str]:
            for _ in range(1000):
                yield LONG[:10]

        return StreamingResponse(parts())

    async def nothing(self, request: Request) -> Response:
        self.executions += 1
        return Response(status_code=204)

    async def redirect(self, request: Request) -> Response:
        self.executions += 1
        return RedirectResponse("/elsewhere", status_code=303)

    async def file(self, request: Request) -> Response:
        self.executions += 1
        return FileResponse(Path(__file__))

    async def body(self, request: Request) -> Response:
        self.executions += 1
        async with request.form() as form:
            upload = form["file"]
            assert not isinstance(upload, str)
            content = await upload.read()
        return PlainTextResponse(f"{len(content)}")


def ours(policy: Policy | None = None) -> Middleware:
    return Middleware(
        IdempotencyMiddleware, store=MemoryStore(), policy=policy or Policy()
    )


def client(app: Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


KINDS = ["text", "stream", "nothing", "redirect", "file"]
STACKS: dict[str, Callable[[], list[Middleware]]] = {
    "alone": lambda: [ours()],
    "inside BaseHTTPMiddleware": lambda: [Middleware(Tagging), ours()],
    "outside BaseHTTPMiddleware": lambda: [ours(), Middleware(Tagging)],
    "inside compression": lambda: [Middleware(GZipMiddleware), ours()],
    "outside compression": lambda: [ours(), Middleware(GZipMiddleware)],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stack", STACKS)
async def test_a_replay_is_what_the_first_client_got(stack: str, kind: str) -> None:
    handlers = Handlers()
    routes = [Route("/", getattr(handlers, kind), methods=["GET", "POST"])]
    app = Starlette(routes=routes, middleware=STACKS[stack]())
    async with client(app) as http:
        first = await http.post("/", headers=INTENT)
        again = await http.post("/", headers=INTENT)
    assert handlers.executions == 1
    assert first.status_code == again.status_code
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    if stack != "inside compression":  # which packs a stream and a whole differently
        headers = [p for p in again.headers.raw if p[0] != b"idempotent-replayed"]
        assert sorted(headers) == sorted(first.headers.raw)


async def test_compression_outside_follows_each_client() -> None:
    handlers = Handlers()
    app = Starlette(
        routes=[Route("/", handlers.text)],
        middleware=[Middleware(GZipMiddleware), ours()],
    )
    async with client(app) as http:
        plain = await http.get("/", headers=INTENT | {"accept-encoding": "identity"})
        packed = await http.get("/", headers=INTENT | {"accept-encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert plain.text == packed.text == f"{LONG}1"


async def test_compression_inside_is_recorded_as_it_was() -> None:
    handlers = Handlers()
    app = Starlette(
        routes=[Route("/", handlers.text)],
        middleware=[ours(), Middleware(GZipMiddleware)],
    )
    raw = []
    async with client(app) as http:
        for _ in range(2):
            async with http.stream("GET", "/", headers=INTENT) as answer:
                raw.append(b"".join([part async for part in answer.aiter_raw()]))
    assert raw[0] == raw[1]
    assert gzip.decompress(raw[1]).decode() == f"{LONG}1"


class Members(BaseHTTPMiddleware):
    """Lets in who has a password."""

    async def dispatch(
        self, request: Request, call_next: RequestResponseEndpoint
    ) -> Response:
        if "authorization" not in request.headers:
            return Response(status_code=401)
        return await call_next(request)


async def test_who_is_asked_outside_is_asked_at_a_replay_too() -> None:
    handlers = Handlers()
    app = Starlette(
        routes=[Route("/", handlers.text)], middleware=[Middleware(Members), ours()]
    )
    async with client(app) as http:
        member = await http.get("/", headers=INTENT | {"authorization": "Basic eDp5"})
        stranger = await http.get("/", headers=INTENT)
    assert (member.status_code, stranger.status_code) == (200, 401)


async def test_inside_cors_a_refusal_can_be_read_by_a_browser() -> None:
    cors = Middleware(CORSMiddleware, allow_origins=["https://shop.example"])
    app = Starlette(
        routes=[Route("/", Handlers().text)],
        middleware=[cors, ours(Policy(require_key=True))],
    )
    async with client(app) as http:
        refused = await http.get("/", headers={"origin": "https://shop.example"})
    assert refused.status_code == 400
    assert refused.headers["access-control-allow-origin"] == "https://shop.example"


async def test_a_head_request_is_recorded_and_has_no_body() -> None:
    handlers = Handlers()
    app = Starlette(routes=[Route("/", handlers.text)], middleware=[ours()])
    async with client(app) as http:
        first, again = [await http.head("/", headers=INTENT) for _ in range(2)]
    assert handlers.executions == 1
    assert first.headers["content-length"] == again.headers["content-length"]


async def test_a_multipart_upload_is_read_twice_and_executed_once() -> None:
    handlers = Handlers()
    routes = [Route("/", handlers.body, methods=["POST"])]
    app = Starlette(routes=routes, middleware=[ours()])
    content = b"--not the boundary\r\n" * 150_000
    packed = httpx.Request("POST", "http://test/", files={"file": content})
    body = packed.read()
    headers = INTENT | {"content-type": packed.headers["content-type"]}
    async with client(app) as http:
        answers = [
            await http.post("/", content=body, headers=headers) for _ in range(2)
        ]
    assert {answer.text for answer in answers} == {str(len(content))}
    assert handlers.executions == 1


async def test_it_can_be_around_one_route() -> None:
    paid, free = Handlers(), Handlers()
    routes = [
        Route("/paid", paid.text, middleware=[ours(Policy(require_key=True))]),
        Route("/free", free.text),
    ]
    async with client(Starlette(routes=routes)) as http:
        for _ in range(2):
            await http.get("/paid", headers=INTENT)
            await http.get("/free", headers=INTENT)
        assert (await http.get("/paid")).json()["code"] == "key-missing"
    assert (paid.executions, free.executions) == (1, 2)


async def test_it_can_be_around_a_mounted_app_and_sees_the_whole_path() -> None:
    handlers = Handlers()
    inner = Starlette(
        routes=[Route("/a", handlers.text), Route("/b", handlers.text)],
        middleware=[ours()],
    )
    async with client(Starlette(routes=[Mount("/api", app=inner)])) as http:
        for _ in range(2):
            assert (await http.get("/api/a", headers=INTENT)).text == f"{LONG}1"
        assert (await http.get("/api/b", headers=INTENT)).status_code == 422


async def test_drain_waits_for_what_runs_around_a_route() -> None:
    entered, gate, log = asyncio.Event(), asyncio.Event(), list[str]()

    async def slow(request: Request) -> Response:
        entered.set()
        await gate.wait()
        log.append("done")
        return PlainTextResponse("done")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        gate.set()
        await drain()
        log.append("closed")

    app = Starlette(routes=[Route("/", slow, middleware=[ours()])], lifespan=lifespan)
    async with lifespan(app), client(app) as http:
        cancelled = asyncio.create_task(http.get("/", headers=INTENT))
        await entered.wait()
        cancelled.cancel()
    assert log == ["done", "closed"]


async def test_a_websocket_is_not_touched() -> None:
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    app = Starlette(routes=[WebSocketRoute("/", echo)], middleware=[ours()])
    incoming = iter(
        [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}]
    )
    sent = []

    async def receive() -> dict[str, str]:
        return next(incoming)

    async def send(message: object) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/",
        "headers": [(KEY, b"1")],
        "subprotocols": [],
    }
    await app(scope, receive, send)
    assert {"type": "websocket.send", "text": "hello"} in sent
