"""A client of the simulated facilitator: its requests, and the facilitator's counts."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx

from sample_origin.facilitator import BASE_PATH, Settings, create_app

TEST_KEY = {"X-Facilitator-Auth": "nf_test_demo"}
LIVE_KEY = {"X-Facilitator-Auth": "nf_live_demo"}
NETWORK = "eip155:8453"


class Clock:
    def __init__(self) -> None:
        self.now = 1_770_000_000.25

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def client_of(
    clock: Clock, settings: Settings | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a test key, and a facilitator for it alone."""
    app = create_app(settings, clock=clock)
    base_url = f"http://facilitator{BASE_PATH}"
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=base_url) as client:
        client.headers.update(TEST_KEY)
        yield client


def verify_call(proof: str | None = "stub", resource: str = "joke") -> dict[str, Any]:
    headers = {} if proof is None else {"x402-payment": proof}
    return {"network": NETWORK, "resourceId": resource, "headers": headers}


def settle_call(intent: str, **changes: Any) -> dict[str, Any]:
    call = {
        "network": NETWORK,
        "settlementIntentId": intent,
        "resourceId": "joke",
        "originStatus": 200,
    }
    return call | changes


async def verified(client: httpx.AsyncClient, proof: str = "stub") -> str:
    answer = (await client.post("/verify", json=verify_call(proof))).json()
    intent: str = answer["settlementIntentId"]
    return intent


async def ledger(client: httpx.AsyncClient) -> Any:
    return (await client.get("http://facilitator/_ledger")).json()


async def simulate(client: httpx.AsyncClient, **settings: Any) -> int:
    answer = await client.put("http://facilitator/_simulate", json=settings)
    return answer.status_code
