"""The bundle, built as an operator builds it, in the emulator of CloudFront and Lambda:
the SDK's client in front, its facilitator behind.
"""

from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from x402.http.utils import (
    decode_payment_response_header,
)

from edge.__main__ import main
from origin_middleware import IdempotencyMiddleware, MemoryStore, Policy
from sample_origin.ledger import Ledger
from sample_origin.payers import signed
from sample_origin.processes import Service
from tests.edge.commands import SIGNING
from tests.support.lambdas import emulated
from tests.support.payments import PAY_TO
from tests.support.servers import running, valkey
from tests.support.x402_facilitator import facilitating

ROUTES = f"""
facilitator = "x402"

[[route]]
path = "/report"
resource_id = "report"

[[route.accepts]]
network = "eip155:84532"
price = "$0.001"
pay_to = "{PAY_TO}"
"""
SECRETS = {SIGNING["EDGE_SIGNING_KEY_ID"]: SIGNING["EDGE_SIGNING_SECRET"].encode()}


def paying(demand: httpx.Response) -> dict[str, str]:
    return {"payment-signature": signed(demand.headers["payment-required"])}


def built(folder: Path, routes: str, facilitator: str) -> Path:
    (folder / "routes.toml").write_text(routes)
    bundle = folder / "lambda-edge.zip"
    build = ["build", "--routes", str(folder / "routes.toml")]
    environment = {"X402_FACILITATOR_URL": facilitator} | SIGNING
    assert main([*build, "--output", str(bundle)], environment) == 0
    return bundle


def test_from_the_demand_to_the_receipt_and_the_replay(tmp_path: Path) -> None:
    executions = []

    async def report(_: Request) -> Response:
        executions.append(1)
        return JSONResponse({"report": len(executions)})

    origin = IdempotencyMiddleware(
        Starlette(routes=[Route("/report", report, methods=["POST"])]),
        store=MemoryStore(),
        secrets=SECRETS,
        policy=Policy(require_key=True),
    )
    with facilitating() as (facilitator, url):
        bundle = built(tmp_path, ROUTES, url)
        with emulated(tmp_path, bundle, origin, lambda_timeout=30.0) as cloudfront:
            demand = cloudfront.client.post("/report")
            assert demand.status_code == 402
            payment = paying(demand)
            paid = cloudfront.client.post("/report", headers=payment)
            assert (paid.status_code, paid.json()) == (200, {"report": 1})
            receipt = decode_payment_response_header(paid.headers["payment-response"])
            assert receipt.transaction == facilitator.chain.transactions[0]
            again = cloudfront.client.post("/report", headers=payment)
            assert (again.status_code, again.content) == (200, paid.content)
            assert again.headers["idempotent-replayed"] == "true"
            assert (len(executions), facilitator.paid, facilitator.settled) == (1, 1, 1)


def test_a_worker_killed_between_record_and_settlement(tmp_path: Path) -> None:
    """Two workers and a Valkey: the retry gets the record, and is settled."""
    path, topic = "/premium/report", {"topic": "tea"}
    ledger, grave = Ledger(tmp_path / "ledger"), tmp_path / "grave"
    with facilitating() as (facilitator, url), running(valkey()) as server:
        bundle = built(tmp_path, ROUTES.replace("/report", path), url)
        environment = {
            "REDIS_URL": server.url,
            "LEDGER": str(tmp_path / "ledger"),
            "GRAVE": str(grave),
            **SIGNING,
        }
        command = ["uvicorn", "tests.support.mortal_origin:app", "--workers", "2"]
        origin = Service("origin", command, tmp_path, environment)
        try:
            origin.start()
            origin.check("/health")
            with emulated(tmp_path, bundle, origin.url, lambda_timeout=30.0) as edge:
                payment = paying(edge.client.post(path, json=topic))
                lost = edge.client.post(path, json=topic, headers=payment)
                assert (lost.status_code, grave.exists()) == (502, True)
                assert (len(ledger.rows()), facilitator.settled) == (1, 0)
                for _ in range(2):
                    retry = edge.client.post(path, json=topic, headers=payment)
                    assert retry.status_code == 201, origin.log()
                    assert retry.headers["idempotent-replayed"] == "true"
                assert len(ledger.rows()) == 1
                assert (facilitator.settled, facilitator.paid) == (1, 1)
        finally:
            origin.stop()
