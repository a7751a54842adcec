"""What cannot be a middleware is refused at once, and an observer disturbs nobody."""

import logging
from typing import Any, Literal

import pytest
import uvicorn
from starlette.applications import Starlette

from origin_middleware import (
    ConfigurationError,
    Event,
    IdempotencyMiddleware,
    LoggingObserver,
    MemoryStore,
    Policy,
    Store,
    StoreUnsafe,
)
from origin_middleware.asgi import Message, Receive, Scope, Send
from origin_middleware.stores.redis import RedisStore
from tests.support.asgi import App, Connection, http_scope, request
from tests.support.faulty import FaultyStore

SECRET = {"a": b"x" * 32}


async def test_an_observer_that_fails_does_not_fail_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(event: Event) -> None:
        raise ZeroDivisionError

    app = IdempotencyMiddleware(App(), store=MemoryStore(), observer=broken)
    assert (await request(app)).status == 200
    assert "observer failed" in caplog.text


@pytest.mark.parametrize("store", [None, "redis://localhost", MemoryStore, RedisStore])
def test_what_is_not_a_store_is_refused_at_construction(store: object) -> None:
    with pytest.raises(ConfigurationError, match="store must be a store"):
        IdempotencyMiddleware(App(), store=store)  # type: ignore[arg-type] # the mistake under test


@pytest.mark.parametrize(
    "options",
    [{"observer": 5}, {"observer": LoggingObserver}, {"clock": 5}, {"clock": float}],
)
def test_what_cannot_be_called_is_refused_at_construction(
    options: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError, match="must be a function"):
        IdempotencyMiddleware(App(), store=MemoryStore(), **options)


def test_what_is_not_a_policy_is_refused_at_construction() -> None:
    with pytest.raises(ConfigurationError, match="policy must be a Policy"):
        IdempotencyMiddleware(App(), store=MemoryStore(), policy=5)  # type: ignore[arg-type] # the mistake under test


@pytest.mark.parametrize("option", ["policy", "observer", "clock"])
def test_a_function_that_nobody_would_await_is_refused_at_construction(
    option: str,
) -> None:
    async def function(_: object) -> None: ...

    options: dict[str, Any] = {option: function}
    with pytest.raises(ConfigurationError, match="an ordinary function, not an async"):
        IdempotencyMiddleware(App(), store=MemoryStore(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"secrets": b"x" * 32}, "a dict of key id to bytes"),
        ({"secrets": {1: b"x" * 32}}, "a key id is a str, and one is a int"),
        ({"secrets": {"k": "x" * 32}}, r"secret.encode\(\)"),
        ({"secrets": {"a": b"x" * 31}}, "'a' has 31 bytes; at least 32"),
        ({"secrets": {"": b"x" * 32}}, "no signature can name the key id ''"),
        ({"secrets": {"a;b": b"x" * 32}}, "no signature can name"),
        ({"secrets": {"a,b": b"x" * 32}}, "no signature can name"),
        ({"secrets": {'a"b': b"x" * 32}}, "no signature can name"),
        ({"secrets": {"é": b"x" * 32}}, "no signature can name"),
        ({"clock_tolerance": -1}, "clock_tolerance must be a number of seconds"),
        (
            {"secrets": SECRET, "policy": Policy(header="idempotency-key")},
            "the gate signs",
        ),
        ({"secrets": SECRET, "policy": Policy(key_of=lambda _: "k")}, "the gate signs"),
        (
            {"secrets": SECRET, "policy": {"/*": Policy(header="idempotency-key")}},
            "the gate signs",
        ),
    ],
)
def test_trust_that_cannot_work_is_refused_at_construction(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        IdempotencyMiddleware(App(), store=MemoryStore(), **options)


async def test_a_function_cannot_choose_a_key_that_the_gate_does_not_sign() -> None:
    inner, other = App(), Policy(header="idempotency-key")
    app = IdempotencyMiddleware(
        inner, store=MemoryStore(), policy=lambda _: other, secrets=SECRET
    )
    with pytest.raises(ConfigurationError, match="the gate signs"):
        await request(app)
    assert inner.executions == 0


def test_no_message_shows_a_secret() -> None:
    secret = b"too short, and secret"
    with pytest.raises(ConfigurationError) as refused:
        IdempotencyMiddleware(App(), store=MemoryStore(), secrets={"a": secret})
    assert "too short" not in str(refused.value)


class Remote(FaultyStore):
    """In another process: a call that was given up may still be carried out."""

    budget = 1.0


@pytest.mark.parametrize("policy", [Policy(lease=1.9), {"/*": Policy(lease=1.9)}])
def test_a_lease_that_ends_before_a_claim_in_doubt_is_withdrawn_is_refused(
    policy: Any,
) -> None:
    with pytest.raises(ConfigurationError, match=r"lease of 2 s.*budget=0.95"):
        IdempotencyMiddleware(App(), store=Remote(), policy=policy)


@pytest.mark.parametrize("store", [MemoryStore(), Remote()])
def test_a_lease_that_is_long_enough_for_its_store_is_taken(store: Store) -> None:
    lease = 2.0 if isinstance(store, Remote) else 0.05
    IdempotencyMiddleware(App(), store=store, policy=Policy(lease=lease))


def test_a_redis_store_says_its_budget() -> None:
    store = RedisStore.from_url("redis://localhost", budget=6.0)
    with pytest.raises(ConfigurationError, match=r"RedisStore\(budget=5\)"):
        IdempotencyMiddleware(App(), store=store)


@pytest.mark.parametrize("lifespan", ["on", "auto"])
async def test_uvicorn_says_which_option_is_wrong_with_lifespan_on(
    lifespan: Literal["on", "auto"],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the README says; by default it takes the app for one without a lifespan."""
    app = Starlette()
    app.add_middleware(IdempotencyMiddleware, store=MemoryStore(), clock_tolerance=-1)
    for name in ("uvicorn", "uvicorn.error"):  # others have set them up for themselves
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)
    config = uvicorn.Config(app, port=0, lifespan=lifespan, log_config=None)
    config.load()
    begun = config.lifespan_class(config)
    with caplog.at_level("INFO", "uvicorn.error"):
        await begun.startup()
    assert begun.should_exit == (lifespan == "on")
    assert ("clock_tolerance" in caplog.text) == (lifespan == "on")
    assert ("appears unsupported" in caplog.text) == (lifespan == "auto")


def test_without_asyncio_the_message_says_what_to_start() -> None:
    """As on trio: nothing of asyncio runs."""
    app, connection = IdempotencyMiddleware(App(), store=MemoryStore()), Connection()
    asked = app(http_scope(), connection.receive, connection.send)
    with pytest.raises(ConfigurationError, match="worker-class asyncio"):
        asked.send(None)


class Startup:
    """The lifespan channel of a server that starts an app."""

    def __init__(self) -> None:
        self.told: list[str] = []

    async def receive(self) -> Message:
        return {"type": "lifespan.startup"}

    async def send(self, message: Message) -> None:
        self.told.append(message["type"])


def test_without_asyncio_an_app_does_not_start() -> None:
    server = Startup()

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    app = IdempotencyMiddleware(inner, store=MemoryStore())
    with pytest.raises(ConfigurationError, match="needs asyncio"):
        app({"type": "lifespan"}, server.receive, server.send).send(None)
    assert server.told == ["lifespan.startup.failed"]


async def test_a_store_is_closed_where_the_app_itself_does_not_start() -> None:
    """No shutdown comes after that."""
    store, server = FaultyStore(), Startup()

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    app = IdempotencyMiddleware(inner, store=store)
    await app({"type": "lifespan"}, server.receive, server.send)
    assert server.told == ["lifespan.startup.failed"]
    assert store.calls[-1] == "aclose"


async def test_a_store_that_is_refused_at_the_start_is_closed() -> None:
    class Unsafe(FaultyStore):
        async def check(self) -> None:
            raise StoreUnsafe("it evicts")

    store, server = Unsafe(), Startup()

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    app = IdempotencyMiddleware(inner, store=store)
    with pytest.raises(StoreUnsafe):
        await app({"type": "lifespan"}, server.receive, server.send)
    assert server.told == ["lifespan.startup.failed"]
    assert store.calls == ["aclose"]
