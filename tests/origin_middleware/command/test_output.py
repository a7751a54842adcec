"""Where what the command says is not read, or not by a person."""

import asyncio
import json
import os
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable

import pytest

from origin_middleware.command import main
from origin_middleware.command.talking import Talk
from origin_middleware.key import Key
from origin_middleware.record import Completed
from origin_middleware.response import StoredResponse
from origin_middleware.stores.redis import RedisStore
from tests.support.night import NAMESPACE, ONE_SERVER, WHY, Ask, abandoned, copied, died
from tests.support.servers import RedisServer
from tests.support.stores import a_claim

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


HOSTILE = b"\x1b[2Jbell\a \xc3\xbc\tline\n\xff"
RESPONSE = StoredResponse(200, [(b"x-order", b"7\x9b1m")], HOSTILE)


async def completed(store: RedisStore) -> None:
    response = Completed(RESPONSE.to_bytes())
    await store.complete(Key("intent-1"), a_claim(), response, 200)


@ONE_SERVER
async def test_a_terminal_does_not_obey_a_recorded_body(
    store: RedisStore, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    await completed(store)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    out = (await ask("show", "intent-1", "--body"))[1]
    assert "expires in      17 min\n" in out
    assert out.endswith("x-order: 7\\x9b1m\n\n" + "\\x1b[2Jbell\\x07 ü\tline\n\\xff\n")


@ONE_SERVER
async def test_a_recorded_body_is_alone_in_a_file(
    store: RedisStore, server: RedisServer
) -> None:
    await completed(store)
    where = ("--url", server.url, "--namespace", NAMESPACE)

    def show(*options: str) -> subprocess.CompletedProcess[bytes]:
        command = (sys.executable, "-m", "origin_middleware", "show", "intent-1")
        shown = [*command, "--body", *options, *where]
        return subprocess.run(shown, capture_output=True, check=False)

    bare = await asyncio.to_thread(show)
    described = await asyncio.to_thread(show, "--json")
    assert (bare.returncode, bare.stdout) == (0, HOSTILE)
    assert b"completed" in bare.stderr
    (line,) = described.stdout.splitlines()
    assert b64decode(json.loads(line)["body_base64"]) == HOSTILE
    assert described.stderr == b""


@ONE_SERVER
async def test_without_a_recorded_body_the_file_is_empty(
    store: RedisStore, ask: Ask
) -> None:
    await abandoned(store)
    status, out, err = await ask("show", "intent-1", "--body")
    assert (status, out) == (0, "")
    assert err.endswith("there is no recorded body\n")
    assert (await ask("show", "absent", "--body"))[:2] == (1, "")


@ONE_SERVER
async def test_all_that_is_known_is_said_before_somebody_decides(
    store: RedisStore, server: RedisServer, ask: Ask
) -> None:
    """Also where nothing was done, and nothing is advised."""
    await died(store, server, "intent-1")
    out = (await ask("resolve", "intent-1", "--did-not-happen", *WHY))[1]
    assert "attempts        1\n" in out
    assert "expires in      16 min\n" in out
    await abandoned(store, "intent-2")
    out = (await ask("resolve", "intent-2", "--did-not-happen", *WHY))[1]
    assert "next: " not in out


def test_progress_gives_way_to_what_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    talk = Talk(as_json=False)
    for line in ("10,000 looked at", "in progress"):
        talk.progress(line)
    talk.say("found")
    talk.say("the end")
    clear = "\r\x1b[K"
    printed = capsys.readouterr()
    assert printed.err == f"10,000 looked at{clear}in progress{clear}"
    assert printed.out == "found\nthe end\n"
