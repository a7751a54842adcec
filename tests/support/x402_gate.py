"""The gate before a standard facilitator, as a client and an origin meet it: both
triggers in this process, the facilitator and the origin behind sockets.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route as Path

from edge.build.environment import Secrets
from edge.build.routes_file import parse_routes
from edge.build.zip import build
from edge.runtime.handler import Edge
from edge.runtime.settings import Settings
from edge.runtime.signature import SigningKey
from edge.runtime.x402.facilitator import X402
from origin_middleware import IdempotencyMiddleware, MemoryStore, Policy

from .cloudfront_events import Event, documented
from .payments import NETWORK, PAY_TO
from .running import serving
from .x402_facilitator import Facilitator, facilitating

SECRET = b"0123456789-SIGNINGSECRET-abcdefghij"
CORE = "payment-signature"

EXACT = {"network": NETWORK, "amount": "1000", "pay_to": PAY_TO}


def routes(accept: Mapping[str, Any] = EXACT, **changed: Any) -> dict[str, Any]:
    """A document of routes.toml."""
    route = {"path": "/report", "resource_id": "report", "accepts": [dict(accept)]}
    of_route = {"identifier", "description", "mime_type"} & changed.keys()
    route |= {key: changed.pop(key) for key in of_route}
    return {"facilitator": "x402", "route": [route], **changed}


def settings(url: str, document: dict[str, Any] | None = None) -> Settings:
    secrets = Secrets(url, "", (SigningKey("2026-02", SECRET),))
    return build(secrets, parse_routes(document or routes())).settings


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: str


@dataclass
class Gate:
    edge: Edge
    origin: str
    facilitator: Facilitator
    executions: list[str] = field(default_factory=list)
    forwarded: list[dict[str, str]] = field(default_factory=list)

    def ask(self, payment: str | None = None, body: str = "", **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if payment is not None:
            sent[CORE] = payment
        event = documented("viewer-request")
        request = event["Records"][0]["cf"]["request"]
        request |= {"uri": "/report", "method": "POST", "querystring": ""}
        request["headers"] |= _listed(sent)
        forwarded = self.edge(event, None)
        if "status" in forwarded:
            return _answer(forwarded)
        return _answer(self._respond(forwarded, body))

    def _respond(self, request: Event, body: str) -> Event:
        told = {name: lines[0]["value"] for name, lines in request["headers"].items()}
        self.forwarded.append(told)
        connection = HTTPConnection(urlsplit(self.origin).netloc)
        try:
            kept = {n: v for n, v in told.items() if n not in ("host", "via")}
            connection.request("POST", request["uri"], body, kept)
            answer = connection.getresponse()
            content = answer.read().decode()
        finally:
            connection.close()
        event = documented("origin-response")
        cf = event["Records"][0]["cf"]
        cf["request"] = request
        cf["response"] = {
            "status": str(answer.status),
            "statusDescription": answer.reason,
            "headers": _listed({n.lower(): v for n, v in answer.getheaders()}),
        }
        replied: Event = self.edge(event, None)
        return {"body": content, **replied}


def _listed(headers: Mapping[str, str]) -> Event:
    return {name: [{"key": name, "value": value}] for name, value in headers.items()}


def _answer(event: Event) -> Answer:
    headers = {name: lines[0]["value"] for name, lines in event["headers"].items()}
    return Answer(int(event["status"]), headers, event.get("body", ""))


@contextmanager
def selling(
    document: dict[str, Any] | None = None,
    *faults: str,
    charges: str | None = None,
    protected: bool = True,
) -> Iterator[Gate]:
    executions: list[str] = []

    async def report(request: Request) -> Response:
        executions.append((await request.body()).decode())
        headers = {"settlement-overrides": charges} if charges is not None else {}
        return JSONResponse({"report": len(executions)}, headers=headers)

    app: Any = Starlette(routes=[Path("/report", report, methods=["POST"])])
    if protected:
        app = IdempotencyMiddleware(
            app,
            store=MemoryStore(),
            secrets={"2026-02": SECRET},
            policy=Policy(require_key=True),
        )
    with facilitating(*faults) as (facilitator, url), serving(app) as origin:
        chosen = settings(url, document)
        asks = X402(chosen)
        edge = Edge(chosen, asks)
        gate = Gate(edge, origin, facilitator, executions)
        try:
            yield gate
        finally:
            asks.close()


@contextmanager
def asking(
    gate: Gate, url: str, document: dict[str, Any] | None = None
) -> Iterator[Settings]:
    """The gate asks the facilitator at `url` instead."""
    chosen = settings(url, document)
    asks = X402(chosen)
    gate.edge = Edge(chosen, asks)
    try:
        yield chosen
    finally:
        asks.close()


def logged(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]
