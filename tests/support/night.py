"""What the tests of the command have in common."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from origin_middleware.key import Key
from origin_middleware.record import Claimed
from origin_middleware.stores.redis import RedisStore

from .servers import RedisServer
from .stores import a_claim

NAMESPACE = "night"
WHY = ("--reason", "test", "--by", "me", "--yes")

Ask = Callable[..., Any]
"""Run the command: its exit status, and what it printed."""

ONE_SERVER = pytest.mark.parametrize("server", ["valkey"], indirect=True)


async def abandoned(store: RedisStore, intent: str = "intent-1", **terms: Any) -> str:
    """Its digest."""
    claim = a_claim(lease=10)._replace(**terms)
    assert await store.claim(Key(intent), claim) == Claimed()
    assert await store.abandon(Key(intent), claim)
    return digest(intent)


async def died(store: RedisStore, server: RedisServer, intent: str) -> str:
    """Before its effects began. Its digest."""
    claim = a_claim(lease=10, declares=True)
    assert await store.claim(Key(intent), claim) == Claimed()
    async with Redis.from_url(server.url) as client:
        later = claim.retention - claim.lease - 1
        await client.pexpire(store._name(Key(intent)), round(1000 * later))
    return digest(intent)


async def copied(store: RedisStore, server: RedisServer, times: int) -> None:
    """The record of intent-1, under other names."""
    async with Redis.from_url(server.url) as client:
        record = await client.get(store._name(Key("intent-1")))
        pipeline = client.pipeline(transaction=False)
        for number in range(times):
            pipeline.set(store._name(Key(f"copy-{number}")), record or b"", ex=900)
        await pipeline.execute()


def digest(intent: str) -> str:
    return hashlib.sha256(intent.encode()).hexdigest()
