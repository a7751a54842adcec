"""A process that is stopped between its claim and the start of the handler: by its
machine, or by code that blocks the event loop.

Its clocks go on meanwhile, and another process may do what the policy says about an
abandoned key.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from origin_middleware import Abandoned, IdempotencyMiddleware, Policy, lifecycle
from origin_middleware.attempt import Ruling
from origin_middleware.key import Key
from origin_middleware.record import Answer, Claim, Claimed
from tests.support.asgi import App, chunk, request, start
from tests.support.faulty import FaultyStore
from tests.support.stores import Clock, a_claim

LEASE = 10.0
KEY = Key("intent-1")


async def nothing_happened(_: Abandoned) -> Ruling:
    return "execute"


class Stalled(FaultyStore):
    """The process is stalled before it reads the reply of `at`; then `meanwhile` is
    what the store sees.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
        self.clock = Clock()
        super().__init__(self.clock)
        self.seconds = LEASE + 1
        self.meanwhile: Callable[[Claim], None] = lambda _: None
        self._at = at
        self._skew = 0.0
        loop = asyncio.get_running_loop()
        true = loop.time
        monkeypatch.setattr(loop, "time", lambda: true() + self._skew)

    async def claim(self, key: Key, claim: Claim, /) -> Answer:
        answer = await super().claim(key, claim)
        self._stall("claim", claim)
        return answer

    async def take_over(self, key: Key, claim: Claim, /) -> Answer:
        answer = await super().take_over(key, claim)
        self._stall("take_over", claim)
        return answer

    async def renew(self, key: Key, claim: Claim, /) -> bool:
        ours = await super().renew(key, claim)
        self._stall("renew", claim)
        return ours

    async def release(self, key: Key, claim: Claim, /) -> bool:
        ours = await super().release(key, claim)
        self._stall("release", claim)
        return ours

    def _stall(self, where: str, claim: Claim) -> None:
        if where == self._at and self.calls.count(where) == 1:
            self._skew += self.seconds
            self.clock.now += self.seconds
            self.meanwhile(claim)

    def taken_over(self, claim: Claim) -> None:
        """By a process that has begun to execute."""
        other = claim._replace(owner=a_claim("other").owner)
        given_back = self._at == "release"
        make = lifecycle.claim if given_back else lifecycle.take_over
        assert self.behind._apply(KEY, other, make) == Claimed()


async def test_a_claim_that_was_taken_over_meanwhile_starts_no_handler(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner, store = App(), Stalled(monkeypatch, "claim")
    store.meanwhile = store.taken_over
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(lease=LEASE))
    assert (await request(app)).code == "in-progress"
    assert inner.executions == 0
    assert store.calls == ["claim", "renew"]


@pytest.mark.parametrize(
    ("on_abandoned", "at"),
    [
        ("execute", "take_over"),
        (nothing_happened, "take_over"),
        (nothing_happened, "release"),  # before it is claimed anew
    ],
)
async def test_a_take_over_that_was_taken_over_meanwhile_starts_no_handler(
    monkeypatch: pytest.MonkeyPatch, on_abandoned: Any, at: str
) -> None:
    inner, store = App(), Stalled(monkeypatch, at)
    policy = Policy(lease=LEASE, patience=0, on_abandoned=on_abandoned)
    await abandon(store)
    store.meanwhile = store.taken_over
    app = IdempotencyMiddleware(inner, store=store, policy=policy)
    assert (await request(app)).code == "in-progress"
    assert inner.executions == 0


async def abandon(store: Stalled) -> None:
    """The same request, of which nobody knows how it ended."""
    failing = App(start(500), chunk(b""))
    policy = Policy(on_failure="refuse")
    await request(IdempotencyMiddleware(failing, store=store.behind, policy=policy))


async def test_a_claim_that_nobody_took_is_confirmed_and_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner, store = App(), Stalled(monkeypatch, "claim")
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(lease=LEASE))
    assert (await request(app)).body == b"done"
    assert store.calls == ["claim", "renew", "complete"]


async def test_a_short_delay_costs_no_confirmation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner, store = App(), Stalled(monkeypatch, "claim")
    store.seconds = LEASE / 2 - 1
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(lease=LEASE))
    assert (await request(app)).body == b"done"
    assert store.calls == ["claim", "complete"]


async def test_a_claim_that_cannot_be_confirmed_is_given_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner, store = App(), Stalled(monkeypatch, "claim")
    store.away("renew")
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(lease=LEASE))
    assert (await request(app)).code == "store-unavailable"
    assert inner.executions == 0
    assert await store.behind.claim(KEY, a_claim("b")) == Claimed()


async def test_a_process_that_stalls_again_and_again_gives_the_key_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner, store = App(), Stalled(monkeypatch, "claim")

    async def renew(key: Key, claim: Claim, /) -> bool:
        store._skew += LEASE
        return True

    monkeypatch.setattr(store, "renew", renew)
    app = IdempotencyMiddleware(inner, store=store, policy=Policy(lease=LEASE))
    assert (await request(app)).code == "store-unavailable"
    assert inner.executions == 0
    assert await store.behind.claim(KEY, a_claim("b")) == Claimed()
