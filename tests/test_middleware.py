"""What a request gets, situation by situation, in memory and on a real server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from origin_middleware import (
    ConfigurationError,
    IdempotencyMiddleware,
    LoggingObserver,
    MemoryStore,
    Policy,
    RecordDamaged,
    Store,
)
from origin_middleware import observer as seen
from origin_middleware.asgi import Message
from origin_middleware.decision import Refusal
from origin_middleware.key import Key
from origin_middleware.observer import Event
from origin_middleware.record import Completed, Held, NotReplayable
from origin_middleware.stores.redis import RedisStore
from tests.support.asgi import (
    App,
    Connection,
    GatedApp,
    chunk,
    http_scope,
    request,
    start,
)
from tests.support.faulty import FaultyStore
from tests.support.servers import RedisServer
from tests.support.stores import Clock, a_claim

HEADERS = [
    (b"content-type", b"text/plain; charset=latin-1"),
    (b"set-cookie", b"a=1"),
    (b"set-cookie", b"b=2"),
    (b"x-name", "Ære".encode("latin-1")),
]


@pytest.fixture(params=["memory", "valkey"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    server: RedisServer = request.getfixturevalue("valkey_server")
    store = RedisStore.from_url(server.url, namespace=f"test-{id(request)}")
    async with store._client as client:
        await client.flushall()
        yield store
        await store.aclose()


async def test_the_first_request_executes_and_the_next_gets_its_response(
    store: Store,
) -> None:
    inner = App(start(201, HEADERS), chunk(b"\x00\xff body"))
    app = IdempotencyMiddleware(inner, store=store)
    first = await request(app, b"in")
    second = await request(app, b"in")
    assert inner.executions == 1
    assert first.sent == [start(201, HEADERS), chunk(b"\x00\xff body")]
    replayed = [*HEADERS, (b"idempotent-replayed", b"true")]
    assert second.sent == [start(201, replayed), chunk(b"\x00\xff body")]


async def test_hop_by_hop_headers_are_not_replayed(store: Store) -> None:
    inner = App(start(200, [(b"Connection", b"close"), (b"x-kept", b"1")]), chunk(b""))
    app = IdempotencyMiddleware(inner, store=store)
    await request(app)
    assert (await request(app)).headers == [
        (b"x-kept", b"1"),
        (b"idempotent-replayed", b"true"),
    ]


async def test_other_keys_execute_for_themselves(store: Store) -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=store)
    for key in (b"one", b"two", b"One"):
        await request(app, key=key)
    assert inner.executions == 3


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/other"},
        {"path": "/report/"},
        {"query": b"a=1"},
        {"method": "PUT"},
        {"headers": [(b"x-settlement-resource-id", b"other")]},
        {"headers": [(b"x-settlement-network", b"eip155:1")]},
    ],
)
async def test_the_same_key_on_another_request_is_422(
    store: Store, change: dict[str, object]
) -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=store)
    await request(app)
    refused = await request(app, **change)
    assert (refused.status, refused.code) == (422, "different-request")
    assert inner.executions == 1


async def test_the_same_key_with_another_body_is_422(store: Store) -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=store)
    await request(app, b"amount=1")
    assert (await request(app, b"amount=2")).code == "different-request"
    assert (await request(app, b"amount", b"=1")).status == 200


async def test_another_request_is_422_while_the_first_still_runs(store: Store) -> None:
    inner = GatedApp()
    app = IdempotencyMiddleware(inner, store=store)
    first = asyncio.create_task(request(app))
    await inner.entered.wait()
    assert (await request(app, path="/other")).code == "different-request"
    inner.gate.set()
    assert (await first).status == 200


async def test_fifty_at_once_are_one_execution_and_fifty_answers(store: Store) -> None:
    inner = GatedApp()
    app = IdempotencyMiddleware(inner, store=store)
    storm = [asyncio.create_task(request(app)) for _ in range(50)]
    await inner.entered.wait()
    inner.gate.set()
    answers = await asyncio.gather(*storm)
    assert inner.executions == 1
    assert {(answer.status, answer.body) for answer in answers} == {(200, b"done")}


async def test_after_its_patience_a_duplicate_gets_409(store: Store) -> None:
    inner = GatedApp()
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(patience=0.05))
    first = asyncio.create_task(request(app))
    await inner.entered.wait()
    refused = await request(app)
    assert (refused.status, refused.code) == (409, "in-progress")
    assert (b"retry-after", b"1") in refused.headers
    assert (b"cache-control", b"no-store") in refused.headers
    inner.gate.set()
    await first


async def test_without_patience_a_duplicate_does_not_wait(store: Store) -> None:
    inner = GatedApp()
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(patience=0))
    first = asyncio.create_task(request(app))
    await inner.entered.wait()
    assert (await request(app)).code == "in-progress"
    inner.gate.set()
    await first


async def test_when_the_attempt_it_waited_for_failed_a_duplicate_executes(
    store: Store,
) -> None:
    inner = GatedApp(start(503), chunk(b"down"))
    app = IdempotencyMiddleware(inner, store=store)
    first = asyncio.create_task(request(app))
    await inner.entered.wait()
    second = asyncio.create_task(request(app))
    await asyncio.sleep(0)
    inner.gate.set()
    assert [(await first).status, (await second).status] == [503, 503]
    assert inner.executions == 2


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("GET", 200),
        ("GET", 204),
        ("HEAD", 200),
        ("GET", 303),
        ("POST", 301),
        ("POST", 302),
    ],
)
async def test_a_delivered_response_is_recorded(
    store: Store, method: str, status: int
) -> None:
    inner = App(start(status), chunk(b""))
    app = IdempotencyMiddleware(inner, store=store)
    assert (await request(app, method=method)).status == status
    assert (await request(app, method=method)).status == status
    assert inner.executions == 1


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("GET", 301),
        ("HEAD", 302),
        ("GET", 304),
        ("POST", 307),
        ("POST", 308),
        ("GET", 404),
        ("POST", 500),
        ("POST", 503),
    ],
)
async def test_a_response_that_does_not_count_releases_the_key(
    store: Store, method: str, status: int
) -> None:
    inner = App(start(status), chunk(b""))
    app = IdempotencyMiddleware(inner, store=store)
    for _ in range(2):
        assert (await request(app, method=method)).status == status
    assert inner.executions == 2


@pytest.mark.parametrize(
    "messages", [[], [start()], [start(), chunk(b"half", more=True)]]
)
async def test_a_handler_that_raises_releases_the_key_and_still_raises(
    store: Store, messages: list[dict[str, object]]
) -> None:
    inner = App(*messages, ZeroDivisionError())
    app = IdempotencyMiddleware(inner, store=store)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await request(app)
    assert inner.executions == 2


async def test_a_response_that_was_never_finished_releases_the_key(
    store: Store,
) -> None:
    inner = App(start(), chunk(b"half", more=True))
    app = IdempotencyMiddleware(inner, store=store)
    for _ in range(2):
        assert not (await request(app)).complete
    assert inner.executions == 2


@pytest.mark.parametrize("failure", [ZeroDivisionError(), start(500)])
async def test_where_failure_is_unknown_outcome_a_retry_is_refused(
    store: Store, failure: ZeroDivisionError | dict[str, object]
) -> None:
    inner = App(failure, chunk(b""))
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(on_failure="refuse"))
    try:
        await request(app)
    except ZeroDivisionError:
        assert isinstance(failure, ZeroDivisionError)
    refused = await request(app)
    assert (refused.status, refused.code) == (409, "outcome-unknown")
    assert inner.executions == 1


async def test_a_failure_after_the_response_does_not_undo_the_record(
    store: Store,
) -> None:
    """Starlette runs background tasks after the last byte, in the same call."""
    inner, events = App(start(), chunk(b"done"), ZeroDivisionError()), list[Event]()
    app = IdempotencyMiddleware(inner, store=store, observer=events.append)
    with pytest.raises(ZeroDivisionError):
        await request(app)
    assert [type(event) for event in events] == [seen.Executed]
    assert (await request(app)).body == b"done"
    assert inner.executions == 1


async def test_an_abandoned_key_is_refused() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    inner = GatedApp()
    app = IdempotencyMiddleware(inner, store=store)
    stalled = asyncio.create_task(request(app))
    await inner.entered.wait()
    clock.now += 11
    assert (await request(app)).code == "outcome-unknown"
    inner.gate.set()
    assert (await stalled).status == 200
    assert (await request(app)).body == b"done"
    assert inner.executions == 1


async def test_an_abandoned_key_is_executed_again_where_the_policy_says_so() -> None:
    clock = Clock()
    events: list[Event] = []
    inner = GatedApp()
    policy = Policy(on_abandoned="execute")
    store = MemoryStore(clock=clock)
    app = IdempotencyMiddleware(
        inner, store=store, policy=policy, observer=events.append
    )
    stalled = asyncio.create_task(request(app))
    await inner.entered.wait()
    clock.now += 11
    inner.entered.clear()
    second = asyncio.create_task(request(app))
    await inner.entered.wait()
    inner.gate.set()
    assert [(await stalled).status, (await second).status] == [200, 200]
    assert seen.TakenOver(Key("intent-1")) in events


async def test_a_key_that_is_not_required_may_be_missing() -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=FaultyStore())
    for _ in range(2):
        assert (await request(app, key=None)).sent == list(inner.messages)
    assert inner.executions == 2


async def test_a_required_key_that_is_missing_is_400() -> None:
    inner = App()
    app = IdempotencyMiddleware(
        inner, store=MemoryStore(), policy=Policy(require_key=True)
    )
    refused = await request(app, key=None)
    assert (refused.status, refused.code) == (400, "key-missing")
    assert b"x-settlement-intent-id" in refused.body
    assert inner.executions == 0


PREFLIGHT = [(b"origin", b"https://a"), (b"access-control-request-method", b"POST")]


async def test_a_preflight_needs_no_key() -> None:
    inner = App()
    policy = Policy(require_key=True)
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=policy)
    options: dict[str, Any] = {"key": None, "method": "OPTIONS"}
    assert (await request(app, **options, headers=PREFLIGHT)).status == 200
    assert (await request(app, **options)).code == "key-missing"
    assert (await request(app, key=None, headers=PREFLIGHT)).code == "key-missing"
    assert inner.executions == 1


@pytest.mark.parametrize(
    "key", [b"", b"a b", b"x" * 256, "å".encode(), b"\x00", b"a\tb"]
)
async def test_a_malformed_key_is_400(key: bytes) -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    refused = await request(app, key=key)
    assert (refused.status, refused.code) == (400, "key-malformed")
    assert inner.executions == 0


async def test_a_repeated_key_is_400() -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    twice = [(b"x-settlement-intent-id", b"intent-1")]
    assert (await request(app, headers=twice)).code == "key-malformed"
    assert inner.executions == 0


async def test_the_header_can_have_another_name_in_any_case() -> None:
    inner = App()
    app = IdempotencyMiddleware(
        inner, store=MemoryStore(), policy=Policy(header="Idempotency-Key")
    )
    for _ in range(2):
        await request(app, key=None, headers=[(b"idempotency-key", b"k")])
    assert inner.executions == 1


async def test_without_a_store_the_handler_does_not_run() -> None:
    inner, store, events = App(), FaultyStore(), list[Event]()
    store.away("claim")
    app = IdempotencyMiddleware(inner, store=store, observer=events.append)
    refused = await request(app)
    assert (refused.status, refused.code) == (503, "store-unavailable")
    assert (b"retry-after", b"1") in refused.headers
    assert inner.executions == 0
    (event,) = events
    assert isinstance(event, seen.Refused)
    assert (event.key, event.refusal) == ("intent-1", Refusal.STORE_UNAVAILABLE)


async def test_without_a_store_the_handler_runs_where_the_policy_says_so() -> None:
    inner, store, events = App(), FaultyStore(), list[Event]()
    store.away("claim")
    app = IdempotencyMiddleware(
        inner,
        store=store,
        policy=Policy(on_store_unavailable="execute"),
        observer=events.append,
    )
    assert (await request(app, b"body")).sent == list(inner.messages)
    assert events == [seen.RanUnprotected(Key("intent-1"))]


@pytest.mark.parametrize("method", ["take_over", "claim"])
async def test_a_store_that_is_lost_while_another_executes_is_503(method: str) -> None:
    """Whatever the policy says for a store that was never reached."""
    clock = Clock()
    inner, store = GatedApp(start(500), chunk(b"")), FaultyStore(clock)
    policy = Policy(on_store_unavailable="execute", on_abandoned="execute")
    app = IdempotencyMiddleware(inner, store=store, policy=policy)
    first = asyncio.create_task(request(app))
    await inner.entered.wait()
    if method == "take_over":
        clock.now += 11
        store.away("take_over")
        duplicate = asyncio.create_task(request(app))
    else:
        duplicate = asyncio.create_task(request(app))
        await store.asked("wait", 1)
        store.away("claim")
    if method == "claim":
        inner.gate.set()
    assert (await duplicate).code == "store-unavailable"
    inner.gate.set()
    await first
    assert inner.executions == 1


async def test_a_release_that_cannot_be_written_is_told_and_made_up_for() -> None:
    inner, store, events = App(start(500), chunk(b"")), FaultyStore(), list[Event]()
    store.away("release")
    app = IdempotencyMiddleware(inner, store=store, observer=events.append)
    assert (await request(app)).status == 500
    assert [type(event) for event in events] == [seen.NotRecorded]
    store.away()
    await app._guard.running.drain()
    assert [type(event) for event in events[1:]] == [seen.RecordedLate, seen.Failed]
    await request(app)
    assert inner.executions == 2


async def test_a_damaged_record_is_409_and_not_executed_again() -> None:
    inner, store = App(), FaultyStore()
    store.faults = {"claim": RecordDamaged("?")}
    app = IdempotencyMiddleware(inner, store=store)
    refused = await request(app)
    assert (refused.status, refused.code) == (409, "record-damaged")
    assert inner.executions == 0


async def test_a_damaged_response_is_409_and_not_executed_again() -> None:
    inner, store = App(), FaultyStore()
    app = IdempotencyMiddleware(inner, store=store)
    await request(app)
    (record,) = store.behind._records.values()
    assert isinstance(record.state, Completed)
    cut = Completed(record.state.response[:4])
    claim = a_claim()
    store.behind._records.clear()
    await store.behind.complete(
        Key("intent-1"), type(claim)(claim.owner, record.fingerprint, 10, 1000), cut
    )
    assert (await request(app)).code == "record-damaged"
    assert inner.executions == 1


async def test_a_response_over_the_limit_is_delivered_and_not_kept(
    store: Store,
) -> None:
    inner = App(
        start(), chunk(b"x" * 60, more=True), chunk(b"x" * 60, more=True), chunk(b"end")
    )
    app = IdempotencyMiddleware(
        inner, store=store, policy=Policy(max_response_bytes=100)
    )
    assert (await request(app)).body == b"x" * 120 + b"end"
    refused = await request(app)
    assert (refused.status, refused.code) == (409, "not-replayable")
    assert inner.executions == 1


async def test_a_response_of_just_the_limit_is_kept(store: Store) -> None:
    inner = App(start(), chunk(b"x" * 100))
    app = IdempotencyMiddleware(
        inner, store=store, policy=Policy(max_response_bytes=100)
    )
    await request(app)
    assert (await request(app)).body == b"x" * 100


async def test_a_response_whose_record_cannot_be_written_is_delivered() -> None:
    inner, store, events = App(), FaultyStore(), list[Event]()
    store.away("complete")
    app = IdempotencyMiddleware(inner, store=store, observer=events.append)
    assert (await request(app)).body == b"done"
    assert events == [seen.NotRecorded(Key("intent-1"))]
    assert isinstance(await store.claim(Key("intent-1"), a_claim()), Held)
    store.away()
    await app._guard.running.drain()  # it goes on behind the response
    assert [type(event) for event in events[1:]] == [seen.RecordedLate, seen.Executed]
    assert (await request(app)).body == b"done"
    assert inner.executions == 1


async def test_a_completion_that_was_preceded_serves_the_first_one() -> None:
    inner = GatedApp(start(200, [(b"content-length", b"4")]), chunk(b"done"))
    store, events = FaultyStore(), list[Event]()
    app = IdempotencyMiddleware(inner, store=store, observer=events.append)
    running = asyncio.create_task(request(app))
    await inner.entered.wait()
    other = await recorded_by_another(store)
    inner.gate.set()
    assert (await running).body == other
    assert events == [seen.Superseded(Key("intent-1"))]


async def recorded_by_another(store: FaultyStore) -> bytes:
    other = IdempotencyMiddleware(
        App(start(), chunk(b"the first one")), store=(elsewhere := FaultyStore())
    )
    await request(other)
    store.behind._records = elsewhere.behind._records
    return b"the first one"


async def test_while_a_record_cannot_be_written_its_claim_is_renewed() -> None:
    """Or it would be abandoned, and with `on_abandoned="execute"` run again."""
    inner, store = App(), FaultyStore()
    store.away("complete")
    policy = Policy(lease=0.06, retention=60)
    app = IdempotencyMiddleware(inner, store=store, policy=policy)
    assert (await request(app)).body == b"done"
    await store.asked("renew", 4)
    store.away()
    await app._guard.running.drain()
    assert (await request(app)).body == b"done"


async def test_a_handler_that_ends_leaves_a_pending_write_its_lease() -> None:
    """A real server yields while it sends, so the write is tried again by then."""
    inner, store = App(), FaultyStore()
    store.away("complete")
    policy = Policy(lease=0.06, retention=60)
    app = IdempotencyMiddleware(inner, store=store, policy=policy)
    connection = Connection()

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        await connection.send(message)

    await app(http_scope(), connection.receive, send)
    async with asyncio.timeout(5):
        await store.asked("renew", 4)
    store.away()
    await app._guard.running.drain()
    assert (await request(app)).body == b"done"


async def test_a_completion_that_was_preceded_by_a_damaged_one_serves_its_own() -> None:
    inner, store = GatedApp(), FaultyStore()
    app = IdempotencyMiddleware(inner, store=store)
    running = asyncio.create_task(request(app))
    await inner.entered.wait()
    store.behind._records.clear()
    await store.behind.complete(Key("intent-1"), a_claim(), Completed(b""))
    inner.gate.set()
    assert (await running).body == b"done"


async def test_a_completion_that_was_preceded_by_a_large_one_serves_its_own() -> None:
    inner, store = GatedApp(), FaultyStore()
    app = IdempotencyMiddleware(inner, store=store)
    running = asyncio.create_task(request(app))
    await inner.entered.wait()
    store.behind._records.clear()
    await store.behind.complete(Key("intent-1"), a_claim(), NotReplayable())
    inner.gate.set()
    assert (await running).body == b"done"


async def test_a_completion_whose_claim_is_gone_raises_an_alarm() -> None:
    inner, store, events = GatedApp(), FaultyStore(), list[Event]()
    app = IdempotencyMiddleware(inner, store=store, observer=events.append)
    running = asyncio.create_task(request(app))
    await inner.entered.wait()
    store.behind._records.clear()
    inner.gate.set()
    await running
    (event,) = events
    assert isinstance(event, seen.ClaimMissing)
    assert (await request(app)).body == b"done"


async def test_what_is_not_http_is_passed_through() -> None:
    received: list[object] = []

    async def inner(scope: object, receive: object, send: object) -> None:
        received.extend([scope, receive, send])

    app = IdempotencyMiddleware(inner, store=FaultyStore())
    scope, connection = {"type": "websocket"}, Connection()
    receive, send = connection.receive, connection.send
    await app(scope, receive, send)
    assert received == [scope, receive, send]


async def test_without_a_key_nothing_is_wrapped() -> None:
    received: list[object] = []

    async def inner(scope: object, receive: object, send: object) -> None:
        received.extend([scope, receive, send])

    app = IdempotencyMiddleware(inner, store=FaultyStore())
    scope, connection = http_scope(key=None), Connection()
    receive, send = connection.receive, connection.send
    await app(scope, receive, send)
    assert received[0] is scope
    assert received[1:] == [receive, send]


async def test_an_observer_that_fails_does_not_fail_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(event: Event) -> None:
        raise ZeroDivisionError

    app = IdempotencyMiddleware(App(), store=MemoryStore(), observer=broken)
    assert (await request(app)).status == 200
    assert "observer failed" in caplog.text


@pytest.mark.parametrize("store", [None, "redis://localhost", MemoryStore, RedisStore])
def test_what_is_not_a_store_is_refused_at_construction(store: object) -> None:
    with pytest.raises(ConfigurationError, match="store must be a store"):
        IdempotencyMiddleware(App(), store=store)  # type: ignore[arg-type] # the mistake under test


@pytest.mark.parametrize(
    "options",
    [{"observer": 5}, {"observer": LoggingObserver}, {"clock": 5}, {"clock": float}],
)
def test_what_cannot_be_called_is_refused_at_construction(
    options: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError, match="must be a function"):
        IdempotencyMiddleware(App(), store=MemoryStore(), **options)


def test_what_is_not_a_policy_is_refused_at_construction() -> None:
    with pytest.raises(ConfigurationError, match="policy must be a Policy"):
        IdempotencyMiddleware(App(), store=MemoryStore(), policy={})  # type: ignore[arg-type] # the mistake under test


@pytest.mark.parametrize("option", ["policy", "observer", "clock"])
def test_a_function_that_nobody_would_await_is_refused_at_construction(
    option: str,
) -> None:
    async def function(_: object) -> None: ...

    options: dict[str, Any] = {option: function}
    with pytest.raises(ConfigurationError, match="an ordinary function, not an async"):
        IdempotencyMiddleware(App(), store=MemoryStore(), **options)
