"""Where what the command says is not read, or not by a person."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from origin_middleware.key import Key
from origin_middleware.stores.redis import RedisStore
from tests.support.night import NAMESPACE, ONE_SERVER, WHY, abandoned, copied
from tests.support.servers import RedisServer

Unread = Callable[..., int]


@pytest.fixture
def unread(server: RedisServer) -> Unread:
    """Run the command with closed pipes for its output: its exit status."""

    def run(*arguments: str) -> int:
        read, write = os.pipe()
        os.close(read)
        command = (sys.executable, "-m", "origin_middleware", *arguments)
        where = ("--url", server.url, "--namespace", NAMESPACE)
        try:
            return subprocess.run(
                [*command, *where], stdout=write, stderr=write, timeout=60, check=False
            ).returncode
        finally:
            os.close(write)

    return run


@ONE_SERVER
async def test_the_status_is_true_though_nobody_reads_the_output(
    store: RedisStore, unread: Unread
) -> None:
    await abandoned(store)
    await abandoned(store, "intent-2")
    assert await asyncio.to_thread(unread, "list", "--fail") == 1
    assert await asyncio.to_thread(unread, "show", "absent", "--json") == 1
    resolve = ("resolve", "intent-1", "--did-not-happen")
    assert await asyncio.to_thread(unread, *resolve, "--reason", "r") == 1
    assert await asyncio.to_thread(unread, *resolve, *WHY) == 0
    seen = await store.look(Key("intent-1"))
    assert seen is not None
    assert seen.state == "released"


@ONE_SERVER
async def test_nothing_is_looked_for_that_nobody_reads(
    store: RedisStore, server: RedisServer, unread: Unread
) -> None:
    """At this rate it would take a quarter of an hour."""
    await abandoned(store)
    await copied(store, server, times=1_000)
    assert await asyncio.to_thread(unread, "list", "--rate", "1", "--fail") == 1
