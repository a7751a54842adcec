"""A server that wants another password, or another user: what is wrong, and what to do
about it, is said at once, and no password is shown.
"""

import asyncio
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager

import pytest
from redis import Redis as SyncRedis
from redis.asyncio import Connection, Redis
from redis.asyncio.client import PubSub

from origin_middleware import IdempotencyMiddleware, StoreUnavailable
from origin_middleware.command import main
from origin_middleware.errors import WriteRefused
from origin_middleware.record import Completed
from origin_middleware.stores.redis import RedisStore, wakeups
from tests.support.asgi import App, request
from tests.support.servers import SERVERS, RedisServer, running
from tests.support.stores import PATIENT, OwnConnection, a_claim, a_key

WRONG = "hunter2"


def running_server(name: str) -> AbstractContextManager[RedisServer]:
    binary = SERVERS[name]()
    if binary is None:
        pytest.skip(f"{name} is not on this machine")
    return running(binary)


@pytest.fixture(scope="module", params=SERVERS)
def open_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    with running_server(request.param) as server:
        yield server


@pytest.fixture(scope="module", params=SERVERS)
def guarded(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    with running_server(request.param) as server:
        with SyncRedis.from_url(server.url) as admin:
            limited = f"ACL SETUSER limited on >{WRONG} ~idem:* -@all +info +time"
            admin.execute_command(*limited.split())
            admin.config_set("requirepass", "another")
        yield server


DENIED = pytest.mark.parametrize(
    ("user", "code", "advice"),
    [
        ("", "NOAUTH", "redis://:PASSWORD@host"),
        (f":{WRONG}@", "WRONGPASS", "Compare the user name and the password"),
        (f"nobody:{WRONG}@", "WRONGPASS", "Compare the user name and the password"),
        (f"limited:{WRONG}@", "NOPERM", '"Permissions"'),
    ],
)


def url_of(server: RedisServer, user: str) -> str:
    return server.url.replace("redis://", f"redis://{user}")


@pytest.fixture
async def store(
    guarded: RedisServer, user: str, protocol: int, connection: type[Connection]
) -> AsyncIterator[RedisStore]:
    url = f"{url_of(guarded, user)}?protocol={protocol}"
    async with Redis.from_url(url, connection_class=connection) as client:
        store = RedisStore(client, budget=PATIENT)
        yield store
        await store.aclose()


@DENIED
@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("connection", [Connection, OwnConnection])
async def test_what_a_server_demands_is_said_at_once(
    store: RedisStore, code: str, advice: str
) -> None:
    for call in (store.check(), store.claim(a_key(), a_claim())):
        async with asyncio.timeout(PATIENT / 2):
            with pytest.raises(StoreUnavailable, match=code) as denied:
                await call
        assert advice in str(denied.value)
        assert denied.value.reason == "denied"
        assert "HELLO" not in str(denied.value)
        assert WRONG not in "".join(traceback.format_exception(denied.value))


@DENIED
@pytest.mark.parametrize("command", [("check",), ("list",), ("show", "i"), ("stats",)])
def test_the_command_says_it_too(
    guarded: RedisServer,
    user: str,
    code: str,
    advice: str,
    command: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([*command, "--url", url_of(guarded, user)]) == 2
    said = capsys.readouterr().err
    assert code in said
    assert advice in said
    assert WRONG not in said


async def test_a_client_is_told_nothing_of_it(
    guarded: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = RedisStore.from_url(guarded.url, budget=PATIENT)
    answer = await request(IdempotencyMiddleware(App(), store=store))
    assert answer.code == "store-unavailable"
    assert b"PASSWORD" not in answer.body
    assert "redis://:PASSWORD@host" in caplog.text
    await store.aclose()


async def test_a_subscription_that_is_denied_is_told_once(
    guarded: RedisServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is tried less and less often: somebody has to do something first."""
    tried = asyncio.Semaphore(0)
    close = PubSub.aclose

    async def counted(self: PubSub) -> None:
        await close(self)  # type: ignore[no-untyped-call] # redis-py's gap
        tried.release()

    monkeypatch.setattr(PubSub, "aclose", counted)
    monkeypatch.setattr(wakeups, "_RECONNECT", 0.01)
    store = RedisStore.from_url(guarded.url, budget=PATIENT)
    assert not await store._session.wakeups.channel()
    for _ in range(4):
        await tried.acquire()
    (line,) = [line for line in caplog.messages if "Wake-ups are interrupted" in line]
    assert "AuthenticationError" in line
    await store.aclose()


@pytest.mark.parametrize(
    ("user", "options", "said", "reason"),
    [
        (f":{WRONG}@", "?protocol=2", "without any password configured", "denied"),
        ("", "/99", "DB index is out of range", "refused"),
    ],
)
async def test_what_a_server_does_not_know_is_no_lack_of_room(
    open_server: RedisServer, user: str, options: str, said: str, reason: str
) -> None:
    store = RedisStore.from_url(url_of(open_server, user) + options, budget=PATIENT)
    with pytest.raises(StoreUnavailable, match=said) as refused:
        await store.complete(a_key(), a_claim(), Completed(b"done"))
    assert refused.value.reason == reason
    assert not isinstance(refused.value, WriteRefused)
    await store.aclose()
