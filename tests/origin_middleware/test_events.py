"""What watchers are told, and what never reaches a log."""

import asyncio
import hashlib
import json
import logging
from typing import Any

import pytest

from origin_middleware import (
    ClaimMissing,
    ConfigurationError,
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
    Started,
    Superseded,
)
from origin_middleware.decision import Refusal
from origin_middleware.key import Key
from origin_middleware.record import Evidence
from tests.support.asgi import App, GatedApp, chunk, request, start
from tests.support.faulty import FaultyStore
from tests.support.stores import Clock

KEY = Key("intent-1")


async def test_the_life_of_a_key_is_told_in_order() -> None:
    events: list[Event] = []
    app = IdempotencyMiddleware(App(), store=MemoryStore(), observer=events.append)
    await request(app)
    await request(app)
    await request(app, path="/other")
    started, executed, replayed, refused = events
    assert started == Started(KEY, 1)
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
    _, event = events
    assert isinstance(event, Failed)
    assert (event.key, event.status, event.released) == (KEY, 500, released)
    assert 0 <= event.seconds < 1


async def test_an_attempt_is_told_with_its_number() -> None:
    events: list[Event] = []
    inner = App(start(500), chunk(b""))
    app = IdempotencyMiddleware(inner, store=MemoryStore(), observer=events.append)
    for _ in range(3):
        await request(app)
    started = [each for each in events if isinstance(each, Started)]
    assert [each.attempt for each in started] == [1, 2, 3]


@pytest.mark.parametrize(("most", "kept"), [(1_000, True), (1, False)])
async def test_an_execution_is_told_with_what_was_kept(most: int, kept: bool) -> None:
    events: list[Event] = []
    app = IdempotencyMiddleware(
        App(),
        store=MemoryStore(),
        policy=Policy(max_response_bytes=most),
        observer=events.append,
    )
    await request(app)
    executed = events[-1]
    assert isinstance(executed, Executed)
    assert executed.kept == kept
    assert (executed.size > 0) == kept


async def test_waiting_for_another_attempt_is_told_apart() -> None:
    clock, events = Clock(), list[Event]()
    store, inner = FaultyStore(clock), GatedApp()
    app = IdempotencyMiddleware(inner, store=store, observer=events.append)
    first = asyncio.create_task(request(app))
    await inner.entered.wait()
    second = asyncio.create_task(request(app))
    await store.asked("wait", 1)
    inner.gate.set()
    await asyncio.gather(first, second)
    await request(app)
    (begun,) = (each for each in events if isinstance(each, Started))
    waiter, later = (each for each in events if isinstance(each, Replayed))
    assert begun.waited == later.waited == 0.0 < later.seconds
    assert 0.0 < waiter.waited <= waiter.seconds


async def test_every_event_names_the_policy() -> None:
    events: list[Event] = []
    app = IdempotencyMiddleware(
        App(),
        store=MemoryStore(),
        policy=Policy(name="orders", require_key=True),
        observer=events.append,
    )
    await request(app)
    await request(app)
    await request(app, path="/other")
    await request(app, key=None)
    assert len(events) == 5
    assert {event.policy for event in events} == {"orders"}


@pytest.mark.parametrize("name", ["", "two words", "x" * 65, 5, 'quo"ted'])
def test_a_name_that_is_no_label_is_refused(name: Any) -> None:
    with pytest.raises(ConfigurationError, match="name must be"):
        Policy(name=name)


async def test_a_replay_names_the_trace_of_its_execution() -> None:
    events: list[Event] = []
    app = IdempotencyMiddleware(App(), store=MemoryStore(), observer=events.append)
    for trace, span in [("1" * 32, "2" * 16), ("3" * 32, "4" * 16)]:
        header = (b"traceparent", f"00-{trace}-{span}-01".encode())
        await request(app, headers=[header])
    replayed = events[-1]
    assert isinstance(replayed, Replayed)
    assert replayed.trace.hex() == "1" * 32 + "2" * 16 + "01"


@pytest.mark.parametrize("failure", [RuntimeError, SystemExit, asyncio.CancelledError])
async def test_several_observers_are_told_and_one_that_fails_harms_none(
    failure: type[BaseException],
) -> None:
    first: list[Event] = []
    second: list[Event] = []

    def broken(event: Event) -> None:
        raise failure(event)

    several = [first.append, broken, second.append]
    app = IdempotencyMiddleware(App(), store=MemoryStore(), observer=several)
    assert (await request(app)).status == 200
    assert len(first) == 2
    assert first == second


async def test_where_nobody_listens_no_event_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Event] = []
    for kind in (Started, Executed, Replayed, Refused):
        monkeypatch.setattr(
            kind, "__init__", lambda event, *_, **__: made.append(event)
        )
    app = IdempotencyMiddleware(App(), store=MemoryStore(), observer=())
    for path in ("/", "/", "/other"):
        await request(app, path=path)
    assert made == []


async def test_a_refusal_has_something_to_quote() -> None:
    """The name of the record: the payer does not know the intent."""
    app = IdempotencyMiddleware(App(), store=MemoryStore())
    await request(app)
    refused = await request(app, path="/other")
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    instance = json.loads(refused.body)["instance"]
    assert instance == f"urn:origin-middleware:record:{digest}"
    without = await request(app, key=b"a b")
    assert "instance" not in json.loads(without.body)


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
    assert messages[0].startswith("Refused key.digest=none refusal=key-missing waited=")
    assert messages[1].startswith("Replayed key.digest=")
    assert "intent-1" not in messages[1]


def test_a_failure_is_logged_because_its_record_is_not_kept(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "origin_middleware")
    LoggingObserver()(Failed(KEY, 500, True, 0.5, policy="orders"))
    (entry,) = caplog.records
    assert entry.levelno == logging.INFO


def test_a_line_has_its_facts_as_attributes(caplog: pytest.LogCaptureFixture) -> None:
    LoggingObserver()(LeaseLost(KEY, policy="orders"))
    (entry,) = caplog.records
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    facts = {name: value for name, value in vars(entry).items() if "." in name}
    assert facts == {
        "origin_middleware.event": "LeaseLost",
        "origin_middleware.key.digest": digest,
        "origin_middleware.policy": "orders",
    }
    assert digest in entry.message
