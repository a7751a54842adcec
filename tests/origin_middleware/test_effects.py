"""A handler that says when its effects begin: before that, nothing is unknown."""

import asyncio
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Any, Literal

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from origin_middleware import (
    ClaimLost,
    ConfigurationError,
    IdempotencyMiddleware,
    Policy,
    StoreUnavailable,
    attempt_of,
)
from origin_middleware.asgi import Receive, Scope, Send
from origin_middleware.key import Key
from origin_middleware.record import Claim
from tests.support.asgi import chunk, request, start
from tests.support.faulty import FaultyStore
from tests.support.stores import Clock


class Shop:
    """Its handler stops before its effect, or after it, until `gate` opens."""

    def __init__(self, stops: Literal["before", "after", ""] = "", **policy: Any):
        self.clock = Clock()
        self.store = FaultyStore(self.clock)
        self.stops = stops
        self.gate, self.entered = asyncio.Event(), asyncio.Event()
        self.numbers: list[int] = []
        self.effects = 0
        self.failure: Exception | None = None
        self.app = IdempotencyMiddleware(
            self.handle, store=self.store, policy=Policy(effects="declared", **policy)
        )

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        attempt = attempt_of(scope)
        assert attempt is not None
        self.numbers.append(attempt.number)
        stops = self.stops if len(self.numbers) == 1 else ""
        if stops == "before":
            await self.stop()
        await attempt.effects_begin()
        self.effects += 1
        if stops == "after":
            await self.stop()
        if self.failure is not None:
            raise self.failure
        await send(start())
        await send(chunk(b"done"))

    async def stop(self) -> None:
        self.entered.set()
        await self.gate.wait()

    async def stalled(self, **scope: Any) -> "asyncio.Task[Any]":
        """An attempt whose lease has lapsed while its handler is stopped."""
        first = asyncio.create_task(request(self.app, **scope))
        await self.entered.wait()
        self.clock.now += 11
        return first


@pytest.mark.parametrize("on_abandoned", ["refuse", "execute"])
async def test_an_attempt_that_dies_before_its_effects_is_run_again(
    on_abandoned: str,
) -> None:
    shop = Shop("before", on_abandoned=on_abandoned)
    first = await shop.stalled()
    assert (await request(shop.app)).body == b"done"
    assert shop.numbers == [1, 2]
    shop.gate.set()
    with pytest.raises(ClaimLost):
        await first
    assert shop.effects == 1
    assert (await request(shop.app)).body == b"done"


async def test_a_waiting_retry_runs_as_soon_as_the_lease_has_lapsed() -> None:
    shop = Shop("before", lease=0.1)
    first = asyncio.create_task(request(shop.app))
    await shop.entered.wait()
    shop.store.away("renew")
    retry = asyncio.create_task(request(shop.app))
    await shop.store.asked("wait", 1)
    shop.clock.now += 1
    assert (await retry).body == b"done"
    shop.gate.set()
    with pytest.raises(ClaimLost):
        await first
    assert shop.effects == 1


async def test_an_attempt_that_dies_after_its_effects_began_is_unknown() -> None:
    shop = Shop("after")
    first = await shop.stalled()
    assert (await request(shop.app)).code == "outcome-unknown"
    shop.gate.set()
    assert (await first).body == b"done"
    assert (shop.numbers, shop.effects) == ([1], 1)


@pytest.mark.parametrize("on_failure", ["release", "refuse"])
async def test_an_effect_that_the_store_does_not_confirm_does_not_happen(
    on_failure: str,
) -> None:
    shop = Shop(on_failure=on_failure)
    shop.store.away("begin_effects")
    with pytest.raises(StoreUnavailable):
        await request(shop.app)
    assert shop.effects == 0
    shop.store.away()
    assert (await request(shop.app)).body == b"done"
    assert (shop.numbers, shop.effects) == ([1, 2], 1)


async def test_an_effect_that_was_confirmed_once_may_have_happened() -> None:
    """And a failure to confirm it again does not undo it."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        attempt = attempt_of(scope)
        assert attempt is not None
        with suppress(StoreUnavailable):
            await attempt.effects_begin()
        store.away()
        await attempt.effects_begin()
        store.away("begin_effects")
        await attempt.effects_begin()

    store = FaultyStore()
    store.away("begin_effects")
    policy = Policy(effects="declared", on_failure="refuse")
    app = IdempotencyMiddleware(handle, store=store, policy=policy)
    with pytest.raises(StoreUnavailable):
        await request(app)
    assert (await request(app)).code == "outcome-unknown"


class OnceAway(FaultyStore):
    """Effects may begin once, and not a second time."""

    async def begin_effects(self, key: Key, claim: Claim, /) -> bool:
        if self.calls.count("begin_effects"):
            self.away("begin_effects")
        return await super().begin_effects(key, claim)


async def test_of_effects_that_begin_side_by_side_one_is_enough() -> None:
    """One is confirmed, and happens. What the other raised is let out."""

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        attempt = attempt_of(scope)
        assert attempt is not None
        charge, email = (attempt.effects_begin() for _ in range(2))
        await asyncio.gather(charge, email)

    policy = Policy(effects="declared", on_failure="refuse")
    store = OnceAway()
    app = IdempotencyMiddleware(handle, store=store, policy=policy)
    with pytest.raises(StoreUnavailable):
        await request(app)
    store.away()
    assert (await request(app)).code == "outcome-unknown"


async def answers_503(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 503)


@pytest.mark.parametrize("handlers", [{}, {StoreUnavailable: answers_503}])
async def test_a_framework_may_answer_that_the_effects_did_not_begin(
    handlers: dict[Any, Any],
) -> None:
    """The answer goes out before the error does."""

    async def sell(asked: Request) -> JSONResponse:
        attempt = attempt_of(asked.scope)
        assert attempt is not None
        await attempt.effects_begin()
        return JSONResponse("sold")

    store = FaultyStore()
    shop = Starlette(
        routes=[Route("/report", sell, methods=["POST"])], exception_handlers=handlers
    )
    policy = Policy(effects="declared", on_failure="refuse")
    app = IdempotencyMiddleware(shop, store=store, policy=policy)
    store.away("begin_effects")
    with nullcontext() if handlers else pytest.raises(StoreUnavailable):
        assert (await request(app)).status == 503
    store.away()
    assert (await request(app)).body == b'"sold"'


async def test_a_handler_that_caught_the_refusal_may_have_gone_on() -> None:
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        attempt = attempt_of(scope)
        assert attempt is not None
        with suppress(StoreUnavailable):
            await attempt.effects_begin()
        raise ZeroDivisionError

    store = FaultyStore()
    policy = Policy(effects="declared", on_failure="refuse")
    app = IdempotencyMiddleware(handle, store=store, policy=policy)
    store.away("begin_effects")
    with pytest.raises(ZeroDivisionError):
        await request(app)
    assert (await request(app)).code == "outcome-unknown"


async def test_a_handler_that_caught_it_may_have_gone_on_for_each_of_its_keys() -> None:
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        attempt = attempt_of(scope)
        assert attempt is not None
        with suppress(StoreUnavailable):
            await attempt.effects_begin()
        await send(start(500))
        await send(chunk(b""))

    away = FaultyStore()
    away.away("begin_effects")
    policy = Policy(effects="declared", on_failure="refuse")
    by_client = replace(policy, header="idempotency-key")
    inner = IdempotencyMiddleware(handle, store=away, policy=by_client)
    app = IdempotencyMiddleware(inner, store=FaultyStore(), policy=policy)
    await request(app, headers=[(b"idempotency-key", b"one")])
    retry = await request(app, headers=[(b"idempotency-key", b"two")])
    assert retry.code == "outcome-unknown"


@pytest.mark.parametrize("effects", ["declared", "any time"])
async def test_a_background_task_may_begin_its_effects(
    effects: Literal["declared", "any time"],
) -> None:
    """The response is on record by then, so no retry runs."""
    shipped: list[bytes] = []

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        attempt = attempt_of(scope)
        assert attempt is not None
        await send(start())
        await send(chunk(b"done"))
        await attempt.effects_begin()
        shipped.append(b"done")

    policy = Policy(effects=effects)
    app = IdempotencyMiddleware(handle, store=FaultyStore(), policy=policy)
    for _ in range(2):
        assert (await request(app)).body == b"done"
    assert shipped == [b"done"]


async def test_effects_begin_for_each_key_of_a_request() -> None:
    """One payment, and two Idempotency-Keys."""
    shop = Shop("after")
    by_client = Policy(header="idempotency-key", effects="declared")
    inner = IdempotencyMiddleware(shop.handle, store=shop.store, policy=by_client)
    outer = Policy(effects="declared")
    shop.app = IdempotencyMiddleware(inner, store=shop.store, policy=outer)
    first = await shop.stalled(headers=[(b"idempotency-key", b"one")])
    retry = await request(shop.app, headers=[(b"idempotency-key", b"two")])
    assert (retry.code, shop.effects) == ("outcome-unknown", 1)
    shop.gate.set()
    await first


@pytest.mark.parametrize("begins", [True, False])
async def test_a_failure_is_refused_again_only_once_its_effects_have_begun(
    begins: bool,
) -> None:
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        attempt = attempt_of(scope)
        assert attempt is not None
        numbers.append(attempt.number)
        if begins:
            await attempt.effects_begin()
        raise ValueError

    numbers: list[int] = []
    policy = Policy(effects="declared", on_failure="refuse")
    app = IdempotencyMiddleware(handle, store=FaultyStore(), policy=policy)
    for _ in range(2):
        with suppress(ValueError):
            await request(app)
    assert numbers == ([1] if begins else [1, 2])


async def test_it_may_be_said_more_than_once_and_without_the_policy() -> None:
    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        attempt = attempt_of(scope)
        assert attempt is not None
        await attempt.effects_begin()
        await attempt.effects_begin()
        await send(start())
        await send(chunk(b"done"))

    app = IdempotencyMiddleware(handle, store=FaultyStore())
    assert (await request(app)).body == b"done"


async def test_a_record_tells_what_became_of_an_attempt() -> None:
    shop = Shop("before")
    first = asyncio.create_task(request(shop.app))
    await shop.entered.wait()
    seen = await shop.store.look(Key("intent-1"))
    assert seen is not None
    assert (seen.state, seen.effects, seen.attempt) == ("in progress", False, 1)
    assert (seen.begun, seen.lease_left) == (shop.clock.now, 10.0)
    shop.clock.now += 3
    shop.gate.set()
    await first
    seen = await shop.store.look(Key("intent-1"))
    assert seen is not None
    assert (seen.state, seen.status) == ("completed", 200)
    assert seen.ended == shop.clock.now == seen.begun + 3
    assert await shop.store.look(Key("another")) is None


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'any time' or 'declared'"):
        Policy(effects="sometimes")  # type: ignore[arg-type] # under test
