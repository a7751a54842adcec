"""Records go along when the server is upgraded: 6.2, 7, Valkey 9."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from origin_middleware.record import Completed, Finished, Held
from origin_middleware.stores.redis import RedisStore
from tests.support.servers import SERVERS
from tests.support.stores import PATIENT, a_claim, a_key
from tests.support.topologies import Node, nodes, start, until
from tests.support.topologies.node import REPLICATED

from .names import record_name

pytestmark = pytest.mark.slow

A, B = a_claim("a"), a_claim("b")
SMALL, LARGE = Completed(b"done"), Completed(b"x" * 1_048_576)

KEEPS = ("--save", "", "--appendonly", "yes")


@pytest.fixture
def versions() -> list[Path]:
    """Oldest first."""
    found = [binary() for binary in reversed(SERVERS.values())]
    binaries = [binary for binary in found if binary is not None]
    if len(binaries) < 2:
        pytest.skip("only one server on this machine")
    return binaries


@pytest.fixture
def started() -> Iterator[tuple[Path, list[Node]]]:
    with nodes() as place:
        yield place


async def test_a_newer_server_reads_the_file_of_an_older_one(
    versions: list[Path], started: tuple[Path, list[Node]]
) -> None:
    directory, running = started
    claimed, small, large = a_key(), a_key(), a_key()
    for n, binary in enumerate(versions):
        running.append(node := Node(binary, directory / "0", *KEEPS))
        start([node])
        store = RedisStore.from_url(node.process.url, budget=PATIENT)
        if n == 0:
            await store.claim(claimed, A)
            await store.complete(small, A, SMALL)
            await store.complete(large, A, LARGE)
        assert isinstance(await store.claim(claimed, B), Held)
        assert await store.claim(small, B) == Finished(A.fingerprint, SMALL)
        assert await store.claim(large, B) == Finished(A.fingerprint, LARGE)
        await store.aclose()
        node.process.stop()


async def test_a_newer_replica_takes_over_from_an_older_primary(
    versions: list[Path], started: tuple[Path, list[Node]]
) -> None:
    directory, running = started
    key = a_key()
    for n, (older, newer) in enumerate(pairwise(versions)):
        pair = [
            Node(older, directory / f"{n}-a", *REPLICATED),
            Node(newer, directory / f"{n}-b", *REPLICATED),
        ]
        running += pair
        start(pair)
        primary, replica = pair
        store = RedisStore.from_url(primary.process.url, budget=PATIENT)
        await store.complete(key, A, SMALL)
        await store.aclose()
        replica.ask("REPLICAOF", "127.0.0.1", primary.port)
        name = record_name(key)
        until(lambda: replica.ask("EXISTS", name) == 1, "the replica has the record")  # noqa: B023 - called before the next turn
        replica.ask("REPLICAOF", "NO", "ONE")
        store = RedisStore.from_url(replica.process.url, budget=PATIENT)
        assert await store.claim(key, B) == Finished(A.fingerprint, SMALL)
        await store.aclose()
