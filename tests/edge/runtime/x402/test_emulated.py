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
from sample_origin.payers import signed
from tests.edge.commands import SIGNING
from tests.support.lambdas import emulated
from tests.support.payments import PAY_TO
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
    (tmp_path / "routes.toml").write_text(ROUTES)
    bundle = tmp_path / "lambda-edge.zip"
    with facilitating() as (facilitator, url):
        build = ["build", "--routes", str(tmp_path / "routes.toml")]
        environment = {"X402_FACILITATOR_URL": url} | SIGNING
        assert main([*build, "--output", str(bundle)], environment) == 0
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
