"""Servers, stores, handlers and other middleware that do not behave."""

import asyncio
from typing import Any

import pytest

from origin_middleware import (
    Event,
    Executed,
    Failed,
    IdempotencyMiddleware,
    MemoryStore,
    Policy,
    Undelivered,
)
from origin_middleware.asgi import Message
from origin_middleware.key import Key
from origin_middleware.record import Answer, Claim, OwnerToken
from origin_middleware.request import RequestBody
from tests.support.asgi import (
    App,
    Connection,
    GatedApp,
    chunk,
    endings,
    http_scope,
    request,
    start,
)
from tests.support.faulty import FaultyStore
from tests.support.stores import Clock


class Broken(Connection):
    """A server that fails, or never comes back, when it is given a message."""

    def __init__(self, failure: Exception | None) -> None:
        super().__init__()
        self.failure = failure
        self.stuck = asyncio.Event()

    async def send(self, message: Message) -> None:
        self.stuck.set()
        if self.failure is None:
            await asyncio.Event().wait()
        raise self.failure or RuntimeError


@pytest.mark.parametrize("failure", [RuntimeError("after completion"), OSError("gone")])
@pytest.mark.parametrize("begin", [start(), start(200, [(b"content-length", b"4")])])
async def test_a_server_that_takes_no_message_does_not_make_the_handler_fail(
    begin: Message, failure: Exception
) -> None:
    inner, events = App(begin, chunk(b"do", more=True), chunk(b"ne")), list[Event]()
    app = IdempotencyMiddleware(inner, store=MemoryStore(), observer=endings(events))
    connection = Broken(failure)
    with pytest.raises(type(failure)) as raised:  # when the handler is done
        await app(http_scope(), connection.receive, connection.send)
    assert raised.value is failure
    assert [type(event) for event in events] == [Executed, Undelivered]
    assert (await request(app)).body == b"done"
    assert inner.executions == 1
    connection = Broken(failure)
    with pytest.raises(type(failure)):  # as without the middleware, from a replay too
        await app(http_scope(), connection.receive, connection.send)


async def test_a_request_cancelled_while_its_client_does_not_read_is_recorded() -> None:
    """The server waits for room to write, and then cancels the request."""
    inner = App(start(), chunk(b"do", more=True), chunk(b"ne"))
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    connection = Broken(None)
    running = asyncio.create_task(
        app(http_scope(), connection.receive, connection.send)
    )
    await connection.stuck.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await app._runtime.drain()
    assert (await request(app)).body == b"done"
    assert inner.executions == 1


async def test_a_replay_to_a_client_that_does_not_read_ends_with_its_request() -> None:
    app = IdempotencyMiddleware(App(), store=MemoryStore())
    await request(app)
    connection = Broken(None)
    running = asyncio.create_task(
        app(http_scope(), connection.receive, connection.send)
    )
    await connection.stuck.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await app._runtime.drain()
    assert not app._runtime._tasks


async def test_a_request_cancelled_during_its_upload_ends() -> None:
    inner, connection = App(), Connection(b"half", cut_off=True)
    waiting = asyncio.Event()

    async def receive() -> Message:
        waiting.set()
        await asyncio.Event().wait()
        return {}

    app = IdempotencyMiddleware(inner, store=FaultyStore())
    running = asyncio.create_task(app(http_scope(), receive, connection.send))
    await waiting.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await app._runtime.drain()
    assert not app._runtime._tasks
    assert inner.executions == 0


async def test_a_cancellation_of_the_handlers_own_is_its_own() -> None:
    """Not every cancelled message means that the client is gone."""
    inner = App(start(), chunk(b"done", more=True))
    app = IdempotencyMiddleware(inner, store=FaultyStore())
    connection = Broken(None)
    running = asyncio.create_task(
        app(http_scope(), connection.receive, connection.send)
    )
    await connection.stuck.wait()
    (task,) = app._runtime._tasks
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert task.cancelled()


@pytest.mark.parametrize(
    "messages",
    [
        [start(200, [(b"x-bad", b"a\r\nb: c")]), chunk(b"")],
        [start(200, [(b"x bad", b"")]), chunk(b"")],
        [start(200, [("x-text", b"")]), chunk(b"")],  # type: ignore[list-item] # the mistake under test
        [start(200, [(b"x-text", "")]), chunk(b"")],  # type: ignore[list-item] # the mistake under test
        [start(200, [(b"x" * 70_000, b"")]), chunk(b"")],
        [start(99), chunk(b"")],
        [start(), start(), chunk(b"")],
        [start(200, [(b"content-length", b"3")]), chunk(b"long")],
        [start(200, [(b"content-length", b"9")]), chunk(b"short")],
        [start(200, [(b"content-length", b"-1")]), chunk(b"x")],
        [
            start(200, [(b"content-length", b"1"), (b"Content-Length", b"2")]),
            chunk(b"x"),
        ],
        [start(), chunk(5)],  # type: ignore[arg-type] # the mistake under test
    ],
)
async def test_a_response_that_no_server_would_send_is_a_failure_and_no_record(
    messages: list[Message],
) -> None:
    inner, events = App(*messages), list[Event]()
    app = IdempotencyMiddleware(inner, store=MemoryStore(), observer=endings(events))
    for _ in range(2):
        with pytest.raises((RuntimeError, ValueError, TypeError)):
            await request(app)
    assert inner.executions == 2
    assert [type(event) for event in events] == [Failed] * 2


async def test_a_body_that_is_none_is_empty() -> None:
    """As servers have it."""
    inner = App(start(), {"type": "http.response.body", "body": None})
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    for _ in range(2):
        assert (await request(app)).status == 200
    assert inner.executions == 1


async def test_the_body_of_a_head_response_does_not_count() -> None:
    inner = App(start(200, [(b"content-length", b"500")]), chunk(b"x" * 500))
    policy = Policy(max_response_bytes=100)
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=policy)
    for _ in range(2):
        assert (await request(app, method="HEAD")).status == 200
    assert inner.executions == 1


async def test_two_of_us_around_one_handler_are_one() -> None:
    inner, store = App(), MemoryStore()
    app = IdempotencyMiddleware(IdempotencyMiddleware(inner, store=store), store=store)
    for _ in range(2):
        assert (await request(app)).body == b"done"
    assert inner.executions == 1


async def test_a_shutdown_waits_for_a_write_that_is_tried_again() -> None:
    inner, store, events = GatedApp(), FaultyStore(), list[Event]()
    store.away("complete")
    app = IdempotencyMiddleware(inner, store=store, observer=endings(events))
    running = asyncio.create_task(request(app))
    await inner.entered.wait()
    draining = asyncio.create_task(app._runtime.drain())
    inner.gate.set()
    await running
    await store.asked("complete", 2)
    store.away()
    await draining
    assert isinstance(events[-1], Executed)


async def test_a_shutdown_that_does_not_wait_any_longer_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inner = GatedApp()
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    running = asyncio.create_task(request(app))
    await inner.entered.wait()
    await app._runtime.drain(within=0)
    assert "Shutdown timed out with 1 requests running" in caplog.text
    caplog.clear()
    inner.gate.set()
    await running
    await app._runtime.drain(within=0)
    assert caplog.text == ""


class Surprising(FaultyStore):
    """Raises what no store should."""

    surprises: dict[str, int]

    def _asked(self, method: str) -> None:
        super()._asked(method)
        if self.surprises.get(method, 0):
            self.surprises[method] -= 1
            raise RuntimeError("a bug of the store")


async def test_whatever_the_store_raises_the_response_is_delivered() -> None:
    store = Surprising()
    store.surprises = {"complete": 1}
    app = IdempotencyMiddleware(App(), store=store)
    assert (await request(app)).body == b"done"
    await app._runtime.drain()
    assert (await request(app)).headers[-1] == (b"idempotent-replayed", b"true")


async def test_whatever_the_store_raises_the_lease_is_renewed_again() -> None:
    store, inner = Surprising(), GatedApp()
    store.surprises = {"renew": 2}
    policy = Policy(lease=0.06, retention=60)
    app = IdempotencyMiddleware(inner, store=store, policy=policy)
    running = asyncio.create_task(request(app))
    await store.asked("renew", 4)
    inner.gate.set()
    assert (await running).status == 200


async def test_after_a_failure_duplicates_claim_one_by_one() -> None:
    """A hundred that claim at once would be ninety-nine that wait again, each time."""
    store, inner = FaultyStore(), GatedApp(start(500), chunk(b""))
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(max_attempts=100))
    waiting = [asyncio.create_task(request(app)) for _ in range(100)]
    await store.asked("wait", 99)
    claims = store.calls.count("claim")
    inner.gate.set()
    answers: list[Any] = await asyncio.gather(*waiting)
    assert {answer.status for answer in answers} == {500}
    assert inner.executions == 100
    assert store.calls.count("claim") - claims < 400


class Owners(FaultyStore):
    """Whose claims were made."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.seen: list[OwnerToken] = []

    async def claim(self, key: Key, claim: Claim, /) -> Answer:
        self.seen.append(claim.owner)
        return await super().claim(key, claim)

    async def take_over(self, key: Key, claim: Claim, /) -> Answer:
        self.seen.append(claim.owner)
        return await super().take_over(key, claim)


@pytest.mark.parametrize("abandoned", [False, True])
async def test_no_owner_token_makes_two_claims(abandoned: bool) -> None:
    """An attempt of the last one may still be under way, and its withdrawal as well."""
    clock = Clock()
    store, inner = Owners(clock), GatedApp(start(503), chunk(b"down"))
    policy = Policy(on_abandoned="execute")
    app = IdempotencyMiddleware(inner, store=store, policy=policy)
    first = asyncio.create_task(request(app))
    await inner.entered.wait()
    clock.now += 11 if abandoned else 0
    second = asyncio.create_task(request(app))
    await store.asked("take_over" if abandoned else "wait", 1)
    inner.gate.set()
    assert [(await first).status, (await second).status] == [503, 503]
    assert inner.executions == 2
    assert len(store.seen) == len(set(store.seen)) == 3


def test_a_body_that_goes_to_disk_too_late_leaves_no_file() -> None:
    """A request that is cancelled does not stop the thread that writes."""
    body = RequestBody()
    body.close()
    body._spill(b"late")
    assert body._file
    assert body._file.closed
