"""The store relies on private names of redis-py. Without them it works, but slower."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from inspect import isclass, isfunction, unwrap
from types import CodeType
from typing import Any

import pytest
from redis.asyncio import Connection, Redis
from redis.asyncio.cluster import RedisCluster

from origin_middleware import ConfigurationError, IdempotencyMiddleware, StoreUnsafe
from origin_middleware.record import Claimed
from origin_middleware.stores import waiting
from origin_middleware.stores.redis import RedisStore, connection
from origin_middleware.stores.redis.connection import (
    ConnectTimeout,
    Pool,
    PooledLine,
    opens_sockets,
)
from origin_middleware.stores.redis.line import ErrorReply
from tests.support.asgi import GatedApp, request
from tests.support.servers import RedisServer
from tests.support.stores import a_claim, a_key, subscribed


@pytest.fixture(autouse=True)
def nothing_was_said() -> Iterator[None]:
    connection._warn_slower.cache_clear()
    yield
    connection._warn_slower.cache_clear()


@pytest.fixture
def no_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiter that is not woken waits longer than the test."""
    monkeypatch.setattr(waiting, "_FLOOR", 600.0)


@pytest.fixture(params=["_connect", "_writer"])
def renamed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """redis-py works as before, but calls this by another name."""
    name: str = request.param
    for one in _classes_of_redis_py():
        for attribute, value in list(vars(one).items()):
            own: Any = value.fget if isinstance(value, property) else value
            function = unwrap(own)
            if isfunction(function) and name in _names(function.__code__):
                code = _renamed(function.__code__, name)
                monkeypatch.setattr(function, "__code__", code)
            if isfunction(value) and attribute == name:
                monkeypatch.delattr(one, name)
                monkeypatch.setattr(one, f"{name}_anew", value, raising=False)
    return name


def _classes_of_redis_py() -> set[type]:
    modules = [m for name, m in sys.modules.items() if name.startswith("redis.")]
    found = {one for module in modules for one in vars(module).values() if isclass(one)}
    return {one for one in found if one.__module__.startswith("redis.")}


def _names(code: CodeType) -> set[str]:
    inner = (_names(one) for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*inner)


def _renamed(code: CodeType, name: str) -> CodeType:
    return code.replace(
        co_names=tuple(f"{name}_anew" if n == name else n for n in code.co_names),
        co_consts=tuple(
            _renamed(one, name) if isinstance(one, CodeType) else one
            for one in code.co_consts
        ),
    )


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.levelno >= logging.WARNING and "redis-py" in record.getMessage()
    ]


@pytest.fixture
async def stores(valkey_server: RedisServer) -> AsyncIterator[list[RedisStore]]:
    """Of two processes."""
    one, other = (RedisStore.from_url(valkey_server.url) for _ in range(2))
    async with aclosing(one), aclosing(other):
        yield [one, other]


@pytest.mark.usefixtures("no_polling")
async def test_without_a_private_name_everything_goes_on_with_one_warning(
    renamed: str, stores: list[RedisStore], caplog: pytest.LogCaptureFixture
) -> None:
    app, key = GatedApp(), a_key().encode()
    one, other = (IdempotencyMiddleware(app, store=store) for store in stores)
    first = asyncio.create_task(request(one, key=key))
    entered = asyncio.create_task(app.entered.wait())
    await asyncio.wait((first, entered), return_when=asyncio.FIRST_COMPLETED)
    assert entered.done(), "the first request was refused"
    waits = [asyncio.create_task(request(it, key=key)) for it in (one, other) * 5]
    await asyncio.wait(waits, timeout=0.2)
    app.gate.set()
    answers = await asyncio.gather(first, *waits)
    answers.append(await request(other, key=key))
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"done")] * 12
    assert app.executions == 1
    (warning,) = warnings(caplog)
    assert renamed in warning
    assert "redis[hiredis]>=6,<9" in warning
    assert "slow" in warning


@pytest.mark.parametrize("renamed", ["_writer"], indirect=True)
async def test_without_a_private_name_an_outage_ends_as_well(
    renamed: str, own_server: RedisServer
) -> None:
    async with aclosing(RedisStore.from_url(own_server.url)) as store:
        assert await store.claim(a_key(), a_claim()) == Claimed()
        own_server.stop()
        own_server.start()
        assert await store.claim(a_key(), a_claim()) == Claimed()


@pytest.mark.usefixtures("renamed")
async def test_replicas_that_cannot_be_waited_for_keep_an_app_from_starting(
    valkey_server: RedisServer,
) -> None:
    async with aclosing(RedisStore.from_url(valkey_server.url, replicas=1)) as store:
        with pytest.raises(StoreUnsafe, match=r"redis\[hiredis\]>=6,<9"):
            await store.check()


class Odd(Connection):
    """Writes to something that only it knows."""

    async def connect(self) -> None:
        await super().connect()  # type: ignore[no-untyped-call] # redis-py's gap
        self._writer: Any = Writer(self._writer)


class Writer:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


async def test_a_stream_of_another_kind_is_left_to_its_connection(
    valkey_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert opens_sockets(Odd)
    client = Redis.from_url(valkey_server.url, connection_class=Odd)
    async with client, aclosing(RedisStore(client)) as store:
        assert await store.claim(a_key(), a_claim()) == Claimed()
    assert len(warnings(caplog)) == 1


async def test_a_pool_without_room_has_one_place_for_commands(
    valkey_server: RedisServer,
) -> None:
    url = valkey_server.url
    client = Redis.from_url(url, connection_class=Odd, max_connections=1)
    async with client, aclosing(RedisStore(client)) as store:
        await subscribed(store)  # it has a connection of its own
        claims = (store.claim(a_key(), a_claim()) for _ in range(20))
        assert await asyncio.gather(*claims) == [Claimed()] * 20


async def test_a_pool_asks_on_the_connection_of_the_command(
    valkey_server: RedisServer,
) -> None:
    until = asyncio.get_running_loop().time() + 5
    async with Redis.from_url(valkey_server.url) as client:
        line = PooledLine(Pool(client), ConnectTimeout(1.0))
        assert await line.send(("ECHO", b"a"), until, True) == b"a"
        with pytest.raises(ErrorReply, match="unknown command"):
            await line.send(("NO-SUCH",), until, True)
        assert not line.closed


@pytest.mark.parametrize("missing", ["get_node", "get_primaries", "keyslot", "pubsub"])
async def test_a_cluster_client_of_another_kind_is_refused_with_the_version_to_take(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = RedisCluster(host="localhost")
    monkeypatch.delattr(RedisCluster, missing, raising=False)
    with pytest.raises(ConfigurationError, match=rf"{missing}.*redis\[hiredis\]>=8,<9"):
        RedisStore(client)


async def test_a_cluster_client_whose_nodes_are_kept_otherwise_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = RedisCluster(host="localhost")
    monkeypatch.delattr(type(client.nodes_manager), "get_node_from_slot")
    with pytest.raises(ConfigurationError, match="get_node_from_slot"):
        RedisStore(client)
