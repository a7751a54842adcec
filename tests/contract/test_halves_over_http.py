"""Both halves at work: the bundle from its zip, the emulator, an origin over HTTP."""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from edge.__main__ import main
from edge.emulator.distribution import Behaviour, Origin
from origin_middleware import IdempotencyMiddleware, MemoryStore, Policy
from sample_origin.facilitator import BASE_PATH, create_app
from tests.support.lambdas import Counted, emulated
from tests.support.running import serving

ROUTES = """
[[route]]
path = "/api/*"
network = "eip155:8453"
resource_id = "joke-endpoint"
"""
KEY_ID, SECRET = "2026-02", "0123456789-SIGNINGSECRET-abcdefghij"
PAID = {"x402-payment": "stub-1"}
METHODS = ["GET", "HEAD", "POST", "DELETE"]
TARGETS = ["/api/joke", "/api/joke?", "/api/a%2fb%20c/%C3%A9?a=%2F&&b", "/api/(x)?=?"]
FORGED = {
    "x-settlement-intent-id": "forged",
    "x-settlement-resource-id": "joke-endpoint",
    "x-settlement-network": "eip155:8453",
    "signature-input": f'settlement=();created=1;expires=9999999999;keyid="{KEY_ID}"',
    "signature": "settlement=:AAAA:",
}


@pytest.fixture(scope="module")
def facilitator() -> Iterator[str]:
    with serving(create_app()) as url:
        yield url


@pytest.fixture(scope="module")
def gate(facilitator: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gate")
    routes, output = folder / "routes.toml", folder / "lambda-edge.zip"
    routes.write_text(ROUTES)
    environment = {
        "NEXFLOW_FACILITATOR_URL": facilitator + BASE_PATH,
        "NEXFLOW_API_KEY": "nf_test_demo",
        "EDGE_SIGNING_SECRET": SECRET,
        "EDGE_SIGNING_KEY_ID": KEY_ID,
    }
    options = ["--routes", str(routes), "--output", str(output)]
    assert main(["build", *options], environment) == 0
    return output


def paid_api(executed: list[str]) -> Starlette:
    async def joke(request: Request) -> JSONResponse:
        executed.append(request.headers["x-settlement-intent-id"])
        return JSONResponse({"joke": len(executed)})

    methods = ["GET", "POST", "DELETE"]
    app = Starlette(routes=[Route("/api/{rest:path}", joke, methods=methods)])
    policy, secrets = Policy(require_key=True), {KEY_ID: SECRET.encode()}
    app.add_middleware(
        IdempotencyMiddleware, store=MemoryStore(), policy=policy, secrets=secrets
    )
    return app


def billed(facilitator: str) -> int:
    count: int = httpx.get(f"{facilitator}/_ledger").json()["billed"]
    return count


def test_what_the_gate_has_signed_is_served_recorded_and_settled(
    tmp_path: Path, facilitator: str, gate: Path
) -> None:
    executed: list[str] = []
    before = billed(facilitator)
    asked = list(product(METHODS, TARGETS))
    with emulated(tmp_path, gate, paid_api(executed)) as edge:
        for method, target in asked:
            paid = {"x402-payment": f"{method} {target}"}
            first, again = (
                edge.client.request(method, target, headers=paid) for _ in range(2)
            )
            statuses = (first.status_code, again.status_code)
            assert statuses == (200, 200), (method, target)
            assert again.headers["idempotent-replayed"] == "true"
        events = [json.loads(line)["eventType"] for line in edge.log()]
    assert len(executed) == len(asked)
    assert events == ["verify", "settle"] * 2 * len(asked)
    assert billed(facilitator) == before + len(asked)


def test_whoever_goes_around_the_gate_is_refused() -> None:
    executed: list[str] = []
    with serving(paid_api(executed)) as origin:
        unsigned = {name: FORGED[name] for name in list(FORGED)[:3]}
        for headers in (unsigned, FORGED):
            refused = httpx.get(f"{origin}/api/joke", headers=headers)
            assert refused.status_code == 401
            assert refused.json()["code"] == "signature-refused"
        assert httpx.get(f"{origin}/api/joke").status_code == 400
    assert executed == []


def test_a_forged_intent_never_settles(
    tmp_path: Path, facilitator: str, gate: Path
) -> None:
    """A behaviour without the first trigger, and an origin that takes anything:
    the client's own headers arrive where the gate settles."""
    before = billed(facilitator)
    origin = Counted()
    unguarded = Behaviour(viewer_request=False)
    with emulated(tmp_path, gate, origin, unguarded) as edge:
        for number in range(2, len(FORGED) + 1):
            headers = dict(list(FORGED.items())[:number])
            assert edge.client.get("/api/joke", headers=headers).status_code == 200
        lines = [json.loads(line) for line in edge.log()]
    assert origin.count == len(lines) == 4
    assert {line["eventType"] for line in lines} == {"settle_skipped"}
    assert {line["reason"] for line in lines} == {
        "the signature is missing",
        "the signature does not fit the request",
    }
    assert billed(facilitator) == before


def test_a_forged_intent_is_replaced_where_the_gate_is_asked(
    tmp_path: Path, gate: Path
) -> None:
    executed: list[str] = []
    with emulated(tmp_path, gate, paid_api(executed)) as edge:
        assert edge.client.get("/api/joke", headers=FORGED).status_code == 402
        paid = edge.client.get("/api/joke", headers=FORGED | PAID)
    assert paid.status_code == 200
    assert executed != ["forged"]


def test_behind_an_origin_path_everything_is_refused_and_nobody_is_charged(
    tmp_path: Path, facilitator: str, gate: Path
) -> None:
    """The gate does not see it, so it signs a path that the origin does not get."""
    executed: list[str] = []
    before = billed(facilitator)
    with serving(paid_api(executed)) as url:
        prefixed = Origin(url, path="/v1")
        with emulated(tmp_path, gate, prefixed) as edge:
            paid = {"x402-payment": "stub-2"}
            refused = edge.client.get("/api/joke", headers=paid)
            skipped = json.loads(edge.log()[-1])
    assert refused.json()["code"] == "signature-refused"
    assert skipped["reason"] == "origin returned 401"
    assert executed == []
    assert billed(facilitator) == before
