"""A server that is paused, slow, gone or restless costs a request its budget at most,
and a handler nothing.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import token_hex

import pytest

from origin_middleware import IdempotencyMiddleware, Policy
from origin_middleware.asgi import Receive, Scope, Send
from origin_middleware.stores.redis import RedisStore, scripts
from tests.support.asgi import KEY, chunk, request, start
from tests.support.machine import Stalls
from tests.support.proxy import Proxy
from tests.support.servers import RedisServer, running, valkey
from tests.support.stores import PATIENT

from .clocked import clocked
from .trial import told

pytestmark = pytest.mark.slow

# On an idle machine; `pace` multiplies all of them.
BUDGET = 0.5
TOLERANCE = 0.1

# Whoever comes when the server is back may meet an attempt that has begun before.
AT_ONCE = 0.25 + TOLERANCE

# The one for all requests; another is opened when it was given up.
MOST_CONNECTIONS = 2


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running(valkey()) as server:
        yield server


@pytest.fixture
async def proxy(server: RedisServer) -> AsyncIterator[Proxy]:
    async with Proxy(server.port) as proxy:
        yield proxy


@dataclass(frozen=True)
class Outage:
    begin: Callable[[], None]
    end: Callable[[], None]


@pytest.fixture(params=["paused", "black hole"])
def outage(
    request: pytest.FixtureRequest, server: RedisServer, proxy: Proxy
) -> Iterator[Outage]:
    if request.param == "paused":
        yield Outage(server.pause, server.resume)
        server.resume()
    else:
        yield Outage(proxy.swallow, proxy.swallow_nothing)


class Shop:
    """Sells under any key, and keeps the books."""

    def __init__(self, proxy: Proxy, stalls: Stalls, pace: float) -> None:
        self.store = RedisStore.from_url(proxy.url, budget=BUDGET * pace)
        self.calls = clocked(self.store)
        self._stalls = stalls
        # As long as an outcome may wait to be written: so long do duplicates wait.
        policy = Policy(patience=30 * pace)
        self._front = IdempotencyMiddleware(self._sell, store=self.store, policy=policy)
        self.started: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.entered, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def ask(self, key: str) -> str:
        return told(await request(self._front, key=key.encode()))

    async def timed(self, key: str) -> tuple[str, float]:
        """And how long it took, without what this process stood still."""
        loop, stood_still = asyncio.get_running_loop(), self._stalls.seconds
        begun = loop.time()
        answer = await self.ask(key)
        return answer, loop.time() - begun - (self._stalls.seconds - stood_still)

    async def drained(self) -> None:
        await self._front._runtime.drain()

    async def _sell(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = dict(scope["headers"])[KEY].decode()
        self.started[key] += 1
        self.entered.set()
        await self.gate.wait()
        await send(start())
        await send(chunk(f"{key}: {self.started[key]}".encode()))
        self.ended[key] += 1


@asynccontextmanager
async def opened(proxy: Proxy, stalls: Stalls, pace: float) -> AsyncIterator[Shop]:
    """With its connection made."""
    shop = Shop(proxy, stalls, pace)
    assert await shop.ask(token_hex(8)) == "served"
    yield shop
    await shop.drained()
    await shop.store.aclose()
    await proxy.deserted()


@pytest.fixture
async def shop(proxy: Proxy, stalls: Stalls, pace: float) -> AsyncIterator[Shop]:
    async with opened(proxy, stalls, pace) as shop:
        yield shop


@pytest.fixture
async def patient_shop(proxy: Proxy, stalls: Stalls) -> AsyncIterator[Shop]:
    """So that only the server is slow."""
    async with opened(proxy, stalls, PATIENT / BUDGET) as shop:
        yield shop


async def test_without_an_answer_requests_are_refused_within_the_budget(
    shop: Shop, outage: Outage, proxy: Proxy, pace: float
) -> None:
    outage.begin()
    keys = [token_hex(8) for _ in range(100)]
    answers = await asyncio.gather(*map(shop.timed, keys))
    outage.end()
    assert {answer for answer, _ in answers} == {"store-unavailable"}
    assert max(seconds for _, seconds in answers) <= (BUDGET + TOLERANCE) * pace
    assert not any(shop.started[key] for key in keys)
    assert proxy.most_open <= MOST_CONNECTIONS
    again = await asyncio.gather(*map(shop.ask, keys))
    assert set(again) == {"served"}


async def test_the_first_request_of_all_is_refused_within_the_budget(
    proxy: Proxy, stalls: Stalls, outage: Outage, pace: float
) -> None:
    """There is no connection yet."""
    outage.begin()
    shop = Shop(proxy, stalls, pace)
    answer, seconds = await shop.timed(token_hex(8))
    outage.end()
    assert answer == "store-unavailable"
    assert seconds <= (BUDGET + TOLERANCE) * pace
    await shop.store.aclose()


@pytest.mark.parametrize("length", [0.0, 0.3, 1.0])
async def test_a_server_that_is_back_is_used_at_once(
    shop: Shop, outage: Outage, length: float, pace: float
) -> None:
    outage.begin()
    kept_asking = asyncio.create_task(_ask_on(shop))
    await asyncio.wait({kept_asking}, timeout=length)
    outage.end()
    answer, seconds = await shop.timed(token_hex(8))
    assert answer == "served"
    assert seconds <= AT_ONCE * pace
    kept_asking.cancel()
    await asyncio.wait({kept_asking})


async def _ask_on(shop: Shop) -> None:
    while True:
        await asyncio.gather(*(shop.ask(token_hex(8)) for _ in range(5)))


async def test_a_handler_that_runs_is_not_interrupted(
    shop: Shop, outage: Outage, pace: float
) -> None:
    """Its answer is delivered after a budget, and recorded when the server is back."""
    keys = [token_hex(8) for _ in range(10)]
    shop.gate.clear()
    asked = [asyncio.create_task(shop.timed(key)) for key in keys]
    while shop.started.total() < 1 + len(keys):
        shop.entered.clear()
        await shop.entered.wait()
    outage.begin()
    shop.gate.set()
    answers = await asyncio.gather(*asked)
    assert {answer for answer, _ in answers} == {"served"}
    assert max(seconds for _, seconds in answers) <= (BUDGET + 2 * TOLERANCE) * pace
    assert all(shop.ended[key] == 1 for key in keys)
    outage.end()
    again = await asyncio.gather(*map(shop.ask, keys))
    assert set(again) == {"replayed"}
    assert all(shop.started[key] == 1 for key in keys)


async def test_a_slow_server_is_waited_for(
    patient_shop: Shop, proxy: Proxy, pace: float
) -> None:
    """A request is two round trips, and many at once take little longer than one.

    One after another, they would take two hundred.
    """
    proxy.latency = 0.1 * pace
    proxy.count_anew()
    keys = [token_hex(8) for _ in range(100)]
    answers = await asyncio.gather(*map(patient_shop.timed, keys))
    assert {answer for answer, _ in answers} == {"served"}
    assert max(seconds for _, seconds in answers) <= 10 * proxy.latency
    assert proxy.commands[f"EVALSHA {scripts.CLAIM.sha}"] == 100
    assert proxy.open == 1
    proxy.latency = 0.0


async def test_a_server_that_is_too_slow_costs_the_budget(
    shop: Shop, proxy: Proxy, pace: float
) -> None:
    """And executes nothing, though the claims were made."""
    proxy.latency = 0.3 * pace
    keys = [token_hex(8) for _ in range(20)]
    answers = await asyncio.gather(*map(shop.timed, keys))
    assert {answer for answer, _ in answers} == {"store-unavailable"}
    assert max(seconds for _, seconds in answers) <= (BUDGET + TOLERANCE) * pace
    assert proxy.most_open <= MOST_CONNECTIONS
    assert not any(shop.started[key] for key in keys)
    proxy.latency = 0.0
    again = await asyncio.gather(*map(shop.ask, keys))
    assert set(again) == {"served"}


@pytest.mark.parametrize("every", [7, 11, 23])
async def test_a_connection_that_is_lost_again_and_again_costs_the_budget(
    shop: Shop, proxy: Proxy, stalls: Stalls, pace: float, every: int
) -> None:
    proxy.resets_every = every
    keys = [token_hex(8) for _ in range(60)]
    for together in (keys[:20], keys[20:40], keys[40:]):
        for answer in await asyncio.gather(*map(shop.ask, 2 * together)):
            assert answer in ("served", "replayed", "store-unavailable")
    assert max(shop.calls)[0] <= (BUDGET + TOLERANCE) * pace + stalls.seconds
    proxy.resets_every = 0
    assert proxy.most_open <= MOST_CONNECTIONS + 1  # and the subscription
    again = await asyncio.gather(*map(shop.ask, keys))
    assert set(again) <= {"served", "replayed"}
    assert all(shop.started[key] == 1 for key in keys)
