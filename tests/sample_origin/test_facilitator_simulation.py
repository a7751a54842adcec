"""The simulated facilitator misbehaves when told to, and runs with no set-up."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from sample_origin.facilitator import BASE_PATH, Settings, create_app
from tests.sample_origin.facilitator_client import (
    TEST_KEY,
    Clock,
    ledger,
    settle_call,
    simulate,
    verified,
    verify_call,
)
from tests.support.running import command, serving


@pytest.mark.parametrize("endpoint", ["verify", "settle"])
async def test_one_endpoint_fails_and_the_other_does_not(
    client: httpx.AsyncClient, endpoint: str
) -> None:
    intent = await verified(client)
    assert await simulate(client, **{endpoint: "fail"}) == 200
    verify = await client.post("/verify", json=verify_call())
    settle = await client.post("/settle", json=settle_call(intent))
    failed = {"verify": verify, "settle": settle}.pop(endpoint)
    assert (failed.status_code, failed.json()) == (500, {"error": "internal_error"})
    assert "x-ratelimit-reset" in failed.headers
    assert sorted([verify.status_code, settle.status_code]) == [200, 500]
    assert (await ledger(client))["billed"] == (1 if endpoint == "verify" else 0)


async def test_a_malformed_answer_is_no_json(client: httpx.AsyncClient) -> None:
    await simulate(client, verify="malformed")
    answer = await client.post("/verify", json=verify_call())
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


async def test_it_can_pretend_to_be_over_the_limit(client: httpx.AsyncClient) -> None:
    await simulate(client, verify="rate-limit")
    assert (await client.post("/verify", json=verify_call())).status_code == 429


async def test_it_misbehaves_only_so_many_times(client: httpx.AsyncClient) -> None:
    await simulate(client, verify="fail", times=2)
    statuses = [
        (await client.post("/verify", json=verify_call())).status_code for _ in range(3)
    ]
    assert statuses == [500, 500, 200]


@pytest.mark.parametrize(
    "settings",
    [
        {"verify": "sometimes"},
        {"delay": -1},
        {"delay": "1"},
        {"times": 0},
        {"times": True},
        {"verified": "ok"},
    ],
)
async def test_an_unknown_simulation_is_refused(
    client: httpx.AsyncClient, settings: dict[str, Any]
) -> None:
    assert await simulate(client, **settings) == 400
    assert (await client.post("/verify", json=verify_call())).status_code == 200


@pytest.fixture
async def over_sockets(clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    with serving(create_app(clock=clock)) as url:
        async with httpx.AsyncClient(base_url=url + BASE_PATH, timeout=0.3) as client:
            client.headers.update(TEST_KEY)
            yield client


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ({"settle": "hang"}, httpx.ReadTimeout),
        ({"settle": "slow", "delay": 0.5}, httpx.ReadTimeout),
        ({"settle": "truncate"}, httpx.RemoteProtocolError),
    ],
)
async def test_a_settlement_counts_although_its_answer_is_lost(
    over_sockets: httpx.AsyncClient, mode: dict[str, Any], error: type[Exception]
) -> None:
    client = over_sockets
    intent = await verified(client)
    root = str(client.base_url).removesuffix(f"{BASE_PATH}/")
    await client.put(f"{root}/_simulate", json=mode | {"times": 1})
    with pytest.raises(error):
        await client.post("/settle", json=settle_call(intent))
    assert (await client.post("/settle", json=settle_call(intent))).status_code == 200
    report = (await client.get(f"{root}/_ledger")).json()
    assert (report["settlements"], report["billed"]) == ({intent: 2}, 1)


async def test_a_slow_answer_is_right_in_the_end(client: httpx.AsyncClient) -> None:
    await simulate(client, verify="slow", delay=0.01)
    assert (await client.post("/verify", json=verify_call())).json()["valid"] is True


def test_uvicorn_runs_it_with_no_set_up() -> None:
    arguments = ("-m", "uvicorn", "sample_origin.facilitator:app", "--port", "0")
    with command(*arguments) as process:
        assert process.stderr is not None
        started = next(line for line in process.stderr if "running on" in line)
        url = started.partition("running on ")[2].split()[0] + BASE_PATH
        answer = httpx.post(f"{url}/verify", json=verify_call(), headers=TEST_KEY)
    assert answer.json()["valid"] is True


@pytest.mark.parametrize(
    "settings",
    [
        {"keys": frozenset({"secret"})},
        {"calls_per_minute": 0},
        {"proof_validity": 0},
        {"base_path": "x402/"},
    ],
)
def test_invalid_settings_cannot_be_made(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must|begins"):
        Settings(**settings)
