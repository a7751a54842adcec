"""What docs/operations.md tells the reader to type does what it says."""

import re
import shlex
from pathlib import Path

import pytest

from origin_middleware.record import Completed, NotReplayable
from origin_middleware.stores.redis import RedisStore
from tests.docs.test_docs import names_of_tests
from tests.support.stores import PATIENT, a_claim, a_key
from tests.support.topologies import Single
from tests.support.topologies.access_control import (
    FOR_A_CLUSTER,
    FOR_REPLICAS,
    LEAST,
    PASSWORD,
    USER,
)

from .conftest import Started
from .names import record_name

PAGE = (Path(__file__).parents[4] / "docs" / "operations.md").read_text()


def test_the_tests_that_it_names_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert named
    assert named <= names_of_tests()


def test_the_permissions_that_it_prints_are_those_that_are_tested() -> None:
    assert shlex.split(permissions())[8:] == list(LEAST)
    assert f"`{' '.join(FOR_REPLICAS)}`" in PAGE
    assert f"`{' '.join(FOR_A_CLUSTER)}`" in PAGE


async def test_its_acl_line_is_enough(single_server: Single) -> None:
    line = permissions().replace("PASSWORD", PASSWORD)
    single_server.node.ask(*shlex.split(line))
    url = f"redis://{USER}:{PASSWORD}@127.0.0.1:{single_server.node.port}"
    store = RedisStore.from_url(url, budget=PATIENT)
    key, claim = a_key(), a_claim()
    await store.claim(key, claim)
    await store.complete(key, claim, Completed(b"done"))
    await store.aclose()


@pytest.mark.parametrize(
    ("outcome", "begins"),
    [
        (None, b"\x02P"),
        (Completed(b"done"), b"\x02C"),
        (Completed(b"x" * 1_048_576), b"\x02B"),
        (NotReplayable(), b"\x02N"),
    ],
    ids=["in progress", "completed", "completed, large", "not replayable"],
)
async def test_a_record_is_found_and_read_by_hand(
    started: Started, outcome: Completed | NotReplayable | None, begins: bytes
) -> None:
    server = started.get("standalone", "valkey-9")
    key, claim = a_key(), a_claim()
    async with server.client() as client:
        store = RedisStore(client, budget=PATIENT)
        await store.claim(key, claim)
        if outcome is not None:
            await store.complete(key, claim, outcome)
        name = record_name(key)
        assert server.holder(name).ask("GETRANGE", name, 0, 1) == begins
        await store.aclose()


def permissions() -> str:
    return next(line for line in PAGE.splitlines() if line.startswith("ACL SETUSER"))
