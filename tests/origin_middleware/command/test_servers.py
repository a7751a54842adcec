"""What else is on a server, and what a server may be."""

import asyncio
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis

from origin_middleware.command import main
from origin_middleware.key import Key
from origin_middleware.stores.redis import RedisStore
from origin_middleware.stores.redis.records import Records
from sample_origin.processes import KEEPS_RECORDS
from tests.support.night import ONE_SERVER, WHY, Ask, abandoned, copied
from tests.support.servers import RedisServer, running, valkey


async def test_what_is_no_record_is_forgotten_as_well(
    store: RedisStore, server: RedisServer, ask: Ask
) -> None:
    async with Redis.from_url(server.url) as client:
        await client.rpush(store._name(Key("intent-1")), "a list")
        assert "`forget` removes it" in (await ask("show", "intent-1"))[2]
        status, out, _ = await ask("forget", "intent-1", *WHY)
        assert (status, out.splitlines()[-1]) == (0, "forgotten")
        assert not await client.exists(store._name(Key("intent-1")))


@ONE_SERVER
async def test_what_others_keep_there_is_scanned_at_the_same_rate(
    store: RedisStore, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await abandoned(store)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async with Redis.from_url(server.url) as client:
        foreign = {b"foreign-%d\xff" % number: b"" for number in range(5_000)}
        await client.mset({**foreign, b"night:{\xff": b""})
        records = store.like(Records)
        monkeypatch.setattr("asyncio.sleep", sleep)
        assert len([name async for name in records.scan(rate=1_000)]) == 1
        await client.delete(*foreign)
    assert sum(pauses) == pytest.approx(5.0, abs=0.6)
    await records.aclose()


@ONE_SERVER
async def test_all_pages_are_scanned(
    store: RedisStore, server: RedisServer, ask: Ask
) -> None:
    await abandoned(store)
    await copied(store, server, times=1_500)
    assert "1501 abandoned of 1,501 records" in (await ask("list"))[1]


@pytest.fixture
def evicting() -> Iterator[RedisServer]:
    with running(
        valkey(), (*KEEPS_RECORDS, "--maxmemory-policy", "allkeys-lru")
    ) as server:
        yield server


async def test_a_server_that_evicts_is_read_and_reported(
    evicting: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--url", evicting.url)
    assert await asyncio.to_thread(main, ["list", *where]) == 0
    assert await asyncio.to_thread(main, ["check", *where]) == 1
    out = capsys.readouterr().out
    assert "✗ records may be evicted (maxmemory-policy allkeys-lru)" in out
    assert "✓ records survive a restart" in out


async def test_a_node_of_a_cluster_needs_the_store_of_the_app(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with running(valkey(), (*KEEPS_RECORDS, "--cluster-enabled", "yes")) as node:
        assert await asyncio.to_thread(main, ["list", "--url", node.url]) == 2
    assert "Name your RedisStore with --store." in capsys.readouterr().err
