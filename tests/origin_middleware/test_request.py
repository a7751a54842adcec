"""The body of a request: its limit, its room, and a handler that gets every byte."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from origin_middleware import Event, IdempotencyMiddleware, MemoryStore, Policy, Refused
from origin_middleware.asgi import Message, Receive, Scope, Send
from tests.support.asgi import App, Connection, GatedApp, chunk, http_scope, start
from tests.support.asgi import request as ask
from tests.support.faulty import FaultyStore

LIMIT = Policy(max_request_bytes=1_000)


def length(size: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", b"%d" % size)]


async def never() -> Message:
    raise AssertionError("the body was asked for")


async def test_a_body_that_declares_too_much_is_refused_before_it_is_read() -> None:
    inner, store, events = App(), FaultyStore(), list[Event]()
    app = IdempotencyMiddleware(
        inner, store=store, policy=LIMIT, observer=events.append
    )
    connection = Connection()
    await app(http_scope(headers=length(1_001)), never, connection.send)
    assert (connection.status, connection.code) == (413, "request-too-large")
    assert (inner.executions, store.calls) == (0, [])
    assert [type(event) for event in events] == [Refused]


@pytest.mark.parametrize(
    "declared", [[], length(10), [(b"content-length", b"9" * 5_000)]]
)
async def test_a_body_that_is_too_large_is_refused_before_the_claim(
    declared: list[tuple[bytes, bytes]],
) -> None:
    inner, store = App(), FaultyStore()
    app = IdempotencyMiddleware(inner, store=store, policy=LIMIT)
    refused = await ask(app, b"x" * 600, b"x" * 401, headers=declared)
    assert (refused.status, refused.code) == (413, "request-too-large")
    assert (inner.executions, store.calls) == (0, [])


@pytest.mark.parametrize("policy", [LIMIT, Policy(max_request_bytes=None)])
async def test_a_body_of_just_the_limit_is_taken(policy: Policy) -> None:
    app = IdempotencyMiddleware(App(), store=MemoryStore(), policy=policy)
    assert (await ask(app, b"x" * 1_000, headers=length(1_000))).status == 200


def test_the_limit_is_16_mib() -> None:
    assert Policy().max_request_bytes == 16 * 2**20


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))


@pytest.mark.usefixtures("no_room")
async def test_without_room_for_a_body_the_request_is_refused_and_the_log_says_why(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inner, store = App(), FaultyStore()
    app = IdempotencyMiddleware(inner, store=store)
    refused = await ask(app, b"x" * 1_048_577)
    assert (refused.status, refused.code) == (503, "no-room")
    assert (inner.executions, store.calls) == (0, [])
    assert "A request body could not be kept" in caplog.text
    assert (await ask(app, b"small")).status == 200


@pytest.mark.usefixtures("no_room")
async def test_a_start_up_without_room_for_bodies_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    middleware = IdempotencyMiddleware(app, store=MemoryStore())
    await middleware({"type": "lifespan"}, receive, Connection().send)
    assert "until there is room for temporary files" in caplog.text


async def polled(receive: Receive) -> bool:
    """As Starlette's `request.is_disconnected()` asks."""
    message: Message = {}
    with anyio.CancelScope() as scope:
        scope.cancel()
        message = await receive()
    return bool(message) and message["type"] == "http.disconnect"


@pytest.mark.parametrize("polls", [1, 2, 5])
@pytest.mark.parametrize("when", ["before", "between", "after", "always"])
async def test_a_handler_that_asks_for_a_disconnect_gets_every_byte(
    when: str, polls: int
) -> None:
    size, got = 3_000_000, list[int]()

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        async def poll(moment: str) -> None:
            if when in (moment, "always"):
                for _ in range(polls):
                    assert not await polled(receive)
                    # Long enough for the read of a piece to end in between.
                    await asyncio.to_thread(bytes)

        await poll("before")
        taken, more = 0, True
        while more:
            message = await receive()
            taken, more = taken + len(message["body"]), message["more_body"]
            await poll("between" if more else "after")
        got.append(taken)
        await App()(scope, receive, send)

    app = IdempotencyMiddleware(handler, store=MemoryStore())
    answer = await asyncio.wait_for(ask(app, *[b"x" * (size // 6)] * 6), 10)
    assert answer.status == 200
    assert got == [size]


@pytest.mark.parametrize("polls", [False, True])
async def test_a_stream_that_reads_a_large_request_gets_every_byte(polls: bool) -> None:
    """Starlette listens for the disconnect beside it, and asks first."""

    async def counting(request: Request) -> Response:
        async def parts() -> AsyncIterator[bytes]:
            taken = 0
            async for piece in request.stream():
                taken += len(piece)
                if polls:
                    assert not await request.is_disconnected()
            yield b"%d" % taken

        return StreamingResponse(parts())

    size = 3_000_000
    starlette = Starlette(routes=[Route("/report", counting, methods=["POST"])])
    app = IdempotencyMiddleware(starlette, store=MemoryStore())
    answer = await asyncio.wait_for(ask(app, b"x" * size), 10)
    assert answer.body == b"%d" % size


async def waiting(app: Any, store: FaultyStore, *body: bytes) -> asyncio.Task[Any]:
    waits = store.calls.count("wait")
    task = asyncio.create_task(ask(app, *body))
    await store.asked("wait", waits + 1)
    return task


@pytest.mark.parametrize(("size", "spooled"), [(65_536, False), (65_537, True)])
async def test_a_large_body_does_not_wait_in_memory(
    size: int, spooled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    files: list[str] = []
    real = tempfile.TemporaryFile

    def noting(**options: Any) -> Any:
        files.append(options["prefix"])
        return real(**options)

    monkeypatch.setattr(tempfile, "TemporaryFile", noting)
    inner, store, body = GatedApp(), FaultyStore(), b"x" * size
    app = IdempotencyMiddleware(inner, store=store)
    first = asyncio.create_task(ask(app, body))
    await inner.entered.wait()
    assert files == []
    second = await waiting(app, store, body)
    assert bool(files) == spooled
    inner.gate.set()
    assert (await first).body == (await second).body == b"done"
    assert inner.executions == 1


async def test_a_body_that_waited_on_disk_is_given_to_the_handler_in_the_end() -> None:
    got: list[bytes] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        inner.entered.set()
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        got.append(body)
        await inner.gate.wait()
        await send(start(500 if len(got) == 1 else 200))
        await send(chunk(b""))

    inner, store, body = GatedApp(), FaultyStore(), bytes(range(256)) * 1_000
    app = IdempotencyMiddleware(handler, store=store)
    first = asyncio.create_task(ask(app, body))
    await inner.entered.wait()
    second = await waiting(app, store, body)
    inner.gate.set()
    assert ((await first).status, (await second).status) == (500, 200)
    assert got == [body, body]


async def test_no_more_than_a_thousand_requests_wait_for_one_key() -> None:
    inner, store = GatedApp(), FaultyStore()
    app = IdempotencyMiddleware(inner, store=store)
    first = asyncio.create_task(ask(app))
    await inner.entered.wait()
    crowd = [asyncio.create_task(ask(app)) for _ in range(1_000)]
    await store.asked("wait", 1_000)
    one_more = await ask(app)
    assert (one_more.status, one_more.code) == (409, "in-progress")
    inner.gate.set()
    await first
    assert {connection.body for connection in await asyncio.gather(*crowd)} == {b"done"}
    assert (await ask(app)).status == 200
    assert not app._runtime.waiting


RANGES = [b"bytes=0-1", b"bytes=2-3"]


@pytest.mark.parametrize("name", [b"range", b"if-range"])
async def test_another_part_of_a_resource_is_another_request(name: bytes) -> None:
    inner = App(start(206), chunk(b"ab"))
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    assert (await ask(app, headers=[(name, RANGES[0])])).status == 206
    assert (await ask(app, headers=[(name, RANGES[0])])).status == 206
    for headers in ([], [(name, RANGES[1])], [(name, RANGES[0])] * 2):
        assert (await ask(app, headers=headers)).code == "different-request"
    assert inner.executions == 1


async def test_a_payment_is_no_login() -> None:
    inner = App()
    policy = Policy(fingerprint_headers=("Authorization",))
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=policy)
    alice = [(b"authorization", b"Bearer alice")]
    assert (await ask(app, headers=alice)).status == 200
    assert (await ask(app, headers=alice)).status == 200
    for other in ([], [(b"authorization", b"Bearer mallory")]):
        assert (await ask(app, headers=other)).code == "different-request"
    assert inner.executions == 1
