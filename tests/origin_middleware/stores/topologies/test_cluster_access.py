"""What a user has to be allowed besides, where there are replicas and slots."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.exceptions import NoPermissionError, RedisClusterException

from origin_middleware import StoreUnavailable
from origin_middleware.record import Claimed
from origin_middleware.stores.redis import RedisStore
from tests.support.stores import PATIENT, a_claim, a_key
from tests.support.topologies import Cluster
from tests.support.topologies.access_control import (
    FOR_A_CLUSTER,
    FOR_REPLICAS,
    LEAST,
    PASSWORD,
    USER,
    allow,
)

from .names import record_name

pytestmark = pytest.mark.slow

ENOUGH = (*LEAST, *FOR_A_CLUSTER, *FOR_REPLICAS)


@asynccontextmanager
async def store(topology: Cluster, missing: str = "") -> AsyncIterator[RedisStore]:
    for node in topology.members:
        allow(node, *(permission for permission in ENOUGH if permission != missing))
    known = [ClusterNode("127.0.0.1", node.port) for node in topology.members]
    async with RedisCluster(
        startup_nodes=known, username=USER, password=PASSWORD
    ) as client:
        store = RedisStore(client, replicas=1, budget=0.5)
        yield store
        await store.aclose()


async def test_a_wrong_password_is_said_at_once(sharded: Cluster) -> None:
    port = sharded.members[0].port
    client = RedisCluster("127.0.0.1", port, username="nobody", password="hunter2")
    store = RedisStore(client, budget=PATIENT)
    async with asyncio.timeout(PATIENT / 2):
        with pytest.raises(StoreUnavailable, match="WRONGPASS") as denied:
            await store.claim(a_key(), a_claim())
    assert denied.value.reason == "denied"
    assert "Compare the user name and the password" in str(denied.value)
    await store.aclose()
    await client.aclose()


async def claim_while_its_slot_moves(topology: Cluster, store: RedisStore) -> object:
    key = a_key()
    migration = topology.migration(record_name(key))
    migration.begin()
    try:
        return await store.claim(key, a_claim())
    finally:
        migration.finish()


async def test_nothing_else_is_needed(sharded: Cluster) -> None:
    async with store(sharded) as allowed:
        assert await claim_while_its_slot_moves(sharded, allowed) == Claimed()


async def test_wait_is_needed_for_claims_that_wait_for_replicas(
    sharded: Cluster,
) -> None:
    async with store(sharded, missing="+wait") as limited:
        with pytest.raises(StoreUnavailable, match="wait"):
            await limited.claim(a_key(), a_claim())


async def test_asking_is_needed_while_a_slot_moves(sharded: Cluster) -> None:
    async with store(sharded, missing="+asking") as limited:
        with pytest.raises(StoreUnavailable, match=r"ASK|MOVED"):
            await claim_while_its_slot_moves(sharded, limited)


@pytest.mark.parametrize("missing", ["+cluster|slots", "+command"])
async def test_the_client_does_not_start_without(
    sharded: Cluster, missing: str
) -> None:
    with pytest.raises((NoPermissionError, RedisClusterException)):
        async with store(sharded, missing):
            pass
