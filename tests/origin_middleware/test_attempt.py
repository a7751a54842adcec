"""What a handler sees of its execution, and what its statements change."""

import asyncio

import pytest

from origin_middleware import (
    Attempt,
    IdempotencyMiddleware,
    MemoryStore,
    Policy,
    attempt_of,
)
from origin_middleware.asgi import Receive, Scope, Send
from origin_middleware.policy import OnFailure
from tests.support.asgi import chunk, http_scope, request, start
from tests.support.stores import Clock


class Handler:
    """States something, and then answers with `status` (None: raises)."""

    def __init__(self, statement: str | None, status: int | None) -> None:
        self.statement = statement
        self.status = status
        self.attempts: list[Attempt | None] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        attempt = attempt_of(scope)
        self.attempts.append(attempt)
        if attempt and self.statement:
            getattr(attempt, self.statement)()
        if self.status is None:
            raise ZeroDivisionError
        await send(start(self.status))
        await send(chunk(b"done"))


async def code_of_retry(handler: Handler, policy: Policy) -> str:
    app = IdempotencyMiddleware(handler, store=MemoryStore(), policy=policy)
    try:
        await request(app)
    except ZeroDivisionError:
        assert handler.status is None
    handler.status, handler.statement = 200, None
    retry = await request(app)
    return "ok" if retry.status == 200 else retry.code


@pytest.mark.parametrize("status", [None, 500, 409])
@pytest.mark.parametrize(
    ("statement", "on_failure", "expected"),
    [
        (None, "release", "ok"),
        (None, "refuse", "outcome-unknown"),
        ("nothing_happened", "refuse", "ok"),
        ("outcome_unknown", "release", "outcome-unknown"),
    ],
)
async def test_a_statement_decides_where_the_status_does_not(
    statement: str | None, on_failure: str, expected: str, status: int | None
) -> None:
    policy = Policy(on_failure=on_failure)  # type: ignore[arg-type] # a parameter
    handler = Handler(statement, status)
    assert await code_of_retry(handler, policy) == expected
    assert len(handler.attempts) == (2 if expected == "ok" else 1)


@pytest.mark.parametrize("statement", ["nothing_happened", "outcome_unknown"])
async def test_a_delivered_response_is_recorded_whatever_was_stated(
    statement: str,
) -> None:
    handler = Handler(statement, 200)
    assert await code_of_retry(handler, Policy()) == "ok"
    assert len(handler.attempts) == 1


async def test_a_handler_sees_its_key_and_that_it_is_the_first() -> None:
    handler = Handler(None, 200)
    await request(IdempotencyMiddleware(handler, store=MemoryStore()))
    (attempt,) = handler.attempts
    assert attempt is not None
    assert (attempt.key, attempt.intent) == ("intent-1", "intent-1")
    assert attempt.first


async def test_a_handler_that_took_over_sees_that_it_is_not_the_first() -> None:
    clock = Clock()
    attempts: list[Attempt | None] = []
    entered, gate = asyncio.Event(), asyncio.Event()

    async def stalls_once(scope: Scope, receive: Receive, send: Send) -> None:
        attempts.append(attempt_of(scope))
        if len(attempts) == 1:
            entered.set()
            await gate.wait()
        await send(start())
        await send(chunk(b"done"))

    app = IdempotencyMiddleware(
        stalls_once,
        store=MemoryStore(clock=clock),
        policy=Policy(on_abandoned="execute"),
    )
    stalled = asyncio.create_task(request(app))
    await entered.wait()
    clock.now += 11
    await request(app)
    gate.set()
    await stalled
    assert [attempt.first for attempt in attempts if attempt] == [True, False]


async def test_a_handler_that_runs_unprotected_has_no_attempt() -> None:
    handler = Handler(None, 200)
    await request(IdempotencyMiddleware(handler, store=MemoryStore()), key=None)
    assert handler.attempts == [None]
    assert attempt_of(http_scope()) is None


@pytest.mark.parametrize("statement", ["outcome_unknown", "nothing_happened"])
async def test_what_a_handler_states_holds_for_each_of_its_keys(statement: str) -> None:
    """One payment, and two Idempotency-Keys."""
    handler, store = Handler(statement, 500), MemoryStore()
    released = statement == "outcome_unknown"
    on_failure: OnFailure = "release" if released else "refuse"
    inner = Policy(header="idempotency-key", on_failure=on_failure)
    app = IdempotencyMiddleware(handler, store=store, policy=inner)
    outer = Policy(on_failure=on_failure)
    app = IdempotencyMiddleware(app, store=store, policy=outer)
    await request(app, headers=[(b"idempotency-key", b"one")])
    handler.status = 200
    retry = await request(app, headers=[(b"idempotency-key", b"two")])
    runs = len(handler.attempts)
    if statement == "nothing_happened":
        assert (retry.status, runs) == (200, 2)
    else:
        assert (retry.code, runs) == ("outcome-unknown", 1)
