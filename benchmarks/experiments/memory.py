"""`python -m benchmarks.experiments.memory`: how much room records take, and what
happens when there is no room left.
"""

from pathlib import Path

from benchmarks.experiments.command import Cells, arguments, run
from benchmarks.experiments.writers import SMALL, a_claim, a_store, at_once
from origin_middleware import StoreUnavailable
from origin_middleware.key import Key
from origin_middleware.record import Completed
from origin_middleware.response import StoredResponse
from origin_middleware.stores.redis.bodies import LARGE
from tests.support.topologies import Node, nodes, start

_NOTHING = ("--save", "", "--appendonly", "no")

_POLICIES = ("noeviction", "allkeys-lru", "volatile-lru", "volatile-ttl", "allkeys-lfu")
_FULL = ("--maxmemory", "8mb")
_RECORDS = 30_000

_BODIES = (0, 256, SMALL, 4096, 16_384, 131_072)
_MANY = 4096  # fills the servers' tables to a power of two, their fullest


async def records(binary: Path) -> list[Cells]:
    """By MEMORY USAGE of one, and by what the server as a whole has grown; with the
    time that a claim and its completion take it.
    """
    return [await _grown(binary, body) for body in _BODIES]


async def _grown(binary: Path, body: int) -> Cells:
    """By records that are written as in life: claimed, then completed."""
    with nodes() as (directory, started):
        started.append(node := Node(binary, directory / "0", *_NOTHING))
        start(started)
        before: int = node.info("memory")["used_memory"]
        idle = _cpu(node)
        async with a_store(node) as store:

            async def write(key: Key) -> None:
                claim = a_claim()
                await store.claim(key, claim)
                await store.complete(key, claim, _response(body))

            await at_once(write, (Key(str(n)) for n in range(_MANY)))
        worked = _cpu(node) - idle
        info = node.info("memory")
        one: int = node.ask("MEMORY", "USAGE", node.ask("RANDOMKEY"))
    grown = round((info["used_memory"] - before) / _MANY)
    return {
        "body": body,
        "MEMORY USAGE": one if body < LARGE else "two keys",
        "of the server": grown,
        "over the body": grown - body,
        "server CPU": f"{worked / _MANY * 1e6:.0f} µs",
    }


def _cpu(node: Node) -> float:
    """In seconds, since it was started."""
    used = node.info("cpu")
    return float(used["used_cpu_user"] + used["used_cpu_sys"])


def _response(body: int) -> Completed:
    """With the headers that a JSON API answers with."""
    length = str(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    return Completed(StoredResponse(200, headers, b"x" * body).to_bytes())


async def eviction(binary: Path) -> list[Cells]:
    return [await _evicted(binary, policy) for policy in _POLICIES]


async def _evicted(binary: Path, policy: str) -> Cells:
    options = (*_NOTHING, *_FULL, "--maxmemory-policy", policy)
    accepted = 0
    with nodes() as (directory, started):
        started.append(node := Node(binary, directory / "0", *options))
        start(started)
        async with a_store(node) as store:

            async def write(key: Key) -> None:
                nonlocal accepted
                try:
                    await store.complete(key, a_claim(), _response(SMALL))
                    accepted += 1
                except StoreUnavailable:
                    """It is full, and says so."""

            await at_once(write, (Key(str(n)) for n in range(_RECORDS)))
        kept: int = node.ask("DBSIZE")
    return {
        "maxmemory-policy": policy,
        "accepted": accepted,
        "refused": _RECORDS - accepted,
        "accepted and gone": accepted - kept,
    }


def main() -> None:
    sections = {"records": records, "eviction": eviction}
    run(arguments(__doc__, list(sections)).parse_args(), sections)


if __name__ == "__main__":
    main()
