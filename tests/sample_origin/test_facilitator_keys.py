"""Whom the simulated facilitator serves, and how often."""

import httpx
import pytest

from sample_origin.facilitator import Settings
from tests.sample_origin.asking import (
    LIVE_KEY,
    Clock,
    asking,
    verify_call,
)


@pytest.mark.parametrize("endpoint", ["/verify", "/settle"])
@pytest.mark.parametrize("key", ["", "nf_test_another"])
async def test_an_unknown_key_is_unauthorized(
    client: httpx.AsyncClient, endpoint: str, key: str
) -> None:
    answer = await client.post(endpoint, json={}, headers={"X-Facilitator-Auth": key})
    assert (answer.status_code, answer.json()) == (401, {"error": "unauthorized"})
    assert answer.headers["x-ratelimit-limit"] == "6000"


async def test_calls_beyond_the_rate_limit_wait_for_the_next_minute(
    clock: Clock,
) -> None:
    async with asking(clock, Settings(calls_per_minute=2)) as client:
        answers = [await client.post("/verify", json=verify_call()) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        remaining = [a.headers["x-ratelimit-remaining"] for a in answers]
        assert remaining == ["1", "0", "0"]
        assert {a.headers["x-ratelimit-limit"] for a in answers} == {"2"}
        reset = int(answers[0].headers["x-ratelimit-reset"])
        assert 0 < reset - clock.now <= 60
        clock.now = reset
        assert (await client.post("/verify", json=verify_call())).status_code == 200


async def test_a_limit_is_each_keys_own(clock: Clock) -> None:
    async with asking(clock, Settings(calls_per_minute=1)) as client:
        await client.post("/verify", json=verify_call())
        other = await client.post("/verify", json=verify_call(), headers=LIVE_KEY)
    assert other.status_code == 200


async def test_a_bug_looks_like_the_contracts_500(clock: Clock) -> None:
    async with asking(clock) as client:
        clock.now = 1e15  # in the year 31 million: no date can be made of it
        answer = await client.post("/verify", json=verify_call())
    assert (answer.status_code, answer.json()) == (500, {"error": "internal_error"})
