"""The real bundle in the emulator, with the simulated facilitator."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from sample_origin.cloudfront import Behaviour, OriginRequestPolicy
from sample_origin.facilitator import BASE_PATH, create_app
from tests.support.lambdas import Counted, emulated
from tests.support.running import serving

ROUTES = """
[[route]]
path = "/api/*"
network = "eip155:8453"
resource_id = "joke-endpoint"
"""


@pytest.fixture
def facilitator() -> Iterator[str]:
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def lambda_edge(facilitator: str, tmp_path: Path) -> Path:
    """The bundle, built as its README says."""
    routes, output = tmp_path / "routes.toml", tmp_path / "lambda-edge.zip"
    routes.write_text(ROUTES)
    command = [sys.executable, "-m", "edge", "build"]
    subprocess.run(
        [*command, "--routes", str(routes), "--output", str(output)],
        check=True,
        capture_output=True,
        env={
            "NEXFLOW_FACILITATOR_URL": facilitator + BASE_PATH,
            "NEXFLOW_API_KEY": "nf_test_demo",
        },
    )
    return output


def ledger(facilitator: str) -> dict[str, object]:
    report: dict[str, object] = httpx.get(f"{facilitator}/_ledger").json()
    return report


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


def test_without_an_origin_request_policy_nothing_is_ever_settled(
    tmp_path: Path, facilitator: str, lambda_edge: Path
) -> None:
    behaviour = Behaviour(origin_request_policy=OriginRequestPolicy.NONE)
    with emulated(tmp_path, lambda_edge, Counted(), behaviour) as edge:
        paid = edge.client.get("/api/joke", headers={"X402-Payment": "stub-1"})
    assert paid.status_code == 200
    report = ledger(facilitator)
    assert (report["verified"], report["billed"]) == (1, 0)
