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
)
from origin_middleware.key import Key
from tests.support.asgi import (
    App,
    GatedApp,
    chunk,
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


async def test_a_failure_after_the_response_does_not_undo_the_record(
    store: Store,
) -> None:
    """Starlette runs background tasks after the last byte, in the same call."""
    inner, events = App(start(), chunk(b"done"), ZeroDivisionError()), list[Event]()
    app = IdempotencyMiddleware(inner, store=store, observer=events.append)
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
