"""Each store does what the lifecycle does, command by command, on random histories."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from origin_middleware import lifecycle
from origin_middleware.record import (
    Claim,
    Claimed,
    Completed,
    Facts,
    Held,
    NotReplayable,
    Record,
)
from tests.support.servers import RedisServer
from tests.support.stores import Bench, a_claim, a_key, memory_bench, redis_bench

# Claims differ in owner, fingerprint and limits, and leases lapse well within the
# retention.
CLAIMS = st.sampled_from(
    [
        a_claim(
            owner,
            fingerprint,
            lease=100,
            retention=1000,
            max_attempts=most,
            inquires=owner == "b",
            declares=owner in "ad",
            takes="a" if owner == "e" else None,
        )
        for owner, most in zip("abcde", [1, 2, 3, 4, 5], strict=True)
        for fingerprint in "fg"
    ]
)
OUTCOMES = st.sampled_from([Completed(b""), Completed(b"x" * 5000), NotReplayable()])
PASSED = st.sampled_from([30.0, 70.0, 110.0, 600.0])


class Agreement(RuleBasedStateMachine):
    """Time passes only through `advance`, in long steps; what a real server takes
    meanwhile, on however busy a machine, is rounded away.
    """

    def __init__(self, bench: Bench, runner: asyncio.Runner) -> None:
        super().__init__()
        self.bench = bench
        self.run = runner.run
        self.key = a_key()
        self.model: Record | None = None
        self.now = 0.0

    @rule(
        by=CLAIMS,
        name=st.sampled_from(
            ["claim", "take_over", "renew", "begin_effects", "release", "abandon"]
        ),
    )
    def transition(self, by: Claim, name: str) -> None:
        self.model, expected = getattr(lifecycle, name)(self.model, by, self.now)
        self.agree(self.run(getattr(self.bench.store, name)(self.key, by)), expected)

    @rule(by=CLAIMS, outcome=OUTCOMES)
    def complete(self, by: Claim, outcome: Completed | NotReplayable) -> None:
        status = 201 if isinstance(outcome, Completed) else 0
        self.model, expected = lifecycle.complete(
            self.model, by, self.now, outcome, status
        )
        complete = self.bench.store.complete(self.key, by, outcome, status)
        self.agree(self.run(complete), expected)

    @precondition(lambda self: self.model is not None)
    @rule(passed=PASSED)
    def advance(self, passed: float) -> None:
        self.now += passed
        self.run(self.bench.advance(passed))

    @rule()
    def wait(self) -> None:
        expected = lifecycle.view(self.model, self.now)
        if not isinstance(expected, Held) or expected.abandoned:
            held = Held(a_claim().fingerprint, 1.0)
            self.agree(self.run(self.bench.store.wait(self.key, held, 5)), expected)

    @rule()
    def look(self) -> None:
        expected = lifecycle.facts(self.model, self.now)
        told = self.run(self.bench.store.look(self.key))
        assert (told is None) == (expected is None)
        if told is not None and expected is not None:
            # The clocks are not the same, and no test can set a server's.
            assert without_times(told) == without_times(expected)
            assert told.expires_in == pytest.approx(expected.expires_in, abs=9)

    def teardown(self) -> None:
        self.run(self.bench.advance(10_000))

    def agree(self, told: Any, expected: Any) -> None:
        if isinstance(told, Held) and isinstance(expected, Held):
            assert told.fingerprint == expected.fingerprint
            assert told.abandoned == expected.abandoned
            if not expected.abandoned:  # how long ago it lapsed is nobody's business
                assert told.lease_left == pytest.approx(expected.lease_left, abs=9)
        else:
            assert told == expected
            if isinstance(told, Claimed):
                assert told.attempt == expected.attempt


def without_times(facts: Facts) -> Facts:
    ended = None if facts.ended is None else 0.0
    return replace(facts, begun=0, expires_in=0, lease_left=None, ended=ended)


def check(make: Any, examples: int) -> None:
    thorough = settings(
        max_examples=examples,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(make, settings=thorough)


def test_the_memory_store_agrees() -> None:
    with asyncio.Runner() as runner:
        bench = memory_bench()
        check(lambda: Agreement(bench, runner), 300)


@pytest.mark.parametrize("engine", ["valkey", "redis_6_2", "redis_7"])
def test_a_real_server_agrees(engine: str, request: pytest.FixtureRequest) -> None:
    server: RedisServer = request.getfixturevalue(f"{engine}_server")
    with asyncio.Runner() as runner:
        client = Redis.from_url(server.url)
        bench = redis_bench(client)
        check(lambda: Agreement(bench, runner), 250)
        runner.run(bench.store.aclose())
        runner.run(client.aclose())
