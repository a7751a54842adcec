"""Stores to run one behaviour suite over, each with a hand on its clock."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import Connection

from origin_middleware import MemoryStore, Store
from origin_middleware.key import Key
from origin_middleware.record import Claim, Fingerprint, OwnerToken
from origin_middleware.stores.redis import RedisStore

# A budget, where time is not the question: a busy machine may take some. A lease of
# 10 s allows for no more.
PATIENT = 5.0


class OwnConnection(Connection):
    """Opens its socket in a way that the store does not know."""

    async def _connect(self) -> None:
        await super()._connect()  # type: ignore[no-untyped-call] # redis-py's gap


async def subscribed(store: RedisStore) -> str:
    """Its channel. On a busy machine, the store may not have waited long enough."""
    async with asyncio.timeout(30):
        while not (channel := await store._session.wakeups.channel()):
            pass
        return channel


@dataclass
class Clock:
    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Bench:
    """A store, and `advance`: seconds pass for all of its records."""

    store: Store
    advance: Callable[[float], Coroutine[Any, Any, None]]


def memory_bench() -> Bench:
    clock = Clock()

    async def advance(seconds: float) -> None:
        clock.now += seconds

    return Bench(MemoryStore(clock=clock), advance)


def redis_bench(client: Redis) -> Bench:
    """A record's age is what of its time to live has passed; so taking from that ages
    it.
    """
    namespace = f"test-{token_hex(4)}"

    async def advance(seconds: float) -> None:
        async for name in client.scan_iter(f"{namespace}:*"):
            left = await client.pttl(name) - round(seconds * 1000)
            if left > 0:
                await client.pexpire(name, left)
            else:
                await client.delete(name)

    return Bench(RedisStore(client, namespace=namespace, budget=PATIENT), advance)


def a_claim(
    owner: str = "a",
    fingerprint: str = "f",
    *,
    lease: float = 10.0,
    retention: float = 1000.0,
    max_attempts: int = 20,
    inquires: bool = False,
    declares: bool = False,
    takes: str | None = None,
) -> Claim:
    return Claim(
        OwnerToken(owner.encode().ljust(16, b".")),
        Fingerprint(fingerprint.encode().ljust(32, b".")),
        lease,
        retention,
        max_attempts,
        inquires,
        None if takes is None else OwnerToken(takes.encode().ljust(16, b".")),
        declares,
    )


def a_key() -> Key:
    return Key(token_hex(8))
