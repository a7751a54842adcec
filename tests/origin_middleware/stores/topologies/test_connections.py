"""As many connections as it takes, none afterwards, and one again without delay."""

import asyncio

import pytest

from origin_middleware import StoreUnavailable
from origin_middleware.record import Claimed, Held
from origin_middleware.stores.redis import RedisStore
from tests.support.machine import Stalls
from tests.support.stores import PATIENT, a_claim, a_key
from tests.support.topologies import Single, Topology, until

from .conftest import LOOPS

pytestmark = pytest.mark.slow

A, B = a_claim("a"), a_claim("b")

# The store's own, its subscription, and what the client needs to find its way.
MOST = 4

AT_ONCE = 0.25  # on an idle machine


async def test_connections_are_few_and_closed_in_the_end(topology: Topology) -> None:
    before = connections(topology)
    async with topology.client() as client:
        store = RedisStore(client, budget=PATIENT)
        keys = [a_key() for _ in range(200)]
        answers = await asyncio.gather(*(store.claim(key, A) for key in keys))
        assert answers == [Claimed()] * 200
        held = await store.claim(keys[0], B)
        assert isinstance(held, Held)
        await asyncio.gather(*(store.wait(keys[0], held, 0.05) for _ in range(50)))
        most = max(a - b for a, b in zip(connections(topology), before, strict=True))
        assert most <= MOST
        await store.aclose()
    await asyncio.to_thread(
        until, lambda: connections(topology) == before, "all are closed"
    )


@LOOPS
@pytest.mark.parametrize("whose", ["the store's client", "the caller's client"])
async def test_a_server_that_is_back_is_used_at_once(
    single_server: Single, whose: str, pace: float, stalls: Stalls
) -> None:
    """With the scripts that it has forgotten. redis-py's own retries do not count."""
    process = single_server.node.process
    async with single_server.client() as client:
        if whose == "the caller's client":
            store = RedisStore(client, budget=10, quarantine=0)
        else:
            store = RedisStore.from_url(process.url, budget=10, quarantine=0)
        hasty = RedisStore.from_url(process.url, budget=0.5, quarantine=0)
        await store.claim(a_key(), A)
        process.kill()
        claim = asyncio.create_task(store.claim(a_key(), A))
        with pytest.raises(StoreUnavailable):
            await hasty.claim(a_key(), A)
        await asyncio.to_thread(process.start)
        loop, stood_still = asyncio.get_running_loop(), stalls.seconds
        begun = loop.time()
        assert await claim == Claimed()
        took = loop.time() - begun - (stalls.seconds - stood_still)
        assert took <= AT_ONCE * pace
        await store.aclose()
        await hasty.aclose()


def connections(topology: Topology) -> list[int]:
    """Per server. Sentinels come and go as they like, and do not count."""
    return [
        sum(not client["name"].startswith("sentinel-") for client in node.clients())
        for node in topology.members
    ]
