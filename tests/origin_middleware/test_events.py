"""What watchers are told, and what never reaches a log."""

import logging

import pytest

from origin_middleware import (
    ClaimMissing,
    Event,
    Executed,
    Failed,
    IdempotencyMiddleware,
    LeaseLost,
    LoggingObserver,
    MemoryStore,
    NotRecorded,
    Policy,
    RanUnprotected,
    Refused,
    Replayed,
    Superseded,
)
from origin_middleware.decision import Refusal
from origin_middleware.key import Key
from origin_middleware.record import Evidence
from tests.support.asgi import App, chunk, request, start

KEY = Key("intent-1")


async def test_the_life_of_a_key_is_told_in_order() -> None:
    events: list[Event] = []
    app = IdempotencyMiddleware(App(), store=MemoryStore(), observer=events.append)
    await request(app)
    await request(app)
    await request(app, path="/other")
    executed, replayed, refused = events
    assert isinstance(executed, Executed)
    assert (executed.key, executed.status) == (KEY, 200)
    assert 0 <= executed.seconds < 1
    assert isinstance(replayed, Replayed)
    assert isinstance(refused, Refused)
    assert (refused.key, refused.refusal) == (KEY, Refusal.DIFFERENT_REQUEST)
    assert 0 <= refused.waited < 1


@pytest.mark.parametrize(
    ("policy", "released"), [(Policy(), True), (Policy(on_failure="refuse"), False)]
)
async def test_a_failure_is_told_with_what_became_of_the_key(
    policy: Policy, released: bool
) -> None:
    events: list[Event] = []
    app = IdempotencyMiddleware(
        App(start(500), chunk(b"")),
        store=MemoryStore(),
        policy=policy,
        observer=events.append,
    )
    await request(app)
    (event,) = events
    assert isinstance(event, Failed)
    assert (event.key, event.status, event.released) == (KEY, 500, released)
    assert 0 <= event.seconds < 1


async def test_a_request_refused_for_its_key_is_told_without_one() -> None:
    events: list[Event] = []
    app = IdempotencyMiddleware(
        App(),
        store=MemoryStore(),
        policy=Policy(require_key=True),
        observer=events.append,
    )
    await request(app, key=None)
    await request(app, key=b"a b")
    assert events == [
        Refused(None, Refusal.KEY_MISSING),
        Refused(None, Refusal.KEY_MALFORMED),
    ]


@pytest.mark.parametrize(
    "event",
    [
        RanUnprotected(KEY),
        NotRecorded(KEY),
        ClaimMissing(KEY, Evidence.CLAIM_LOST),
        Superseded(KEY),
        LeaseLost(KEY),
    ],
)
def test_what_weakens_the_promise_is_logged_as_a_warning(
    event: Event, caplog: pytest.LogCaptureFixture
) -> None:
    LoggingObserver()(event)
    (entry,) = caplog.records
    assert entry.levelno == logging.WARNING
    assert entry.name == "origin_middleware"
    assert type(event).__name__ in entry.message
    assert "intent-1" not in entry.message


def test_the_ordinary_is_logged_for_those_who_ask(
    caplog: pytest.LogCaptureFixture,
) -> None:
    LoggingObserver()(Replayed(KEY, 0.5))
    assert caplog.records == []
    caplog.set_level(logging.DEBUG, "origin_middleware")
    LoggingObserver()(Refused(None, Refusal.KEY_MISSING))
    LoggingObserver()(Replayed(KEY, 0.5))
    messages = [entry.message for entry in caplog.records]
    assert messages[0] == "Refused key=none refusal=Refusal.KEY_MISSING waited=0.0"
    assert messages[1].startswith("Replayed key=")
    assert "intent-1" not in messages[1]
