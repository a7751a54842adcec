"""The real bundle in the emulator, with the simulated facilitator."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from edge.aws.forwarding import Forwarded
from edge.emulator.distribution import (
    ALL_VIEWER_EXCEPT_HOST_HEADER,
    CORS_CUSTOM_ORIGIN,
    NO_ORIGIN_REQUEST_POLICY,
    Behaviour,
    ErrorResponse,
    Origin,
    OriginGroup,
)
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
SIGNING = {"EDGE_SIGNING_SECRET": SECRET, "EDGE_SIGNING_KEY_ID": KEY_ID}
NOT: Mapping[str, str] = {}


@pytest.fixture
def facilitator() -> Iterator[str]:
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def lambda_edge(facilitator: str, tmp_path: Path) -> Path:
    return built(facilitator, tmp_path)


def built(facilitator: str, folder: Path, signing: Mapping[str, str] = NOT) -> Path:
    """The bundle, built as its README says."""
    routes, output = folder / "routes.toml", folder / "lambda-edge.zip"
    routes.write_text(ROUTES)
    command = [sys.executable, "-m", "edge", "build"]
    environment = {
        "NEXFLOW_FACILITATOR_URL": facilitator + BASE_PATH,
        "NEXFLOW_API_KEY": "nf_test_demo",
    }
    subprocess.run(
        [*command, "--routes", str(routes), "--output", str(output)],
        check=True,
        capture_output=True,
        env={**environment, **signing},
    )
    return output


def ledger(facilitator: str) -> dict[str, object]:
    report: dict[str, object] = httpx.get(f"{facilitator}/_ledger").json()
    return report


PAID = {"X402-Payment": "stub-1"}


def test_a_paid_request_is_verified_delivered_and_settled(
    tmp_path: Path, facilitator: str, lambda_edge: Path
) -> None:
    origin = Counted()
    with emulated(tmp_path, lambda_edge, origin) as edge:
        unpaid = edge.client.get("/api/joke")
        paid = edge.client.get("/api/joke", headers={"X402-Payment": "stub-1"})
        events = [json.loads(line)["eventType"] for line in edge.log()]
    assert (unpaid.status_code, paid.status_code, origin.count) == (402, 200, 1)
    assert events == ["verify", "verify", "settle"]
    report = ledger(facilitator)
    assert (report["verified"], report["billed"]) == (1, 1)


@pytest.mark.parametrize("policy", [NO_ORIGIN_REQUEST_POLICY, CORS_CUSTOM_ORIGIN])
def test_without_a_policy_that_forwards_the_intent_nothing_is_ever_settled(
    tmp_path: Path, facilitator: str, policy: Forwarded
) -> None:
    lambda_edge = built(facilitator, tmp_path, SIGNING)
    behaviour = Behaviour(origin_request_policy=policy)
    with emulated(tmp_path, lambda_edge, Counted(), behaviour) as edge:
        paid = edge.client.get("/api/joke", headers=PAID)
        last = json.loads(edge.log()[-1])
    assert paid.status_code == 200
    assert last["eventType"] == "settle_skipped"
    assert last["reason"] == "no settlement intent in the forwarded request"
    report = ledger(facilitator)
    assert (report["verified"], report["billed"]) == (1, 0)


def test_a_request_that_fails_over_is_settled_once(
    tmp_path: Path, facilitator: str, lambda_edge: Path
) -> None:
    with serving(Counted(503)) as primary, serving(Counted()) as secondary:
        group = OriginGroup(Origin(primary), Origin(secondary))
        with emulated(tmp_path, lambda_edge, group) as edge:
            paid = edge.client.get("/api/joke", headers=PAID)
            events = [json.loads(line)["eventType"] for line in edge.log()]
    assert paid.status_code == 200
    assert events == ["verify", "settle_skipped", "settle"]
    assert ledger(facilitator)["billed"] == 1


class OutOfOrder(Counted):
    """503, but for its error page."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._status = 200 if scope.get("path", "").endswith("/sorry") else 503
        await super().__call__(scope, receive, send)


@pytest.mark.parametrize(
    ("page", "signing", "billed"),
    [("/sorry", NOT, 0), ("/api/sorry", NOT, 1), ("/api/sorry", SIGNING, 0)],
)
def test_an_error_page_under_a_gated_route_is_charged_for_unless_the_gate_signs(
    tmp_path: Path,
    facilitator: str,
    page: str,
    signing: Mapping[str, str],
    billed: int,
) -> None:
    """The page is delivered with 200, under the intent of the request that failed. A
    signature is for one path, and the page has another."""
    bundle = built(facilitator, tmp_path, signing)
    custom = ErrorResponse(503, page, 503)
    with emulated(tmp_path, bundle, OutOfOrder(), error_responses=(custom,)) as edge:
        assert edge.client.get("/api/joke", headers=PAID).status_code == 503
    assert ledger(facilitator)["billed"] == billed


class Verifying(Counted):
    """An origin that takes an intent from the gate only."""

    def __init__(self) -> None:
        super().__init__()
        policy, secrets = Policy(require_key=True), {KEY_ID: SECRET.encode()}
        self._protected = IdempotencyMiddleware(
            super().__call__, store=MemoryStore(), policy=policy, secrets=secrets
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._protected(scope, receive, send)


@pytest.mark.parametrize(
    ("policy", "origin_path", "status"),
    [
        (ALL_VIEWER_EXCEPT_HOST_HEADER, "", 200),
        (ALL_VIEWER_EXCEPT_HOST_HEADER, "/production", 401),
        (Forwarded(every_header=True), "", 401),
    ],
)
def test_the_origin_has_to_get_the_path_and_the_query_that_were_signed(
    tmp_path: Path,
    facilitator: str,
    policy: Forwarded,
    origin_path: str,
    status: int,
) -> None:
    """CloudFront can change both on the way: an origin path is put in front, and a
    policy may leave the query out. Then every paid request is refused."""
    bundle = built(facilitator, tmp_path, SIGNING)
    behaviour = Behaviour(origin_request_policy=policy)
    with serving(Verifying()) as url:
        origin = Origin(url, path=origin_path)
        with emulated(tmp_path, bundle, origin, behaviour) as edge:
            paid = edge.client.get("/api/joke?topic=tea", headers=PAID)
    assert paid.status_code == status
    assert ledger(facilitator)["billed"] == (status == 200)
