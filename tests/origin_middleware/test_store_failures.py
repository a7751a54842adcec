"""A store that is away, damaged, or was asked by somebody else meanwhile."""

import asyncio

import pytest

from origin_middleware import (
    ClaimMissing,
    Event,
    Executed,
    Failed,
    IdempotencyMiddleware,
    LeaseLost,
    NotRecorded,
    Policy,
    RanUnprotected,
    RecordDamaged,
    RecordedLate,
    Refused,
    StoreUnavailable,
    Superseded,
    WriteRefused,
    drain,
    persistence,
)
from origin_middleware.asgi import Message
from origin_middleware.decision import Refusal
from origin_middleware.key import Key
from origin_middleware.record import (
    Claim,
    Completed,
    Held,
    NotReplayable,
    Outcome,
    Preceded,
    Recorded,
)
from tests.support.asgi import (
    PRIVATE,
    App,
    Connection,
    GatedApp,
    chunk,
    endings,
    http_scope,
    request,
    start,
)
from tests.support.faulty import FaultyStore
from tests.support.stores import Clock, a_claim


async def test_without_a_store_the_handler_does_not_run() -> None:
    inner, store, events = App(), FaultyStore(), list[Event]()
    store.away("claim")
    app = IdempotencyMiddleware(inner, store=store, observer=endings(events))
    refused = await request(app)
    assert (refused.status, refused.code) == (503, "store-unavailable")
    assert (b"retry-after", b"1") in refused.headers
    assert inner.executions == 0
    (event,) = events
    assert isinstance(event, Refused)
    assert (event.key, event.refusal) == ("intent-1", Refusal.STORE_UNAVAILABLE)


async def test_without_a_store_the_handler_runs_where_the_policy_says_so() -> None:
    inner, store, events = App(), FaultyStore(), list[Event]()
    store.away("claim")
    app = IdempotencyMiddleware(
        inner,
        store=store,
        policy=Policy(on_store_unavailable="execute"),
        observer=endings(events),
    )
    assert (await request(app, b"body")).sent == [start(200, [PRIVATE]), chunk(b"done")]
    assert events == [RanUnprotected(Key("intent-1"))]


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
    app = IdempotencyMiddleware(inner, store=store, observer=endings(events))
    assert (await request(app)).status == 500
    assert [type(event) for event in events] == [NotRecorded]
    store.away()
    await app._runtime.drain()
    assert [type(event) for event in events[1:]] == [RecordedLate, Failed]
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


async def test_a_response_whose_record_cannot_be_written_is_delivered() -> None:
    inner, store, events = App(), FaultyStore(), list[Event]()
    store.away("complete")
    app = IdempotencyMiddleware(inner, store=store, observer=endings(events))
    assert (await request(app)).body == b"done"
    assert events == [NotRecorded(Key("intent-1"))]
    assert isinstance(await store.claim(Key("intent-1"), a_claim()), Held)
    store.away()
    await app._runtime.drain()  # it goes on behind the response
    assert [type(event) for event in events[1:]] == [RecordedLate, Executed]
    assert (await request(app)).body == b"done"
    assert inner.executions == 1


class FullStore(FaultyStore):
    """Has no room for a body."""

    async def complete(
        self, key: Key, claim: Claim, outcome: Outcome, status: int = 0, /
    ) -> Recorded | Preceded:
        if isinstance(outcome, Completed):
            self._asked("complete")
            raise WriteRefused("OOM")
        return await super().complete(key, claim, outcome, status)


async def test_a_body_that_the_store_refuses_for_good_is_given_up_at_once() -> None:
    inner, store, events = App(), FullStore(), list[Event]()
    app = IdempotencyMiddleware(inner, store=store, observer=endings(events))
    assert (await request(app)).body == b"done"
    assert [type(event) for event in events] == [Executed]
    assert store.calls == ["claim", "complete", "complete"]
    assert (await request(app)).code == "not-replayable"
    assert inner.executions == 1


async def test_a_body_that_is_refused_late_is_given_up_then() -> None:
    """The server came back, and is full."""
    inner, store, events = App(), FullStore(), list[Event]()
    store.away("complete")
    app = IdempotencyMiddleware(inner, store=store, observer=endings(events))
    assert (await request(app)).body == b"done"
    store.away()
    await app._runtime.drain()
    assert [type(event) for event in events] == [NotRecorded, RecordedLate, Executed]
    assert (await request(app)).code == "not-replayable"


async def test_what_waits_to_be_written_late_has_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bodies are given up first: that the handler ran is worth more."""
    monkeypatch.setattr(persistence, "_MOST_BYTES", 800)
    inner, store = App(start(), chunk(b"." * 300)), FaultyStore()
    store.away("complete")
    apps = [IdempotencyMiddleware(inner, store=store) for _ in range(2)]
    for n in range(6):
        await request(apps[n % 2], key=b"%d" % n)
    store.away()
    await drain()
    answers = [await request(apps[0], key=b"%d" % n) for n in range(6)]
    assert [answer.status for answer in answers] == [200] * 2 + [409] * 4
    assert {answer.code for answer in answers[2:]} == {"not-replayable"}
    assert inner.executions == 6
    store.away("complete")
    await request(apps[0], key=b"another")
    store.away()
    await drain()  # there is room again
    assert (await request(apps[0], key=b"another")).status == 200


async def test_no_more_outcomes_wait_to_be_written_than_a_process_can_hold(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(persistence, "_MOST_OUTCOMES", 2)
    inner, store, events = App(start(500), chunk(b"")), FaultyStore(), list[Event]()
    store.away("release")
    app = IdempotencyMiddleware(inner, store=store, observer=endings(events))
    for n in range(4):
        await request(app, key=b"%d" % n)
    store.away()
    await drain()
    told = [type(event) for event in events]
    assert told.count(NotRecorded) == 4
    assert told.count(RecordedLate) == 2
    assert "2 outcomes wait to be written" in caplog.text


async def test_a_completion_that_was_preceded_serves_the_first_one() -> None:
    inner = GatedApp(start(200, [(b"content-length", b"4")]), chunk(b"done"))
    store, events = FaultyStore(), list[Event]()
    app = IdempotencyMiddleware(inner, store=store, observer=endings(events))
    running = asyncio.create_task(request(app))
    await inner.entered.wait()
    other = await recorded_by_another(store)
    inner.gate.set()
    assert (await running).body == other
    (second,) = events
    assert isinstance(second, Superseded)
    assert (second.status, second.by_other_request) == (200, False)
    assert 0 < second.seconds < 60


async def test_a_completion_that_another_request_preceded_serves_its_own() -> None:
    """Its payer must not get what somebody else has bought."""
    inner = GatedApp(start(200, [(b"content-length", b"4")]), chunk(b"done"))
    store, events = FaultyStore(), list[Event]()
    app = IdempotencyMiddleware(inner, store=store, observer=endings(events))
    running = asyncio.create_task(request(app, b"one"))
    await inner.entered.wait()
    await recorded_by_another(store, b"another")
    inner.gate.set()
    assert (await running).body == b"done"
    (second,) = events
    assert isinstance(second, Superseded)
    assert (second.status, second.by_other_request) == (200, True)


async def recorded_by_another(store: FaultyStore, *body: bytes) -> bytes:
    other = IdempotencyMiddleware(
        App(start(), chunk(b"the first one")), store=(elsewhere := FaultyStore())
    )
    await request(other, *body)
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
    await app._runtime.drain()
    assert (await request(app)).body == b"done"


@pytest.mark.parametrize("status", [200, 500])
async def test_a_write_whose_reply_was_lost_raises_no_alarm(status: int) -> None:
    """While it is tried again, the renewal beside it finds that the claim has ended."""
    clock, events = Clock(), list[Event]()
    inner, store = App(start(status), chunk(b"")), Deaf(clock)
    policy = Policy(lease=0.06, retention=60)
    app = IdempotencyMiddleware(
        inner, store=store, policy=policy, observer=endings(events)
    )
    await request(app)
    await store.asked("renew", 1)
    await app._runtime.drain()
    assert store.gone == [False]
    assert LeaseLost not in map(type, events)


class Deaf(FaultyStore):
    """Completions and releases are carried out, and the replies are lost; until there
    was a renewal.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.gone: list[bool] = []

    async def complete(
        self, key: Key, claim: Claim, outcome: Outcome, status: int = 0, /
    ) -> Recorded | Preceded:
        told = await super().complete(key, claim, outcome, status)
        if not self.gone:
            raise StoreUnavailable("the reply is lost")
        return told

    async def release(self, key: Key, claim: Claim, /) -> bool:
        told = await super().release(key, claim)
        if not self.gone:
            raise StoreUnavailable("the reply is lost")
        return told

    async def renew(self, key: Key, claim: Claim, /) -> bool:
        ours = await super().renew(key, claim)
        self.gone.append(ours)
        return ours


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
    await app._runtime.drain()
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
    app = IdempotencyMiddleware(inner, store=store, observer=endings(events))
    running = asyncio.create_task(request(app))
    await inner.entered.wait()
    store.behind._records.clear()
    inner.gate.set()
    await running
    (event,) = events
    assert isinstance(event, ClaimMissing)
    assert (await request(app)).body == b"done"


async def test_a_store_that_was_cancelled_itself_fails_like_any_other() -> None:
    store, events = FaultyStore(), list[Event]()
    app = IdempotencyMiddleware(App(), store=store, observer=endings(events))
    store.faults = {"complete": asyncio.CancelledError()}
    answer = await request(app)
    assert (answer.body, answer.complete) == (b"done", True)
    store.faults = {}
    await app._runtime.drain()
    assert [type(event) for event in events] == [NotRecorded, RecordedLate, Executed]


async def test_a_renewal_that_was_cancelled_itself_is_tried_again() -> None:
    store, handler = FaultyStore(), GatedApp()
    policy = Policy(lease=0.2)
    app = IdempotencyMiddleware(handler, store=store, policy=policy)
    store.faults = {"renew": asyncio.CancelledError()}
    running = asyncio.create_task(request(app))
    await store.asked("renew", 2)
    handler.gate.set()
    assert (await running).body == b"done"


@pytest.mark.parametrize("status", [200, 500])
async def test_an_outcome_that_is_never_written_is_told_in_the_end(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or a handler would seem to run for ever."""
    monkeypatch.setattr("origin_middleware.persistence._PERSIST_FOR", 0)
    store, events = FaultyStore(), list[Event]()
    inner = App(start(status), chunk(b"done"))
    app = IdempotencyMiddleware(inner, store=store, observer=endings(events))
    store.away("complete", "release")
    assert (await request(app)).body == b"done"
    await app._runtime.drain()
    not_recorded, failed = events
    assert isinstance(not_recorded, NotRecorded)
    assert isinstance(failed, Failed)
    assert (failed.status, failed.released) == (status, False)


async def test_an_outcome_is_written_by_a_process_that_stood_still_for_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was stopped while it waited, and its time was over when it went on."""
    stalled = 0.0
    monkeypatch.setattr("origin_middleware.persistence._now", lambda: stalled)
    monkeypatch.setattr("origin_middleware.persistence._PERSIST_EVERY", 0.0)
    store, events = FaultyStore(), list[Event]()
    app = IdempotencyMiddleware(App(), store=store, observer=endings(events))
    store.away("complete")
    await request(app)
    await store.asked("complete", 3)
    stalled = 1e9
    store.faults = {}
    await app._runtime.drain()
    assert [type(event) for event in events] == [NotRecorded, RecordedLate, Executed]


class Narrow(FaultyStore):
    """No response gets through to it in time."""

    async def complete(
        self, key: Key, claim: Claim, outcome: Outcome, status: int = 0, /
    ) -> Recorded | Preceded:
        if isinstance(outcome, Completed):
            raise StoreUnavailable("too slow", reason="timeout")
        return await super().complete(key, claim, outcome, status)


async def test_an_outcome_whose_body_never_passes_is_written_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """That the handler ran is known, and must not be taken for unknown."""
    monkeypatch.setattr("origin_middleware.persistence._PERSIST_FOR", 0)
    inner, store = App(), Narrow()
    policy = Policy(on_abandoned="execute")
    app = IdempotencyMiddleware(inner, store=store, policy=policy)
    assert (await request(app)).body == b"done"
    await app._runtime.drain()
    assert (await request(app)).code == "not-replayable"
    assert inner.executions == 1
