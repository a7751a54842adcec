"""One scope, dispatched more than once or through more than one instance."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, aclosing, suppress
from typing import Any

import pytest
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

from origin_middleware import (
    Attempt,
    Event,
    Executed,
    Failed,
    IdempotencyMiddleware,
    MemoryStore,
    Policy,
    Replayed,
    attempt_of,
)
from origin_middleware.asgi import ASGIApp, Message, Receive, Scope, Send
from origin_middleware.client import Client
from origin_middleware.key import Key
from origin_middleware.scope import Passage, signed_headers
from origin_middleware.stores.redis import RedisStore
from tests.support.asgi import (
    App,
    Connection,
    GatedApp,
    chunk,
    endings,
    http_scope,
    start,
)
from tests.support.asgi import request as ask
from tests.support.servers import RedisServer, running, valkey
from tests.support.stores import PATIENT, a_key

IDEMPOTENCY_KEY = Policy(header="idempotency-key")


class FailsOnce(App):
    def __init__(self, failure: BaseException) -> None:
        super().__init__()
        self.failure = failure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self.executions:
            self.executions += 1
            raise self.failure
        await super().__call__(scope, receive, send)


def retrying(app: ASGIApp, error: type[BaseException]) -> ASGIApp:
    """Dispatches the same scope again, as after a deadlock in a database."""

    async def twice(scope: Scope, receive: Receive, send: Send) -> None:
        connection = Connection()
        try:
            await app(scope, connection.receive, send)
        except error:
            await app(scope, Connection().receive, send)

    return twice


@pytest.mark.parametrize("failure", [ConnectionError(), SystemExit()])
async def test_a_scope_that_is_dispatched_again_is_protected_again(
    failure: BaseException,
) -> None:
    inner, events = FailsOnce(failure), list[Event]()
    app = IdempotencyMiddleware(inner, store=MemoryStore(), observer=endings(events))
    for _ in range(2):
        assert (await ask(retrying(app, type(failure)))).body == b"done"
    assert inner.executions == 2
    assert [type(event) for event in events] == [Failed, Executed, Replayed]


async def test_a_scope_that_is_dispatched_again_after_a_timeout_is_not_run_twice() -> (
    None
):
    """The first dispatch goes on behind the back of the middleware that gave it up."""
    inner = GatedApp()
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    scope, second = http_scope(), Connection()
    running = asyncio.create_task(app(scope, Connection().receive, Connection().send))
    await inner.entered.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    again = asyncio.create_task(app(scope, second.receive, second.send))
    await asyncio.sleep(0)
    inner.gate.set()
    await again
    assert second.body == b"done"
    assert inner.executions == 1


@pytest.mark.parametrize("kept", [False, True])
async def test_a_scope_that_is_dispatched_while_it_runs_is_not_run_twice(
    kept: bool,
) -> None:
    """By a middleware that gives up waiting, and cancels nothing; it may have kept the
    body, to give it again.
    """
    inner = GatedApp()
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    scope, first, second = http_scope(), Connection(b"body"), Connection(b"body")
    running = asyncio.create_task(app(scope, first.receive, first.send))
    await inner.entered.wait()
    receive = second.receive if kept else first.receive
    again = asyncio.create_task(app(scope, receive, second.send))
    await asyncio.sleep(0)
    inner.gate.set()
    await asyncio.gather(running, again)
    assert (first.body, second.body) == (b"done", b"done")
    assert inner.executions == 1


BODIES: list[list[bytes]] = [[b""], [b"a body"], [b"in ", b"parts"]]


@pytest.mark.parametrize("body", BODIES, ids=repr)
@pytest.mark.parametrize("failure", [ConnectionError(), None])
@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_body_that_a_server_gives_once_is_there_for_the_next_dispatch(
    wrapped: bool, body: list[bytes], failure: Exception | None
) -> None:
    """A server has nothing more to say than that the client left."""
    seen: list[bytes] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((await receive())["body"])
        if len(seen) == 1 and failure is not None:
            raise failure
        await send(start(404 if len(seen) == 1 else 200))
        await send(chunk(b"done"))

    app: Any = IdempotencyMiddleware(handler, store=MemoryStore())
    if wrapped:  # with a `receive` of its own for each dispatch
        app = BaseHTTPMiddleware(app, pass_on)
    scope, connection = http_scope(), Connection(*body)
    with suppress(ConnectionError):
        await app(scope, connection.receive, connection.send)
    again = app(scope, connection.receive, connection.send)
    await asyncio.wait_for(again, 10)
    assert seen == [b"".join(body)] * 2


async def test_what_a_middleware_in_between_makes_of_a_body_takes_its_time() -> None:
    """It is read by the instance inside, not what the one outside has read."""
    seen: list[bytes] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((await receive())["body"])
        if len(seen) == 1:
            raise ConnectionError
        await App()(scope, receive, send)

    inside = IdempotencyMiddleware(handler, store=MemoryStore())

    async def decoding(scope: Scope, receive: Receive, send: Send) -> None:
        async def decoded() -> Message:
            message = await receive()
            await asyncio.sleep(0.06)
            return {**message, "body": message["body"].upper()}

        await inside(scope, decoded, send)

    app = IdempotencyMiddleware(decoding, store=MemoryStore(), policy=IDEMPOTENCY_KEY)
    scope = http_scope(headers=[(b"idempotency-key", b"a")])
    connection = Connection(b"body")
    with pytest.raises(ConnectionError):
        await app(scope, connection.receive, connection.send)
    await asyncio.wait_for(app(scope, connection.receive, connection.send), 10)
    assert seen == [b"BODY", b"BODY"]


async def test_a_body_that_is_given_anew_is_the_one_that_counts() -> None:
    inner = FailsOnce(ConnectionError())
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    scope, first, second = http_scope(), Connection(b"one"), Connection(b"two")
    with pytest.raises(ConnectionError):
        await app(scope, first.receive, first.send)
    await app(scope, second.receive, second.send)
    assert (await ask(app, b"two")).body == b"done"
    assert (await ask(app, b"one")).status == 422


async def test_a_body_that_was_read_in_part_is_read_on() -> None:
    """The middleware outside gave up before the client had sent all of it."""
    seen, rest = list[bytes](), asyncio.Event()
    scope, connection = http_scope(), Connection(b"all ", b"of it")

    async def receive() -> Message:
        if connection._read == 1:
            await rest.wait()
        return await connection.receive()

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((await receive())["body"])
        await App()(scope, receive, send)

    app = IdempotencyMiddleware(handler, store=MemoryStore())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(app(scope, receive, connection.send), 0.01)
    rest.set()
    await app(scope, receive, connection.send)
    assert seen == [b"all of it"]


async def test_nothing_stays_in_a_scope_that_has_been_dispatched() -> None:
    app = IdempotencyMiddleware(App(), store=MemoryStore())
    scope, before = http_scope(), http_scope()
    await app(scope, Connection().receive, Connection().send)
    assert attempt_of(scope) is None
    assert {name: scope[name] for name in before} == before


TWO: dict[str, Callable[[App], ASGIApp]] = {
    "an Idempotency-Key outside": lambda inner: IdempotencyMiddleware(
        IdempotencyMiddleware(inner, store=MemoryStore()),
        store=MemoryStore(),
        policy=IDEMPOTENCY_KEY,
    ),
    "an Idempotency-Key inside": lambda inner: IdempotencyMiddleware(
        IdempotencyMiddleware(inner, store=MemoryStore(), policy=IDEMPOTENCY_KEY),
        store=MemoryStore(),
    ),
    "a key of the seller's": lambda inner: IdempotencyMiddleware(
        IdempotencyMiddleware(inner, store=MemoryStore()),
        store=MemoryStore(),
        policy=Policy(key_of=lambda scope: header(scope, b"idempotency-key")),
    ),
    "a tenant": lambda inner: IdempotencyMiddleware(
        IdempotencyMiddleware(inner, store=MemoryStore()),
        store=MemoryStore(),
        policy=Policy(
            header="idempotency-key",
            tenant_of=lambda scope: header(scope, b"idempotency-key"),
        ),
    ),
}


def header(scope: Scope, name: bytes) -> str:
    found: bytes = dict(scope["headers"])[name]
    return found.decode()


@pytest.mark.parametrize("two", TWO)
async def test_one_payment_with_three_idempotency_keys_is_one_execution(
    two: str,
) -> None:
    inner = App()
    app = TWO[two](inner)
    answers = [
        await ask(app, headers=[(b"idempotency-key", key)]) for key in (b"a", b"b")
    ]
    assert [answer.status for answer in answers] == [200, 200]
    assert inner.executions == 1


async def test_two_keys_with_one_store_are_two_promises() -> None:
    """The inner key is claimed as well: it may come with another payment."""
    inner, store = App(), MemoryStore()
    inside = IdempotencyMiddleware(inner, store=store)
    app = IdempotencyMiddleware(inside, store=store, policy=IDEMPOTENCY_KEY)
    for key in (b"a", b"b"):
        answer = await ask(app, headers=[(b"idempotency-key", key)])
        assert answer.status == 200
    assert inner.executions == 1


async def test_two_stores_with_one_key_are_two_promises() -> None:
    inner = App()
    inside = IdempotencyMiddleware(inner, store=MemoryStore())
    for _ in range(2):  # the store outside is new each time, as after a restart
        await ask(IdempotencyMiddleware(inside, store=MemoryStore()))
    assert inner.executions == 1


@pytest.mark.parametrize(
    ("host", "database", "namespace", "one"),
    [
        ("127.0.0.1", "", "idem", True),
        ("localhost", "/0", "idem", True),
        ("127.0.0.1", "/1", "idem", False),
        ("127.0.0.1", "", "other", False),
        ("another server", "", "idem", False),
    ],
)
async def test_two_stores_of_the_same_records_are_one_promise(
    host: str, database: str, namespace: str, one: bool, valkey_server: RedisServer
) -> None:
    """The inner one would wait for the outer one, which waits for it."""
    inner, key, policy = App(), a_key(), Policy(patience=0)
    with ExitStack() as stack:
        port = valkey_server.port
        if host == "another server":
            host, port = "127.0.0.1", stack.enter_context(running(valkey())).port
        url = f"redis://{host}:{port}{database}"
        outside = RedisStore.from_url(valkey_server.url, budget=PATIENT)
        inside = RedisStore.from_url(url, namespace=namespace, budget=PATIENT)
        app = IdempotencyMiddleware(inner, store=inside, policy=policy)
        app = IdempotencyMiddleware(app, store=outside, policy=policy)
        async with aclosing(outside), aclosing(inside):
            answer = await ask(app, key=key.encode())
            assert (answer.status, inner.executions) == (200, 1)
            assert (outside == inside) is one
            assert await outside.look(Key(key))
            assert await inside.look(Key(key))


async def test_an_instance_inside_with_the_same_key_and_store_steps_aside() -> None:
    inner, store, attempts = App(), MemoryStore(), list[Attempt | None]()

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        attempts.append(attempt_of(scope))
        await inner(scope, receive, send)

    middle: Any = IdempotencyMiddleware(noting, store=store)
    middle = IdempotencyMiddleware(middle, store=store, policy=IDEMPOTENCY_KEY)
    app = IdempotencyMiddleware(middle, store=store)
    answer = await ask(app, headers=[(b"idempotency-key", b"other")])
    assert answer.status == 200
    assert inner.executions == 1
    (attempt,) = attempts
    assert attempt is not None


@pytest.mark.parametrize(
    ("between", "cancelled"), [(False, False), (True, False), (False, True)]
)
async def test_an_instance_inside_steps_aside_in_tasks_of_the_app_too(
    between: bool, cancelled: bool
) -> None:
    """A BaseHTTPMiddleware in between has a task of its own; and a request may be
    cancelled before the instance inside is reached.
    """
    gated, store, inner = GatedApp(), MemoryStore(), App()
    policy = Policy(patience=0)
    inside = IdempotencyMiddleware(inner, store=store, policy=policy)

    async def waiting(scope: Scope, receive: Receive, send: Send) -> None:
        gated.entered.set()
        await gated.gate.wait()
        await inside(scope, receive, send)

    middle: Any = BaseHTTPMiddleware(waiting, pass_on) if between else waiting
    app = IdempotencyMiddleware(middle, store=store, policy=policy)
    running = asyncio.create_task(ask(app))
    await gated.entered.wait()
    if cancelled:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    gated.gate.set()
    await app._runtime.drain()
    assert inner.executions == 1
    assert (await ask(app)).body == b"done"


async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    return await call_next(request)


async def test_a_handler_may_answer_a_request_of_its_own_to_the_same_app() -> None:
    """Another scope with the same key is another request: it waits for nothing."""
    answers: list[Connection] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/report":
            answers.append(await ask(app, path="/part"))
        await send(start())
        await send(chunk(b"done"))

    app = IdempotencyMiddleware(handler, store=MemoryStore())
    assert (await ask(app)).status == 200
    assert answers[0].code == "different-request"


def test_the_text_of_a_scope_has_no_signature() -> None:
    """As a log or an error tracker may keep it."""

    async def body() -> None:
        headers = [(b"signature", b"settlement=:c2VjcmV0:")]
        scope: Scope = {"headers": headers}
        connection = Connection()
        client = Client(connection.receive, connection.send)
        with Passage(scope, MemoryStore(), Key("a"), client, signed=True):
            assert "c2VjcmV0" not in repr(scope)
            assert list(signed_headers(scope)) == headers
        assert scope["headers"] == headers

    asyncio.run(body())
