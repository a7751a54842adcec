"""A standard x402 v2 facilitator over a pretended chain: the SDK's own verification and
settlement, with faults by script.

    POST /x402/verify, POST /x402/settle, GET /x402/supported   the standard's
    PUT /_simulate  {"faults": [fault, ...]}                    the operator's
    GET /_ledger    {"intents": [payment], "settlements": {transaction: 1}}

`python -m uvicorn sample_origin.facilitator.x402:app`; CHAIN names a file that keeps
what was used up when this process ends.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import Scope
from x402 import x402Facilitator
from x402.mechanisms.evm.exact import ExactEvmFacilitatorScheme
from x402.schemas import SettleRequest, VerifyRequest

from ..messages import Participant
from ..watched import watched
from .chain import NETWORK, Chain

BASE = "/x402"

_USED = "invalid_exact_evm_nonce_already_used"

# Longer than a gate waits for the first answer to settle.
_SLOW = 13.0


@dataclass
class Facilitator:
    """`faults` are played by the next calls of `settle`, one each:

    | fault   | the money       | the answer                                       |
    |---------|-----------------|--------------------------------------------------|
    | 503     | does not move   | a text                                           |
    | broke   | does not move   | a refusal                                        |
    | used    | does not move   | that the chain has used up the payment           |
    | cut     | does not move   | none: the connection ends                        |
    | lost    | moves           | none: the connection ends                        |
    | hang    | moves           | none: nothing more is sent                       |
    | slow    | moves           | the right one, after 13 seconds                  |
    | pending_500 | moves       | 500 with `settlement_pending` and a hash, as CDP |
    """

    chain: Chain = field(default_factory=Chain)
    faults: list[str] = field(default_factory=list)
    verified: int = 0
    payments: dict[str, None] = field(default_factory=dict)
    """That were valid, by what the chain uses up; in their order."""
    settled: int = 0
    entered: Event = field(default_factory=Event)
    """`settle` was asked."""
    held: Event | None = None
    """While it is there and not set, answers to `settle` wait."""

    def __post_init__(self) -> None:
        self._facilitator = x402Facilitator()
        self._facilitator.register([NETWORK], ExactEvmFacilitatorScheme(self.chain))
        self.routes = [
            Route("/verify", self._verify, methods=["POST"]),
            Route("/settle", self._settle, methods=["POST"]),
            Route("/supported", self._supported),
        ]

    def create_app(self) -> Starlette:
        operators = [
            Route("/_simulate", self._simulate, methods=["PUT"]),
            Route("/_ledger", self._ledger),
        ]
        return Starlette(routes=[Mount(BASE, routes=self.routes), *operators])

    @property
    def paid(self) -> int:
        return len(self.chain.transactions)

    async def _supported(self, _: Request) -> Response:
        kind = {"x402Version": 2, "scheme": "exact", "network": NETWORK}
        return JSONResponse({"kinds": [kind], "extensions": [], "signers": {}})

    async def _verify(self, request: Request) -> Response:
        self.verified += 1
        asked = VerifyRequest.model_validate_json(await request.body())
        answer = await self._facilitator.verify(
            asked.payment_payload, asked.payment_requirements
        )
        if answer.is_valid:
            self.payments[_payment(asked.payment_payload.payload)] = None
        return JSONResponse(answer.model_dump(by_alias=True, exclude_none=True))

    async def _simulate(self, request: Request) -> Response:
        self.faults[:] = (await request.json())["faults"]
        return JSONResponse({"faults": self.faults})

    async def _ledger(self, _: Request) -> Response:
        settlements = dict.fromkeys(self.chain.transactions, 1)
        intents = list(self.payments)
        return JSONResponse({"intents": intents, "settlements": settlements})

    async def _settle(self, request: Request) -> Response:
        self.settled += 1
        self.entered.set()
        fault = self.faults.pop(0) if self.faults else None
        asked = SettleRequest.model_validate_json(await request.body())
        refusal = _refusal(fault)
        if refusal is not None:
            return refusal
        answer = await self._facilitator.settle(
            asked.payment_payload, asked.payment_requirements
        )
        if self.held is not None:
            await asyncio.to_thread(self.held.wait)
        body: dict[str, Any] = answer.model_dump(by_alias=True, exclude_none=True)
        match fault:
            case "lost":
                return _cut()
            case "hang":
                while (await request.receive())["type"] != "http.disconnect":
                    pass
                return _cut()
            case "slow":
                await asyncio.sleep(_SLOW)
            case "pending_500":
                pending = {"success": False, "errorReason": "settlement_pending"}
                return JSONResponse(body | pending, 500)
        return JSONResponse(body)


def _refusal(fault: str | None) -> Response | None:
    """Before any money moves."""
    nothing = {"success": False, "transaction": "", "network": NETWORK}
    match fault:
        case "503":
            return Response("try later", 503)
        case "cut":
            return _cut()
        case "broke":
            return JSONResponse(nothing | {"errorReason": "insufficient_funds"})
        case "used":
            return JSONResponse(nothing | {"errorReason": _USED})
    return None


def _cut() -> Response:
    """uvicorn ends a connection whose response is shorter than it has said."""

    async def nothing() -> AsyncIterator[bytes]:
        yield b"{"
        raise ConnectionAbortedError

    return StreamingResponse(nothing(), headers={"content-length": "100"})


def _payment(payload: Any) -> str:
    authorization = payload.get("authorization") or payload["permit2Authorization"]
    return f"{authorization['from']}/{authorization['nonce']}".lower()


def _sender(scope: Scope) -> Participant | None:
    return "gate" if scope["path"].startswith(BASE) else None


def _own() -> Facilitator:
    file = os.environ.get("CHAIN")
    return Facilitator(chain=Chain(Path(file) if file else None))


app = watched(_own().create_app(), "facilitator", _sender)
