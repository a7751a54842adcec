"""A server that may lose records, or may have lost some, is not trusted with claims."""

import logging
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from redis.asyncio import Redis

from origin_middleware import IdempotencyMiddleware, StoreUnavailable, StoreUnsafe
from origin_middleware.asgi import Message, Receive, Scope, Send
from origin_middleware.record import Claimed, Completed, Finished, Held
from origin_middleware.stores.redis import RedisStore
from origin_middleware.stores.redis.line import Command, ErrorReply, Line, now
from origin_middleware.stores.redis.safety import Safety
from origin_middleware.stores.redis.topology import Endpoint, Purpose
from tests.support.servers import RedisServer
from tests.support.stores import PATIENT, OwnConnection, a_claim, a_key


@pytest.fixture
async def client(own_server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(own_server.url) as client:
        yield client


async def test_a_server_that_evicts_is_refused_with_the_reason(
    own_server: RedisServer, client: Redis
) -> None:
    await client.config_set("maxmemory-policy", "allkeys-lru")
    store = RedisStore.from_url(own_server.url, budget=PATIENT)
    with pytest.raises(StoreUnsafe, match=r"allkeys-lru.*noeviction.*on_eviction"):
        await store.check()
    with pytest.raises(StoreUnsafe):
        await store.claim(a_key(), a_claim())
    assert await client.dbsize() == 0
    await client.config_set("maxmemory-policy", "noeviction")
    assert await store.claim(a_key(), a_claim()) == Claimed()
    await store.aclose()


async def test_a_server_that_evicts_can_be_taken_with_a_warning(
    own_server: RedisServer, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await client.config_set("maxmemory-policy", "volatile-lru")
    store = RedisStore.from_url(own_server.url, on_eviction="warn", budget=PATIENT)
    for _ in range(2):
        assert await store.claim(a_key(), a_claim()) == Claimed()
        await store.aclose()
    assert sum("volatile-lru" in line for line in caplog.messages) == 1


async def test_a_server_without_persistence_is_warned_about_once(
    own_server: RedisServer, client: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    await client.config_set("appendonly", "no")
    store = RedisStore.from_url(own_server.url, budget=PATIENT)
    for _ in range(2):
        await store.check()
        await store.aclose()
    assert sum("in memory only" in line for line in caplog.messages) == 1


async def test_an_app_does_not_start_on_a_server_that_evicts(
    own_server: RedisServer, client: Redis
) -> None:
    await client.config_set("maxmemory-policy", "allkeys-lru")
    store = RedisStore.from_url(own_server.url, budget=PATIENT)
    said = await startup(store)
    assert [message["type"] for message in said] == ["lifespan.startup.failed"]
    assert "noeviction" in said[0]["message"]
    await store.aclose()


async def test_an_app_starts_while_its_server_is_away(
    own_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    own_server.stop()
    store = RedisStore.from_url(own_server.url, budget=0.2)
    said = await startup(store)
    assert [message["type"] for message in said] == ["lifespan.startup.complete"]
    assert any("until the store is back" in line for line in caplog.messages)
    await store.aclose()


async def startup(store: RedisStore) -> list[Message]:
    said: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        said.append(message)

    guarded = IdempotencyMiddleware(app, store=store)
    with suppress(StoreUnsafe):
        await guarded({"type": "lifespan"}, receive, send)
    return said


async def test_a_server_that_came_back_empty_gets_no_new_claims(
    own_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    store = RedisStore.from_url(own_server.url, budget=PATIENT)
    await store.claim(a_key(), a_claim())
    lose_everything(own_server)
    with pytest.raises(StoreUnavailable, match="may have lost records"):
        await store.claim(a_key(), a_claim())
    # Since its restart, so a second may have gone.
    assert any(re.search(r"refused for 1[12]\d s", each) for each in caplog.messages)
    await store.aclose()


async def test_a_server_that_others_have_written_to_since_is_no_better(
    own_server: RedisServer,
) -> None:
    """It is not empty any more when a process asks that was idle meanwhile."""
    busy, idle = (RedisStore.from_url(own_server.url) for _ in range(2))
    key = a_key()
    await busy.claim(key, a_claim())
    await idle.check()
    lose_everything(own_server)
    await busy.complete(key, a_claim(), Completed(b"done"))
    with pytest.raises(StoreUnavailable, match="may have lost records"):
        await idle.claim(a_key(), a_claim())
    await busy.aclose()
    await idle.aclose()


async def test_a_server_that_was_full_when_it_was_met_is_no_better(
    own_server: RedisServer,
) -> None:
    """It took no mark then. The one that it has now may be from after the loss."""
    async with Redis.from_url(own_server.url) as admin:
        await admin.config_set("maxmemory", 1)
        idle = RedisStore.from_url(own_server.url, budget=PATIENT)
        await idle.check()
        await admin.config_set("maxmemory", 0)
    busy = RedisStore.from_url(own_server.url, budget=PATIENT)
    await busy.claim(a_key(), a_claim())
    lose_everything(own_server)
    await busy.complete(a_key(), a_claim(), Completed(b"done"))
    with pytest.raises(StoreUnavailable, match="may have lost records"):
        await idle.claim(a_key(), a_claim())
    await busy.aclose()
    await idle.aclose()


async def test_a_server_that_kept_its_records_is_trusted(
    own_server: RedisServer, client: Redis
) -> None:
    busy, idle = (RedisStore.from_url(own_server.url) for _ in range(2))
    await busy.check()
    await idle.check()
    [mark] = [name async for name in client.scan_iter("idem:mark:*")]
    months = 300 * 86_400_000  # in which nobody may have to connect anew
    assert months < await client.pttl(mark)
    own_server.stop()
    own_server.start()
    for store in (busy, idle):
        assert await store.claim(a_key(), a_claim()) == Claimed()
        await store.aclose()


async def test_a_server_that_lost_its_latest_writes_gets_no_new_claims(
    own_server: RedisServer, client: Redis
) -> None:
    """As with `appendfsync everysec` on a slow disk: the process is killed before its
    file has what it has acknowledged."""
    await client.config_set("appendfsync", "always")  # this test loses what is lost
    busy, idle = (RedisStore.from_url(own_server.url, budget=PATIENT) for _ in range(2))
    early, late = a_key(), a_key()
    await busy.claim(early, a_claim())
    await idle.check()
    files = own_server._directory / "appendonlydir"
    shutil.copytree(files, kept := files.with_name("kept"))
    await busy.claim(late, a_claim())
    own_server.kill()
    shutil.rmtree(files)
    shutil.copytree(kept, files)
    own_server.start()
    with pytest.raises(StoreUnavailable, match="may have lost records"):
        await busy.claim(late, a_claim("another"))
    assert isinstance(await busy.claim(early, a_claim("another")), Held)
    # A process that had nothing to lose learns of it as well.
    with pytest.raises(StoreUnavailable, match="may have lost records"):
        await idle.claim(late, a_claim("another"))
    await busy.aclose()
    await idle.aclose()


async def test_no_effects_begin_on_a_server_that_lost_its_latest_writes(
    own_server: RedisServer, client: Redis
) -> None:
    """Another process had taken the key over, and the handler has run there. The server
    has lost that, and knows only the claim of before."""
    await client.config_set("appendfsync", "always")
    stalled, other = (
        RedisStore.from_url(own_server.url, budget=PATIENT) for _ in range(2)
    )
    key, claim = a_key(), a_claim(lease=0.5, declares=True)
    await stalled.claim(key, claim)
    files = own_server._directory / "appendonlydir"
    shutil.copytree(files, kept := files.with_name("kept"))
    while await other.claim(key, a_claim("another", declares=True)) != Claimed(2):
        pass  # the lease has not lapsed
    await other.claim(a_key(), a_claim())
    own_server.kill()
    shutil.rmtree(files)
    shutil.copytree(kept, files)
    own_server.start()
    with pytest.raises(StoreUnavailable):
        await other.claim(a_key(), a_claim())  # which gives the server another mark
    with pytest.raises(StoreUnavailable, match="no effects begin"):
        await stalled.begin_effects(key, claim)
    assert await stalled.renew(key, claim)  # its outcome can still be told
    await stalled.aclose()
    await other.aclose()


async def test_clients_with_connections_of_their_own_notice_it_as_well(
    own_server: RedisServer,
) -> None:
    client = Redis.from_url(own_server.url, connection_class=OwnConnection)
    store = RedisStore(client, budget=PATIENT)
    await store.claim(a_key(), a_claim())
    lose_everything(own_server)
    with pytest.raises(StoreUnavailable, match="may have lost records"):
        await store.claim(a_key(), a_claim())
    await store.aclose()
    await client.aclose()


async def test_after_the_quarantine_claims_are_made_again(
    own_server: RedisServer,
) -> None:
    store = RedisStore.from_url(own_server.url, quarantine=0.3, budget=1.0)
    await store.check()
    lose_everything(own_server)
    key = a_key()
    while True:
        try:
            assert await store.claim(key, a_claim()) == Claimed()
        except StoreUnavailable:
            continue
        break
    await store.aclose()


async def test_without_a_quarantine_nothing_is_refused(own_server: RedisServer) -> None:
    store = RedisStore.from_url(own_server.url, quarantine=0, budget=PATIENT)
    await store.check()
    lose_everything(own_server)
    assert await store.claim(a_key(), a_claim()) == Claimed()
    await store.aclose()


async def test_what_is_there_is_replayed_during_a_quarantine(
    own_server: RedisServer,
) -> None:
    store = RedisStore.from_url(own_server.url, budget=PATIENT)
    key = a_key()
    await store.claim(key, a_claim())
    lose_everything(own_server)
    # The attempt that was running ends: its completion is evidence, and is taken.
    await store.complete(key, a_claim(), Completed(b"done"))
    seen = await store.claim(key, a_claim("b"))
    assert isinstance(seen, Finished)
    assert seen.outcome == Completed(b"done")
    await store.aclose()


def lose_everything(server: RedisServer) -> None:
    server.kill()
    shutil.rmtree(server._directory / "appendonlydir")
    server.start()


class Talking:
    """A line to a server that says what it is given to say."""

    closed = False
    in_order = True

    def __init__(
        self,
        info: Mapping[str, str] | Exception,
        clock: Any = (b"1700000000", b"0"),
        mark: bytes | Exception = b"m" * 32,
        latest: bytes = b"",
    ) -> None:
        self._info = info
        self._clock = clock
        self._mark = mark
        self._latest = latest

    def send(
        self, command: Command, until: float, asking: bool = False
    ) -> Awaitable[Any]:
        return self._answer(command)

    def close(self, reason: str) -> None:
        raise AssertionError

    async def wait_closed(self) -> None:
        raise AssertionError

    async def _answer(self, command: Command) -> Any:
        if command == ("TIME",):
            return self._clock
        if command[0] == "GETRANGE":
            return self._latest
        if command[0] == "EVAL":
            if isinstance(self._mark, Exception):
                raise self._mark
            return self._mark
        if isinstance(self._info, Exception):
            raise self._info
        return "".join(f"{n}:{v}\r\n" for n, v in self._info.items()).encode()


BEFORE = {
    "run_id": "one",
    "master_replid": "history",
    "master_replid2": "0" * 40,
    "maxmemory_policy": "noeviction",
    "aof_enabled": "1",
    "db0": "keys=1",
}
RESTARTED = {**BEFORE, "run_id": "two", "master_replid": "another"}
EMPTY = {name: value for name, value in RESTARTED.items() if name != "db0"}
PROMOTED = {
    **RESTARTED,
    "master_replid2": "history",
    "uptime_in_seconds": "1000",
}
# The primary began another history when its first replica came, after it was reached.
PROMOTED_LATER = {**PROMOTED, "master_replid2": "a history nobody has heard of"}
# A snapshot carries the history of its server, as a replica does.
RESTORED = {**PROMOTED, "uptime_in_seconds": "0"}
DEMOTED_AND_BACK = {**PROMOTED, "run_id": "one"}


@pytest.mark.parametrize(
    ("after", "replicated", "trusted"),
    [
        (BEFORE, False, True),
        (RESTARTED, False, True),
        (EMPTY, False, False),
        ({**RESTARTED, "aof_enabled": "0"}, False, False),
        (PROMOTED, False, False),
        (PROMOTED, True, True),
        (PROMOTED_LATER, False, False),
        (PROMOTED_LATER, True, True),
        (RESTORED, True, False),
        (DEMOTED_AND_BACK, False, False),
        (EMPTY, True, False),
    ],
)
async def test_what_may_be_lost_decides(
    after: Mapping[str, str], replicated: bool, trusted: bool
) -> None:
    safety = Safety("refuse", 60.0, replicated=replicated)
    endpoint = an_endpoint(safety)
    await safety.greet(endpoint, Talking(BEFORE))
    await safety.greet(endpoint, Talking(after))
    assert (endpoint.quarantine == 0.0) == trusted


ANOTHER = b"a" * 32


@pytest.mark.parametrize(
    ("mark", "after", "replicated", "trusted"),
    [
        (ANOTHER, RESTARTED, False, False),
        (ANOTHER, BEFORE, False, True),  # it lived no longer
        (ANOTHER, PROMOTED, True, True),  # it may have come too late for the replica
        (b"?", RESTARTED, False, True),
        (ErrorReply("NOPERM this user"), RESTARTED, False, True),
        (ErrorReply("MOVED 1 127.0.0.1:1"), RESTARTED, False, True),
    ],
)
async def test_a_mark_that_is_not_what_it_was_shows_what_is_lost(
    mark: bytes | Exception,
    after: Mapping[str, str],
    replicated: bool,
    trusted: bool,
) -> None:
    safety = Safety("refuse", 60.0, replicated=replicated)
    endpoint = an_endpoint(safety)
    await safety.greet(endpoint, Talking(BEFORE))
    await safety.greet(endpoint, Talking(after, mark=mark))
    assert (endpoint.quarantine == 0.0) == trusted


async def test_a_connection_that_is_lost_before_the_mark_comes_shows_nothing() -> None:
    safety = Safety("refuse", 60.0, replicated=False)
    endpoint = an_endpoint(safety)
    await safety.greet(endpoint, Talking(BEFORE))
    with pytest.raises(ConnectionError):
        await safety.greet(endpoint, Talking(RESTARTED, mark=ConnectionError()))
    await safety.greet(endpoint, Talking(RESTARTED))
    assert endpoint.quarantine == 0.0


async def test_a_mark_in_another_slot_shows_nothing() -> None:
    """The slots of a cluster may move to other nodes, which restart later."""
    safety = Safety("refuse", 60.0, replicated=False)
    endpoint = an_endpoint(safety)
    await safety.greet(endpoint, Talking(BEFORE))
    endpoint.tag = lambda: "1"
    await safety.greet(endpoint, Talking(RESTARTED, mark=ANOTHER))
    assert endpoint.quarantine == 0.0


async def test_a_server_that_is_busy_is_asked_for_its_mark_again() -> None:
    safety = Safety("refuse", 60.0, replicated=False)
    busy = Talking(BEFORE, mark=ErrorReply("BUSY Redis is busy"))
    with pytest.raises(ErrorReply, match="BUSY"):
        await safety.greet(an_endpoint(safety), busy)


# It was never a replica: its snapshot carries the history on.
FROM_SNAPSHOT = {**RESTORED, "total_net_repl_input_bytes": "0"}


@pytest.mark.parametrize(
    ("after", "left"),
    [
        (EMPTY, 20.0),
        (FROM_SNAPSHOT, 20.0),
        ({**FROM_SNAPSHOT, "total_net_repl_input_bytes": "7"}, 60.0),
        (PROMOTED, 60.0),
    ],
)
async def test_a_quarantine_begins_at_the_restart(
    after: Mapping[str, str], left: float
) -> None:
    """And not when an idle process has its first request in the morning. When a replica
    was promoted, nobody says.
    """
    safety = Safety("refuse", 60.0, replicated=False)
    endpoint = an_endpoint(safety)
    await safety.greet(endpoint, Talking(BEFORE))
    await safety.greet(endpoint, Talking({**after, "uptime_in_seconds": "40"}))
    assert endpoint.quarantine - now() == pytest.approx(left, abs=1)


async def test_a_clock_that_was_set_after_a_restart_does_not_end_its_quarantine() -> (
    None
):
    """Servers count how long they are up by the machine's clock. This one acknowledged
    a claim ten seconds ago."""
    safety = Safety("refuse", 60.0, replicated=False)
    endpoint = an_endpoint(safety)
    await safety.greet(endpoint, Talking(BEFORE))
    endpoint.latest = b"name", now() - 10, 3_600.0
    await safety.greet(endpoint, Talking({**EMPTY, "uptime_in_seconds": "3600"}))
    assert endpoint.quarantine - now() == pytest.approx(50.0, abs=1)


async def test_a_claim_that_was_withdrawn_is_no_loss(own_server: RedisServer) -> None:
    store = RedisStore.from_url(own_server.url, replicas=1, budget=PATIENT)
    with pytest.raises(StoreUnavailable, match="did not reach"):
        await store.claim(a_key(), a_claim())
    await store._session.claims.aclose()  # when it is withdrawn
    own_server.stop()
    own_server.start()
    with pytest.raises(StoreUnavailable, match="did not reach"):
        await store.claim(a_key(), a_claim())
    await store.aclose()


async def test_a_quarantine_that_is_over_refuses_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    safety = Safety("refuse", 60.0, replicated=False)
    endpoint = an_endpoint(safety)
    await safety.greet(endpoint, Talking(BEFORE))
    await safety.greet(endpoint, Talking({**EMPTY, "uptime_in_seconds": "3600"}))
    assert endpoint.quarantine < now()
    assert not caplog.messages


@pytest.mark.parametrize("answer", [b"OK", [b"1"], [b"a", b"b"], None, 7])
async def test_what_is_no_clock_is_no_redis(answer: Any) -> None:
    safety = Safety("refuse", 60.0, replicated=False)
    odd = Talking(BEFORE, clock=answer)
    with pytest.raises(ConnectionError, match="TIME"):
        await safety.greet(an_endpoint(safety), odd)


async def test_a_cluster_node_that_was_promoted_is_known_by_its_history() -> None:
    """It is another address, which was never asked before."""
    safety = Safety("refuse", 60.0, replicated=False)
    await safety.greet(an_endpoint(safety), Talking(BEFORE))
    promoted = an_endpoint(safety)
    await safety.greet(promoted, Talking(PROMOTED))
    assert promoted.quarantine > 0


async def test_a_quarantine_lasts_over_reconnections() -> None:
    safety = Safety("refuse", 60.0, replicated=False)
    endpoint = an_endpoint(safety)
    for info in (BEFORE, EMPTY):
        await safety.greet(endpoint, Talking(info))
    await safety.greet(endpoint, Talking({**EMPTY, "db0": "keys=1"}))
    assert endpoint.quarantine > 0


async def test_a_server_that_does_not_tell_is_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    safety = Safety("refuse", 60.0, replicated=False)
    silent = Talking(ErrorReply("NOPERM this user has no permissions to run 'info'"))
    with caplog.at_level(logging.WARNING):
        await safety.greet(an_endpoint(safety), silent)
    assert any("cannot tell" in line and "NOPERM" in line for line in caplog.messages)


@pytest.mark.parametrize(
    ("unsaid", "warning"),
    [
        ("maxmemory_policy", "may evict records"),
        ("aof_enabled", "in memory only"),
        ("run_id", "cannot be noticed"),
    ],
)
async def test_what_a_server_does_not_tell_is_warned_about_once(
    caplog: pytest.LogCaptureFixture, unsaid: str, warning: str
) -> None:
    """A service may leave it out of INFO, as Redis Enterprise does with the policy."""
    safety = Safety("refuse", 60.0, replicated=False)
    silent = Talking({n: value for n, value in BEFORE.items() if n != unsaid})
    for _ in range(2):
        await safety.greet(an_endpoint(safety), silent)
    (line,) = caplog.messages
    assert unsaid in line
    assert warning in line


async def test_a_server_that_tells_everything_is_not_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    safety = Safety("refuse", 60.0, replicated=False)
    await safety.greet(an_endpoint(safety), Talking(BEFORE))
    assert not caplog.messages


@pytest.mark.parametrize("name", ["redis_mode", "server_mode"])
async def test_one_address_may_serve_a_whole_cluster_where_that_is_said(
    name: str,
) -> None:
    serverless = Talking({**BEFORE, name: "cluster"})
    safety = Safety("refuse", 60.0, replicated=False)
    with pytest.raises(StoreUnsafe, match="single_endpoint=True"):
        await safety.greet(an_endpoint(safety), serverless)
    store = RedisStore.from_url("redis://localhost", single_endpoint=True)
    endpoint = store._session.calls._topology.endpoints()[0]
    await endpoint._greet(endpoint, serverless)


async def test_a_new_connection_ends_those_to_the_server_of_before() -> None:
    """It may lead to another server, and those for bodies and for replicas lead to a
    primary that is none any more."""

    class Open(Talking):
        closed = False

        def close(self, reason: str) -> None:
            self.closed = True

    async def connect() -> Line:
        return Open(BEFORE)

    endpoint = Endpoint(connect, Safety("refuse", 60.0, replicated=False).greet)
    until = now() + 10
    main = await endpoint.open(Purpose.MAIN, until)
    others = [
        await endpoint.open(purpose, until)
        for purpose in (Purpose.LARGE, Purpose.REPLICAS)
    ]
    assert not any(line.closed for line in others)
    main.close("it was lost")
    await endpoint.open(Purpose.MAIN, until)
    assert all(line.closed for line in others)


def an_endpoint(safety: Safety) -> Endpoint:
    async def nowhere() -> Line:
        raise ConnectionError

    return Endpoint(nowhere, safety.greet)
