"""A lease is kept alive while its handler runs, and no longer."""

import asyncio
import subprocess
import sys

import pytest

from origin_middleware import (
    ClaimMissing,
    Event,
    Executed,
    IdempotencyMiddleware,
    LeaseLost,
    Policy,
)
from origin_middleware.ticker import Ticker
from tests.support.asgi import App, GatedApp, endings, request
from tests.support.faulty import FaultyStore
from tests.support.stores import Clock

SHORT = Policy(lease=0.06, retention=60)


async def test_a_handler_that_takes_longer_than_its_lease_keeps_its_claim() -> None:
    """The store's clock is in our hand: a slow machine must not let the lease lapse."""
    clock = Clock()
    inner, store = GatedApp(), FaultyStore(clock)
    app = IdempotencyMiddleware(inner, store=store, policy=SHORT)
    first = asyncio.create_task(request(app))
    for renewals in range(1, 7):
        await store.asked("renew", renewals)
        clock.now += SHORT.lease - 0.01
    duplicate = asyncio.create_task(request(app))
    await store.asked("wait", 1)
    inner.gate.set()
    assert [(await first).status, (await duplicate).status] == [200, 200]
    assert inner.executions == 1


async def test_a_renewal_that_fails_is_tried_again() -> None:
    inner, store, events = GatedApp(), FaultyStore(), list[Event]()
    store.away("renew")
    app = IdempotencyMiddleware(
        inner, store=store, policy=SHORT, observer=endings(events)
    )
    first = asyncio.create_task(request(app))
    await store.asked("renew", 3)
    store.away()
    await store.asked("renew", 5)
    inner.gate.set()
    await first
    assert [type(event) for event in events] == [Executed]


async def test_a_renewal_that_cannot_begin_does_not_stop_those_of_others() -> None:
    """Such as one whose task an app's task factory refuses."""
    loop, fired = asyncio.get_running_loop(), asyncio.Event()
    ticker, raised = Ticker(loop), list[object]()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: raised.append(context["exception"]))

    def fails() -> None:
        raise ZeroDivisionError

    try:
        ticker.start(fails, 0.0)
        ticker.start(fired.set, 0.01)
        async with asyncio.timeout(30):
            await fired.wait()
    finally:
        loop.set_exception_handler(before)
    assert [type(each) for each in raised] == [ZeroDivisionError]


async def test_a_renewal_that_lost_its_claim_raises_an_alarm_and_stops() -> None:
    inner, store, events = GatedApp(), FaultyStore(), list[Event]()
    app = IdempotencyMiddleware(
        inner, store=store, policy=SHORT, observer=endings(events)
    )
    first = asyncio.create_task(request(app))
    await inner.entered.wait()
    store.behind._records.clear()
    await store.asked("renew", 1)
    inner.gate.set()
    await first
    assert [type(event) for event in events] == [LeaseLost, ClaimMissing]
    assert store.calls.count("renew") == 1


@pytest.mark.parametrize("messages", [[], [ZeroDivisionError()]])
async def test_renewal_ends_with_the_handler(messages: list[ZeroDivisionError]) -> None:
    store = FaultyStore()
    app = IdempotencyMiddleware(App(*messages), store=store, policy=SHORT)
    try:
        await request(app)
    except ZeroDivisionError:
        assert messages
    assert await next_renewal(store) == 0


FORK = """
import ctypes, os
from origin_middleware.lease import first_claim
from origin_middleware.policy import Policy

libc = ctypes.PyDLL(None)  # fork(2) itself, of which Python does not hear
for _ in range(2):
    child = libc.fork()
    if child == 0:
        print(first_claim(Policy(), b"", b"").owner.hex(), flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_two_copies_of_one_process_have_different_claims() -> None:
    """As environments that are restored from one snapshot are: with one token, both
    would take the record for their own.
    """
    told = subprocess.run(
        [sys.executable, "-c", FORK], capture_output=True, text=True, check=True
    )
    first, second = told.stdout.split()
    assert first != second


async def next_renewal(store: FaultyStore) -> int:
    """What was renewed by the time a timer left behind would have fired."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(SHORT.lease, over.set)
    await over.wait()
    return store.calls.count("renew")
