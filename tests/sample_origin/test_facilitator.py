"""The simulated facilitator keeps to the published contract."""

import base64
import json
from typing import Any

import httpx
import pytest

from sample_origin.facilitator import Settings
from tests.sample_origin.facilitator_client import (
    LIVE_KEY,
    NETWORK,
    Clock,
    client_of,
    ledger,
    settle_call,
    verified,
    verify_call,
)


async def test_a_valid_proof_has_an_intent(client: httpx.AsyncClient) -> None:
    answer = await client.post("/verify", json=verify_call())
    assert answer.status_code == 200
    assert answer.json() == {
        "valid": True,
        "settlementIntentId": answer.json()["settlementIntentId"],
        "expiresAt": "2026-02-02T03:40:00.250Z",
        "reason": None,
    }
    assert answer.json()["settlementIntentId"].startswith("si_")


async def test_the_same_proof_is_the_same_intent_and_another_is_another(
    client: httpx.AsyncClient, clock: Clock
) -> None:
    first = await client.post("/verify", json=verify_call())
    clock.now += 60
    second = await client.post("/verify", json=verify_call())
    assert first.json() == second.json()
    other = (await client.post("/verify", json=verify_call(resource="poem"))).json()
    intents = {
        first.json()["settlementIntentId"],
        await verified(client, "stub-2"),
        other["settlementIntentId"],
    }
    assert len(intents) == 3


async def test_a_missing_proof_is_told_what_is_required(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/verify", json=verify_call(None))
    assert (answer.status_code, answer.json()["valid"]) == (200, False)
    assert answer.json()["reason"] == "missing_payment_header"
    requirement = answer.json()["requirement"]
    assert sorted(requirement) == [
        "amountDisplay",
        "asset",
        "eip712",
        "facilitator",
        "network",
        "payTo",
        "scheme",
        "tokenAddress",
    ]
    assert requirement["network"] == NETWORK
    assert sorted(requirement["eip712"]) == ["name", "version"]


@pytest.mark.parametrize(
    "reason", ["invalid_signature", "expired", "insufficient_amount"]
)
async def test_a_bad_proof_is_refused_for_its_reason(
    client: httpx.AsyncClient, reason: str
) -> None:
    answer = (await client.post("/verify", json=verify_call(f"{reason}-1"))).json()
    assert (answer["valid"], answer["reason"]) == (False, reason)
    assert (await ledger(client))["refused"] == {reason: 1}


async def test_a_proof_expires(client: httpx.AsyncClient, clock: Clock) -> None:
    await verified(client)
    clock.now += 3_600
    answer = (await client.post("/verify", json=verify_call())).json()
    assert (answer["valid"], answer["reason"]) == (False, "expired")


@pytest.mark.parametrize(
    ("payload", "valid"),
    [
        ({"payload": {"signature": "0xabc"}}, True),
        ({"payload": {"signature": "abc"}}, False),
        ({"payload": {}}, False),
        ([], False),
    ],
)
async def test_a_live_key_wants_a_signed_payload(
    client: httpx.AsyncClient, payload: object, valid: bool
) -> None:
    proof = base64.b64encode(json.dumps(payload).encode()).decode()
    answer = await client.post("/verify", json=verify_call(proof), headers=LIVE_KEY)
    assert answer.json()["valid"] is valid


async def test_a_live_key_does_not_take_a_stub(client: httpx.AsyncClient) -> None:
    answer = await client.post("/verify", json=verify_call("stub"), headers=LIVE_KEY)
    assert answer.json()["reason"] == "invalid_signature"


async def test_settling_again_changes_nothing(
    client: httpx.AsyncClient, clock: Clock
) -> None:
    intent = await verified(client)
    first = await client.post("/settle", json=settle_call(intent))
    clock.now += 60
    second = await client.post("/settle", json=settle_call(intent))
    expected = {"ok": True, "settledAt": "2026-02-02T02:40:00.250Z"}
    assert first.json() == second.json() == expected
    assert await ledger(client) == {
        "verified": 1,
        "intents": [intent],
        "refused": {},
        "settlements": {intent: 2},
        "billed": 1,
    }


async def test_an_unknown_intent_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.post("/settle", json=settle_call("si_unknown"))
    assert answer.status_code == 404
    assert answer.json() == {"ok": False, "error": "intent_not_found"}
    assert (await ledger(client))["billed"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"resourceId": "another"},
        {"network": "eip155:1"},
        {"originStatus": "200"},
        {"originStatus": 42},
        {"originStatus": True},
        {"settlementIntentId": ""},
    ],
)
async def test_a_settlement_that_does_not_fit_its_intent_is_invalid(
    client: httpx.AsyncClient, change: dict[str, Any]
) -> None:
    intent = await verified(client)
    answer = await client.post("/settle", json=settle_call(intent, **change))
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert (await ledger(client))["settlements"] == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"{}",
        json.dumps(verify_call() | {"network": "base"}).encode(),
        json.dumps(verify_call() | {"resourceId": ""}).encode(),
        json.dumps(verify_call() | {"headers": []}).encode(),
        json.dumps(verify_call() | {"headers": {"X402-Payment": "stub"}}).encode(),
        json.dumps(verify_call() | {"headers": {"x402-payment": 1}}).encode(),
    ],
)
async def test_a_malformed_call_is_invalid(
    client: httpx.AsyncClient, body: bytes
) -> None:
    answer = await client.post("/verify", content=body)
    assert answer.status_code == 400
    assert sorted(answer.json()) == ["error", "message"]
    assert answer.json()["error"] == "invalid_request"
    assert answer.headers["x-ratelimit-remaining"] == "5999"


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
    async with client_of(clock, Settings(calls_per_minute=2)) as client:
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
    async with client_of(clock, Settings(calls_per_minute=1)) as client:
        await client.post("/verify", json=verify_call())
        other = await client.post("/verify", json=verify_call(), headers=LIVE_KEY)
    assert other.status_code == 200


async def test_a_bug_looks_like_the_contracts_500(clock: Clock) -> None:
    async with client_of(clock) as client:
        clock.now = 1e15  # in the year 31 million: no date can be made of it
        answer = await client.post("/verify", json=verify_call())
    assert (answer.status_code, answer.json()) == (500, {"error": "internal_error"})
