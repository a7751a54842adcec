"""One night: an abandoned key is found, read, and decided, on real servers."""

import asyncio
import json
import re
from contextlib import aclosing
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from origin_middleware import IdempotencyMiddleware, Policy
from origin_middleware.command import main
from origin_middleware.key import Key, key_digest
from origin_middleware.record import Completed
from origin_middleware.response import StoredResponse
from origin_middleware.stores.redis import RedisStore, scripts
from origin_middleware.stores.redis.records import Records
from origin_middleware.stores.redis.scripts import Script
from tests.support.asgi import PRIVATE, App, request
from tests.support.night import NAMESPACE, WHY, Ask, abandoned, died, digest
from tests.support.proxy import Fault, Proxy
from tests.support.servers import RedisServer
from tests.support.stores import a_claim

PAGE = Path(__file__).parents[3] / "docs" / "operations.md"
HAPPENED = [
    "resolve",
    "i",
    "--happened",
    "--reason",
    "r",
    "--url",
    "redis://h",
    "--body",
    "@/dev/null",
]


async def test_the_story_of_a_night(store: RedisStore, ask: Ask) -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(patience=0))
    await request(app, key=b"intent-2")
    name = await abandoned(store)

    status, out, _ = await ask("list", "--abandoned", "--fail")
    assert status == 1
    assert re.findall(r"sha256:(\w+)", out.splitlines()[0]) == [name]
    assert "1 abandoned of 2 records" in out

    status, out, _ = await ask("show", "intent-1")
    assert status == 0
    assert f"sha256:{name}" in out
    assert re.search(r"abandoned \d+ s ago: its effects may have begun", out)
    assert "409 outcome-unknown" in out
    assert "--did-not-happen" in out

    status, out, err = await ask("resolve", "intent-1", "--did-not-happen", *WHY)
    assert status == 0
    assert out.splitlines()[-1].startswith("released: the next retry runs the handler")
    kept = json.loads(err)
    assert (kept["act"], kept["digest"], kept["by"]) == ("resolve", name, "me")
    assert (kept["reason"], kept["before"]["state"]) == ("test", "abandoned")

    status, _, err = await ask("resolve", "intent-1", "--did-not-happen", *WHY)
    assert status == 1
    assert "is released: there is nothing to resolve" in err
    assert (await request(app)).body == b"done"
    assert inner.executions == 2


async def test_what_happened_is_the_next_answer(
    store: RedisStore, ask: Ask, tmp_path: Any
) -> None:
    app = IdempotencyMiddleware(App(), store=store)
    await request(app)
    await _abandon_as(store, "intent-3")
    body = tmp_path / "body"
    body.write_bytes(b"\x00from the books")
    response = ["--status", "201", "--body", f"@{body}", "--header", "X-Order: 7"]
    response += ["--header", "Connection: close"]
    status, _, _ = await ask("resolve", "intent-3", "--happened", *response, *WHY)
    assert status == 0
    answer = await request(app, key=b"intent-3")
    assert (answer.status, answer.body) == (201, b"\x00from the books")
    assert (b"x-order", b"7") in answer.headers
    assert PRIVATE in answer.headers
    assert b"connection" not in dict(answer.headers)
    status, out, _ = await ask("show", "intent-3", "--json")
    seen = json.loads(out)
    assert (seen["schema"], seen["state"], seen["status"]) == (1, "completed", 201)


async def test_key_and_body_may_both_come_from_standard_input(
    store: RedisStore, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = await abandoned(store)
    given = TextIOWrapper(BytesIO(b'intent-1\n{"order":7}\n'))
    monkeypatch.setattr("sys.stdin", given)
    happened = ("--happened", "--status", "201", "--body", "@-")
    assert (await ask("resolve", "-", *happened, *WHY))[0] == 0
    async with aclosing(store.like(Records)) as records:
        recorded = await records.response(Key(name))
    assert StoredResponse.from_bytes(recorded or b"").body == b'{"order":7}\n'


async def _abandon_as(store: RedisStore, intent: str) -> None:
    """With the fingerprint that requests of the tests have."""
    seen = await store.look(Key("intent-1"))
    assert seen is not None
    assert seen.fingerprint is not None
    claim = a_claim()._replace(fingerprint=seen.fingerprint)
    await store.claim(Key(intent), claim)
    await store.abandon(Key(intent), claim)


async def test_what_runs_again_does_so_as_often_as_its_policy_allows(
    store: RedisStore, server: RedisServer, ask: Ask
) -> None:
    """The record does not know how often that is."""
    unless = "unless max_attempts of its policy (default: 20) are used up"
    await abandoned(store)
    await died(store, server, "intent-2")
    assert unless in (await ask("show", "intent-2"))[1]
    assert unless in (await ask("resolve", "intent-1", "--did-not-happen", *WHY))[1]
    assert unless in (await ask("show", "intent-1"))[1]


async def test_a_live_lease_is_not_resolved(store: RedisStore, ask: Ask) -> None:
    await store.claim(Key("intent-1"), a_claim(lease=60))
    for act in (("resolve", "intent-1", "--did-not-happen"), ("forget", "intent-1")):
        status, _, err = await ask(*act, *WHY)
        assert status == 1
        assert "in progress" in err
    status, out, _ = await ask("list", "--running")
    assert "1 running of 1 records" in out
    assert await store.renew(Key("intent-1"), a_claim(lease=60))


async def test_of_two_operators_one_wins(store: RedisStore, ask: Ask) -> None:
    await abandoned(store)
    told = await asyncio.gather(
        *(ask("resolve", "intent-1", "--did-not-happen", *WHY) for _ in range(6))
    )
    assert sorted(status for status, _, _ in told) == [0, 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        # Longer than a request would wait, and shorter than its operator does.
        (scripts.LOOK, Fault.LATE_REPLY),
        (scripts.TAKE_OVER, Fault.LOSE_REPLY),
        (scripts.RELEASE, Fault.LOSE_REPLY),
    ],
)
async def test_a_slow_server_and_a_lost_reply_are_no_answer(
    script: Script, fault: Fault, store: RedisStore, server: RedisServer
) -> None:
    await abandoned(store)
    async with Proxy(server.port) as proxy:
        spoiled = proxy.spoil(script.sha, fault, 1 if fault is Fault.LOSE_REPLY else 99)
        where = ("--url", proxy.url, "--namespace", NAMESPACE)
        resolve = ("resolve", "intent-1", "--did-not-happen", *WHY, *where)
        assert await asyncio.to_thread(main, resolve) == 0
        assert spoiled.fired
    seen = await store.look(Key("intent-1"))
    assert seen is not None
    assert seen.state == "released"


async def test_nothing_is_changed_without_a_yes(store: RedisStore, ask: Ask) -> None:
    await abandoned(store)
    status, _, err = await ask(
        "resolve", "intent-1", "--did-not-happen", "--reason", "test"
    )
    assert status == 1
    assert "nothing was changed" in err
    seen = await store.look(Key("intent-1"))
    assert seen is not None
    assert seen.state == "abandoned"


async def test_a_record_is_forgotten_with_its_body(
    store: RedisStore, ask: Ask, server: RedisServer
) -> None:
    await store.complete(Key("intent-1"), a_claim(), Completed(b"x" * 200_000), 200)
    status, out, _ = await ask("show", "intent-1")
    assert "response        200,000 bytes" in out
    status, _, _ = await ask("forget", "intent-1", *WHY)
    assert status == 0
    async with Redis.from_url(server.url) as client:
        left = [name async for name in client.scan_iter(f"{NAMESPACE}:*")]
    assert [name for name in left if b":mark:" not in name] == []
    assert (await ask("forget", "intent-1", *WHY))[0] == 1


async def test_a_damaged_record(
    store: RedisStore, ask: Ask, server: RedisServer
) -> None:
    async with Redis.from_url(server.url) as client:
        await client.set(store._name(Key("intent-1")), b"\x01P" + b"old", ex=60)
    status, _, err = await ask("show", "intent-1")
    assert status == 2
    assert "format 1" in err
    assert "`forget`" in err
    status, out, _ = await ask("list", "--damaged", "--json")
    assert json.loads(out.splitlines()[0])["state"] == "damaged"
    assert (await ask("forget", "intent-1", *WHY))[0] == 0
    assert await store.look(Key("intent-1")) is None


async def test_stats_and_check(store: RedisStore, ask: Ask) -> None:
    await abandoned(store)
    status, out, _ = await ask("stats", "--sample", "50")
    assert status == 0
    assert "keys on the server" in out
    status, out, _ = await ask("stats", "--prometheus")
    assert re.search(
        r'^origin_middleware_records\{state="abandoned"\} \d+$', out, re.MULTILINE
    )
    status, out, _ = await ask("check")
    assert "✓ records are not evicted" in out
    assert ("✗" in out) == (status == 1)


def test_a_digest_is_what_logs_call_a_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["digest", "intent-1"]) == 0
    said = capsys.readouterr().out
    assert key_digest(Key("intent-1")) in said
    (whole,) = re.findall(r"^sha256:([0-9a-f]{64})$", said, re.MULTILINE)
    for same in (f"sha256:{whole}", f"urn:origin-middleware:record:{whole}"):
        assert main(["digest", same]) == 0
        assert whole in capsys.readouterr().out


@pytest.mark.parametrize("key", [digest("order 7"), f"sha256:{digest('order 7')}"])
async def test_a_key_may_look_like_a_digest(
    key: str, store: RedisStore, ask: Ask
) -> None:
    """As where `key_of` makes one."""
    name = await abandoned(store, key)
    status, out, _ = await ask("show", key, "--literal", "--json")
    assert (status, json.loads(out)["digest"]) == (0, name)


def test_a_key_in_an_argument_is_advised_against(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal. And `-` is the same key."""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert main(["digest", "intent-1"]) == 0
    argument = capsys.readouterr()
    assert "note: the key is now in this shell's history" in argument.err
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b"intent-1\n")))
    assert main(["digest", "-"]) == 0
    read = capsys.readouterr()
    assert read.err == ""
    assert read.out == argument.out
    assert main(["digest", f"sha256:{digest('intent-1')}"]) == 0
    assert capsys.readouterr().err == ""
    assert main(["digest", f"sha256:{digest('intent-1')}", "--literal"]) == 0
    assert "note: the key is now" in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    assert main(["digest", "intent-1"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "with space", "--url", "redis://h"], "only visible ASCII"),
        (["show", "sha256:abc", "--url", "redis://h"], "64 hexadecimal digits"),
        (["show", "a" * 64, "--url", "redis://h"], "may be a digest or a key"),
        (["show", "i"], "--store shop.main:store"),
        (["show", "i", "--url", "http://x"], "redis://"),
        (["show", "i", "--store", "nowhere"], "MODULE:NAME"),
        (["show", "i", "--store", "nowhere:store"], "No module named 'nowhere'"),
        (["show", "i", "--store", "json:dumps"], "only a RedisStore"),
        (["show", "i", "--store", "json:x", "--url", "redis://h"], "name no others"),
        (["show", "i", "--store", "json:x", "--namespace", "a"], "name no others"),
        (["show", "i", "--url", ""], "--url is empty"),
        (["show", "i", "--url", "redis://h", "--namespace", ""], "namespace=''"),
        (["show", "i", "--store", ":store"], "ValueError: Empty module name"),
        (["show", "i", "--store", "json:store"], "has no attribute 'store'"),
        (["show", "i", "--url", "redis://127.0.0.1:1"], "did not answer"),
        (
            ["resolve", "i", "--happened", "--reason", "r", "--url", "redis://h"],
            "--status 201 --body @FILE",
        ),
        (
            [*HAPPENED, "--status", "200", "--header", "content-length: 3"],
            "declares 3 bytes and has 0",
        ),
        ([*HAPPENED, "--status", "200", "--header", "a b: 3"], "with the name b'a b'"),
        ([*HAPPENED, "--status", "500"], "would not be settled"),
    ],
)
def test_wrong_input(
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("REDIS_URL", raising=False)
    if "--url" in arguments:
        monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1")
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


async def test_the_operators_line_of_the_page_is_enough(
    store: RedisStore, server: RedisServer
) -> None:
    line = re.findall(r"^ACL SETUSER operator .*$", PAGE.read_text(), re.MULTILINE)[0]
    line = line.replace("idem:", f"{NAMESPACE}:").replace("PASSWORD", "secret")
    await abandoned(store)
    await abandoned(store, "intent-2")
    await store.complete(Key("intent-3"), a_claim(), Completed(b"x" * 200_000), 200)
    url = server.url.replace("redis://", "redis://operator:secret@")
    where = ("--url", url, "--namespace", NAMESPACE)
    happened = ("--happened", "--status", "201", "--body", "@/dev/null")
    commands = (
        ("list",),
        ("show", "intent-3"),
        ("resolve", "intent-1", "--did-not-happen", *WHY),
        ("resolve", "intent-2", *happened, *WHY),
        ("forget", "intent-3", *WHY),
        ("stats",),
    )
    async with Redis.from_url(server.url) as admin, Redis.from_url(url) as operator:
        await admin.execute_command(*line.split())  # type: ignore[no-untyped-call] # redis-py's gap
        for command in commands:
            assert await asyncio.to_thread(main, [*command, *where]) == 0, command
        # As a resolution does where a duplicate begins to wait meanwhile.
        await operator.publish(f"{NAMESPACE}:wake:1", "woken")
        await admin.execute_command("ACL DELUSER operator")  # type: ignore[no-untyped-call] # as above


@pytest.mark.parametrize(
    ("command", "allowed", "missing"),
    [
        (["show", "intent-1"], "+ping +info +time", "eval"),
        (["list"], "+ping +info +time +eval +evalsha +getrange +pttl +strlen", "scan"),
        (
            ["resolve", "intent-1", "--did-not-happen", *WHY],
            "+ping +info +time",
            "eval",
        ),
    ],
)
async def test_a_user_without_permission_is_told_which(
    command: list[str],
    allowed: str,
    missing: str,
    store: RedisStore,
    server: RedisServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And where the line is that allows it."""
    before = await abandoned(store)
    async with Redis.from_url(server.url) as admin:
        await admin.execute_command(  # type: ignore[no-untyped-call] # redis-py's gap
            *f"ACL SETUSER limited on >secret resetkeys ~{NAMESPACE}:* -@all".split(),
            *allowed.split(),
        )
        url = server.url.replace("redis://", "redis://limited:secret@")
        where = ("--url", url, "--namespace", NAMESPACE)
        status = await asyncio.to_thread(main, [*command, *where])
        await admin.execute_command("ACL DELUSER limited")  # type: ignore[no-untyped-call] # as above
    said = capsys.readouterr().err
    assert status == 2
    assert missing in said.lower()
    assert "docs/operations.md" in said
    assert (await store.look(Key("intent-1"))) is not None, before
