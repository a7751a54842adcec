"""What a request gets, situation by situation, in memory and on a real server."""

import asyncio
import gc
from contextlib import suppress

import pytest

from origin_middleware import (
    IdempotencyMiddleware,
    Policy,
    Store,
    attempt_of,
)
from origin_middleware.asgi import ASGIApp, Receive, Scope, Send
from origin_middleware.exchange import Exchange
from origin_middleware.execution import Execution
from origin_middleware.recorder import Recorder
from origin_middleware.request import RequestBody
from tests.support.asgi import (
    PRIVATE,
    App,
    Connection,
    GatedApp,
    chunk,
    http_scope,
    request,
    start,
)
from tests.support.faulty import FaultyStore

_OF_A_REQUEST = (Exchange, Execution, Recorder, RequestBody)

HEADERS = [
    (b"content-type", b"text/plain; charset=latin-1"),
    (b"set-cookie", b"a=1"),
    (b"set-cookie", b"b=2"),
    (b"x-name", "Ære".encode("latin-1")),
]


async def test_the_first_request_executes_and_the_next_gets_its_response(
    store: Store,
) -> None:
    inner = App(start(201, HEADERS), chunk(b"\x00\xff body"))
    app = IdempotencyMiddleware(inner, store=store)
    first = await request(app, b"in")
    second = await request(app, b"in")
    assert inner.executions == 1
    assert first.sent == [start(201, [*HEADERS, PRIVATE]), chunk(b"\x00\xff body")]
    replayed = [*HEADERS, PRIVATE, (b"idempotent-replayed", b"true")]
    assert second.sent == [start(201, replayed), chunk(b"\x00\xff body")]


async def test_hop_by_hop_headers_are_not_replayed(store: Store) -> None:
    inner = App(start(200, [(b"Connection", b"close"), (b"x-kept", b"1")]), chunk(b""))
    app = IdempotencyMiddleware(inner, store=store)
    await request(app)
    assert (await request(app)).headers == [
        (b"x-kept", b"1"),
        PRIVATE,
        (b"idempotent-replayed", b"true"),
    ]


async def _failing(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError


async def _refused(scope: Scope, receive: Receive, send: Send) -> None:
    attempt = attempt_of(scope)
    assert attempt is not None
    await attempt.effects_begin()


@pytest.mark.parametrize("handler", [App(), _failing, _refused])
async def test_a_request_is_freed_without_the_garbage_collector(
    handler: ASGIApp,
) -> None:
    store = FaultyStore()
    store.faults = {"begin_effects": ValueError()}
    app = IdempotencyMiddleware(handler, store=store)
    gc.collect()
    gc.disable()
    try:
        before = _of_requests()
        for _ in range(2):
            with suppress(ValueError):
                await request(app)
        store.faults = {}  # the error knows the frames that it came through
        await asyncio.sleep(0)  # the event loop keeps what it has just called
        assert _of_requests() <= before
    finally:
        gc.enable()


def _of_requests() -> set[int]:
    """Other tests may have left theirs."""
    return {id(each) for each in gc.get_objects() if isinstance(each, _OF_A_REQUEST)}


async def test_other_keys_execute_for_themselves(store: Store) -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=store)
    for key in (b"one", b"two", b"One"):
        await request(app, key=key)
    assert inner.executions == 3


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/other"},
        {"path": "/report/"},
        {"query": b"a=1"},
        {"method": "PUT"},
        {"headers": [(b"x-settlement-resource-id", b"other")]},
        {"headers": [(b"x-settlement-network", b"eip155:1")]},
    ],
)
async def test_the_same_key_on_another_request_is_422(
    store: Store, change: dict[str, object]
) -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=store)
    await request(app)
    refused = await request(app, **change)
    assert (refused.status, refused.code) == (422, "different-request")
    assert inner.executions == 1


async def test_the_same_key_with_another_body_is_422(store: Store) -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=store)
    await request(app, b"amount=1")
    assert (await request(app, b"amount=2")).code == "different-request"
    assert (await request(app, b"amount", b"=1")).status == 200


async def test_another_request_is_422_while_the_first_still_runs(store: Store) -> None:
    inner = GatedApp()
    app = IdempotencyMiddleware(inner, store=store)
    first = asyncio.create_task(request(app))
    await inner.entered.wait()
    assert (await request(app, path="/other")).code == "different-request"
    inner.gate.set()
    assert (await first).status == 200


async def test_fifty_at_once_are_one_execution_and_fifty_answers(store: Store) -> None:
    inner = GatedApp()
    app = IdempotencyMiddleware(inner, store=store)
    storm = [asyncio.create_task(request(app)) for _ in range(50)]
    await inner.entered.wait()
    inner.gate.set()
    answers = await asyncio.gather(*storm)
    assert inner.executions == 1
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"done")}


async def test_after_its_patience_a_duplicate_gets_409(store: Store) -> None:
    inner = GatedApp()
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(patience=0.05))
    first = asyncio.create_task(request(app))
    await inner.entered.wait()
    refused = await request(app)
    assert (refused.status, refused.code) == (409, "in-progress")
    assert (b"retry-after", b"1") in refused.headers
    assert (b"cache-control", b"no-store") in refused.headers
    inner.gate.set()
    await first


async def test_without_patience_a_duplicate_does_not_wait(store: Store) -> None:
    inner = GatedApp()
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(patience=0))
    first = asyncio.create_task(request(app))
    await inner.entered.wait()
    assert (await request(app)).code == "in-progress"
    inner.gate.set()
    await first


async def test_when_the_attempt_it_waited_for_failed_a_duplicate_executes(
    store: Store,
) -> None:
    inner = GatedApp(start(503), chunk(b"down"))
    app = IdempotencyMiddleware(inner, store=store)
    first = asyncio.create_task(request(app))
    await inner.entered.wait()
    second = asyncio.create_task(request(app))
    await asyncio.sleep(0)
    inner.gate.set()
    assert [(await first).status, (await second).status] == [503, 503]
    assert inner.executions == 2


async def test_what_is_not_http_is_passed_through() -> None:
    received: list[object] = []

    async def inner(scope: object, receive: object, send: object) -> None:
        received.extend([scope, receive, send])

    app = IdempotencyMiddleware(inner, store=FaultyStore())
    scope, connection = {"type": "websocket"}, Connection()
    receive, send = connection.receive, connection.send
    await app(scope, receive, send)
    assert received == [scope, receive, send]


async def test_without_a_key_nothing_is_wrapped() -> None:
    received: list[object] = []

    async def inner(scope: object, receive: object, send: object) -> None:
        received.extend([scope, receive, send])

    app = IdempotencyMiddleware(inner, store=FaultyStore())
    scope, connection = http_scope(key=None), Connection()
    receive, send = connection.receive, connection.send
    await app(scope, receive, send)
    assert received[0] is scope
    assert received[1:] == [receive, send]
