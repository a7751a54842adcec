"""What becomes of a key, by what its handler did and its policy says."""

import asyncio

import pytest

from origin_middleware import (
    Event,
    Executed,
    FailedAfterRecord,
    IdempotencyMiddleware,
    MemoryStore,
    Policy,
    Store,
    TakenOver,
    attempt_of,
)
from origin_middleware.asgi import Receive, Scope, Send
from origin_middleware.key import Key
from tests.support.asgi import (
    App,
    GatedApp,
    chunk,
    endings,
    request,
    start,
)
from tests.support.stores import Clock


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


@pytest.mark.parametrize("most", [1, 3])
async def test_an_intent_of_which_nothing_is_delivered_runs_a_handler_so_often(
    store: Store, most: int
) -> None:
    """On whatever path: a refused payment buys no list of who is a customer."""
    inner = App(start(404), chunk(b"no such customer"))
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(max_attempts=most))
    codes = [await request(app, path=f"/customer/{n}") for n in range(most + 2)]
    assert [answer.status for answer in codes] == [404] * most + [409] * 2
    assert codes[-1].code == "attempts-exhausted"
    assert inner.executions == most
    assert (await request(app, key=b"intent-2")).status == 404


async def test_whoever_waits_for_the_last_attempt_is_told_that_there_is_no_other(
    store: Store,
) -> None:
    inner = GatedApp(start(503), chunk(b"later"))
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(max_attempts=1))
    first = asyncio.create_task(request(app))
    await inner.entered.wait()
    waiting = [asyncio.create_task(request(app)) for _ in range(3)]
    inner.gate.set()
    assert (await first).status == 503
    assert {(await each).code for each in waiting} == {"attempts-exhausted"}
    assert inner.executions == 1


async def test_an_attempt_that_is_delivered_counts_as_any_other_and_is_replayed(
    store: Store,
) -> None:
    inner = App(start(503), chunk(b"later"))
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(max_attempts=2))
    assert (await request(app)).status == 503
    inner.messages = (start(), chunk(b"done"))
    for _ in range(3):
        assert (await request(app)).body == b"done"


async def test_what_is_executed_again_though_its_outcome_is_unknown_is_so_so_often(
    store: Store,
) -> None:
    runs: list[Scope] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        runs.append(scope)
        attempt = attempt_of(scope)
        assert attempt is not None
        attempt.outcome_unknown()
        await App(start(502), chunk(b"?"))(scope, receive, send)

    policy = Policy(on_abandoned="execute", max_attempts=3)
    app = IdempotencyMiddleware(handler, store=store, policy=policy)
    answers = [await request(app) for _ in range(5)]
    assert [answer.status for answer in answers] == [502] * 3 + [409] * 2
    assert answers[-1].code == "attempts-exhausted"
    assert len(runs) == 3


async def test_a_failure_after_the_response_does_not_undo_the_record(
    store: Store,
) -> None:
    """Starlette runs background tasks after the last byte, in the same call."""
    inner, events = App(start(), chunk(b"done"), ZeroDivisionError()), list[Event]()
    app = IdempotencyMiddleware(inner, store=store, observer=endings(events))
    with pytest.raises(ZeroDivisionError):
        await request(app)
    assert [type(event) for event in events] == [Executed, FailedAfterRecord]
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
        inner, store=store, policy=policy, observer=endings(events)
    )
    stalled = asyncio.create_task(request(app))
    await inner.entered.wait()
    clock.now += 11
    inner.entered.clear()
    second = asyncio.create_task(request(app))
    await inner.entered.wait()
    inner.gate.set()
    assert [(await stalled).status, (await second).status] == [200, 200]
    assert TakenOver(Key("intent-1")) in events


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
