"""A claim that waits for replicas, and is lost while it waits."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from origin_middleware import StoreUnavailable
from origin_middleware.record import Claimed
from origin_middleware.stores.redis import RedisStore
from tests.support.servers import SERVERS
from tests.support.stores import a_claim, a_key
from tests.support.topologies import Node, nodes, start, until
from tests.support.topologies.node import REPLICATED

from .names import record_name

pytestmark = pytest.mark.slow


@pytest.fixture
async def primary(server: str) -> AsyncIterator[Node]:
    """With a replica."""
    binary = SERVERS[server]()
    if binary is None:
        pytest.skip(f"{server} is not on this machine")
    with nodes() as (directory, started):
        started += [Node(binary, directory / str(n), *REPLICATED) for n in range(2)]
        start(started)
        node, replica = started
        replica.ask("REPLICAOF", "127.0.0.1", node.port)
        until(lambda: node.reaches(1), "the replica follows")
        yield node


@pytest.mark.parametrize("server", ["valkey-9"], indirect=True)
async def test_what_replicas_confirm_is_this_claim_and_not_the_next(
    primary: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failover forgets the claim after it was made, and somebody else claims."""
    key = a_key()
    async with AsyncExitStack() as stack:
        one, other = (
            RedisStore.from_url(primary.process.url, replicas=1) for _ in "ab"
        )
        stack.push_async_callback(one.aclose)
        stack.push_async_callback(other.aclose)
        confirm = one._session.claims._replicas.have

        async def forgotten(*arguments: Any) -> bool:
            primary.ask("DEL", record_name(key))
            assert await other.claim(key, a_claim("b")) == Claimed()
            return await confirm(*arguments)

        monkeypatch.setattr(one._session.claims._replicas, "have", forgotten)
        with pytest.raises(StoreUnavailable):
            await one.claim(key, a_claim("a"))
