"""Where what the command says is not read, or not by a person."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from origin_middleware.command import main
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


@pytest.mark.parametrize("command", [["--help"], ["resolve", "--help"]])
def test_a_terminal_need_not_have_every_character(command: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "origin_middleware", *command],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert b"usage: " in ran.stdout


def test_a_fault_of_the_command_is_no_answer(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 would be one."""
    monkeypatch.setattr("origin_middleware.command.showing.digest_of", None)
    assert main(["digest", "intent-1", "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["error"].startswith("TypeError: ")
    assert "Traceback" in printed.err


@ONE_SERVER
async def test_nothing_is_looked_for_that_nobody_reads(
    store: RedisStore, server: RedisServer, unread: Unread
) -> None:
    """At this rate it would take a quarter of an hour."""
    await abandoned(store)
    await copied(store, server, times=1_000)
    assert await asyncio.to_thread(unread, "list", "--rate", "1", "--fail") == 1
