"""The least that a user has to be allowed: less is missed, and said."""

import logging
import re
from collections.abc import AsyncIterator

import pytest

from origin_middleware import StoreUnavailable
from origin_middleware.record import Completed, Held, Preceded
from origin_middleware.stores.redis import RedisStore, scripts, wakeups
from tests.support import machine
from tests.support.stores import PATIENT, a_claim, a_key
from tests.support.topologies import Node, Single
from tests.support.topologies.access_control import (
    CHANNELS,
    COMMANDS,
    KEYS,
    LEAST,
    allow,
)

from .conftest import Started
from .names import record_name

pytestmark = pytest.mark.slow

A, B = a_claim("a"), a_claim("b")
DONE, LARGE = Completed(b"done"), Completed(b"x" * 1_048_576)

SCRIPTS = [s for s in vars(scripts).values() if isinstance(s, scripts.Script)]

# Without these, every request goes on; what is lost is said below, one by one.
CONVENIENCES = ("+info", "+ping", "+append", "+subscribe", "+unlink")


@pytest.fixture
def guarded(started: Started, server: str) -> Single:
    found = started.get("access-control", server)
    assert isinstance(found, Single)
    found.node.ask("SCRIPT", "FLUSH")
    return found


@pytest.fixture
async def store(guarded: Single) -> AsyncIterator[RedisStore]:
    async with guarded.client() as client:
        store = RedisStore(client, budget=PATIENT)
        yield store
        await store.aclose()


def allow_all_but(node: Node, *permissions: str) -> None:
    allow(node, *(p for p in LEAST if p not in permissions))


async def use(store: RedisStore) -> None:
    """Every command there is."""
    key = a_key()
    await store.claim(key, A)
    held = await store.claim(key, B)
    assert isinstance(held, Held)
    await store.wait(key, held, 0.05 * await machine.pace())  # to be registered
    await store.renew(key, A)
    await store.complete(key, A, DONE)
    await store.complete(key := a_key(), A, LARGE)
    assert isinstance(await store.complete(key, B, LARGE), Preceded)
    await store.claim(key := a_key(), A)
    await store.abandon(key, A)
    await store.take_over(key, B)
    await store.release(key, B)
    assert await store.look(key)


async def test_nothing_else_is_needed(store: RedisStore) -> None:
    await use(store)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in CONVENIENCES])
async def test_a_command_that_is_missing_is_named(
    guarded: Single, store: RedisStore, command: str
) -> None:
    allow_all_but(guarded.node, command)
    with pytest.raises(StoreUnavailable) as refused:
        await use(store)
    assert command.removeprefix("+") in named_by(str(refused.value))


def named_by(message: str) -> str:
    """The commands that a message leads to. Within a script, Redis 6.2 and 7.0 name no
    command, but the script and its line.
    """
    for script in SCRIPTS:
        if script.sha in message:
            line = re.search(r"user_script:(\d+)", message)
            assert line is not None
            return script.source.splitlines()[int(line[1]) - 1].lower()
    return message


async def test_keys_of_another_namespace_are_refused(
    guarded: Single, store: RedisStore
) -> None:
    allow_all_but(guarded.node, KEYS)
    with pytest.raises(StoreUnavailable, match="permissions to access"):
        await use(store)


@pytest.mark.parametrize("missing", ["+subscribe", CHANNELS])
async def test_without_a_subscription_nobody_is_woken_and_the_log_says_why(
    guarded: Single, store: RedisStore, missing: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="origin_middleware")
    allow_all_but(guarded.node, missing)
    await use(store)
    assert "Wake-ups are interrupted" in caplog.text
    assert "NoPermission" in caplog.text


async def test_without_append_nobody_is_woken(
    guarded: Single, store: RedisStore
) -> None:
    allow_all_but(guarded.node, "+append")
    key = a_key()
    await store.claim(key, A)
    held = await store.claim(key, B)
    assert isinstance(held, Held)
    before = guarded.node.ask("STRLEN", record_name(key))
    await store.wait(key, held, 0.05)
    assert guarded.node.ask("STRLEN", record_name(key)) == before


async def test_without_ping_an_idle_subscription_is_lost(
    guarded: Single,
    store: RedisStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="origin_middleware")
    monkeypatch.setattr(wakeups, "_IDLE", 0.01)
    allow_all_but(guarded.node, "+ping")
    key = a_key()
    await store.claim(key, A)
    held = await store.claim(key, B)
    assert isinstance(held, Held)
    await store.wait(key, held, 0.1 * await machine.pace())
    assert "Wake-ups are interrupted" in caplog.text


async def test_without_info_it_is_said_that_eviction_goes_unnoticed(
    guarded: Single, store: RedisStore, caplog: pytest.LogCaptureFixture
) -> None:
    allow_all_but(guarded.node, "+info")
    await use(store)
    assert "INFO: NOPERM" in caplog.text


async def test_without_unlink_a_body_stays_until_its_retention_is_over(
    guarded: Single, store: RedisStore
) -> None:
    allow_all_but(guarded.node, "+unlink")
    key = a_key()
    await store.complete(key, A, LARGE)
    await store.complete(key, B, LARGE)
    left = guarded.node.ask("PTTL", record_name(key) + b":" + B.owner.hex().encode())
    assert 0 < left <= B.retention * 1000
