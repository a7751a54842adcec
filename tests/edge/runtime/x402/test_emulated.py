"""The bundle, built as an operator builds it, in the emulator of CloudFront and Lambda:
the SDK's client in front, its facilitator behind.
"""

from pathlib import Path

import httpx
from eth_account import Account
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from x402 import x402ClientSync
from x402.http.utils import (
    decode_payment_required_header,
    decode_payment_response_header,
    encode_payment_signature_header,
)
from x402.mechanisms.evm.exact import ExactEvmClientScheme

from edge.__main__ import main
from origin_middleware import IdempotencyMiddleware, MemoryStore, Policy
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


def signed(demand: httpx.Response) -> dict[str, str]:
    client = x402ClientSync()
    client.register("eip155:*", ExactEvmClientScheme(Account.create()))
    asked = decode_payment_required_header(demand.headers["payment-required"])
    payload = client.create_payment_payload(asked)
    return {"payment-signature": encode_payment_signature_header(payload)}


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
            payment = signed(demand)
            paid = cloudfront.client.post("/report", headers=payment)
            assert (paid.status_code, paid.json()) == (200, {"report": 1})
            receipt = decode_payment_response_header(paid.headers["payment-response"])
            assert receipt.transaction == facilitator.chain.transactions[0]
            again = cloudfront.client.post("/report", headers=payment)
            assert (again.status_code, again.content) == (200, paid.content)
            assert again.headers["idempotent-replayed"] == "true"
            assert (len(executions), facilitator.paid, facilitator.settled) == (1, 1, 1)
