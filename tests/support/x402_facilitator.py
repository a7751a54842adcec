"""A standard facilitator over a pretended chain: the SDK's own verification and
settlement, on a loopback port, with faults by script.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from x402 import x402Facilitator
from x402.mechanisms.evm.exact import ExactEvmFacilitatorScheme
from x402.mechanisms.evm.types import TransactionReceipt
from x402.schemas import SettleRequest, VerifyRequest

from .payments import NETWORK, Json
from .running import serving

# secp256k1's order: USDC refuses an `s` above half of it, so that a signature has one
# form.
_HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2


_USED = "invalid_exact_evm_nonce_already_used"


class Chain:
    """Uses up what a payment is: `(from, nonce)`. The SDK's FacilitatorEvmSigner."""

    def __init__(self) -> None:
        self._used: set[tuple[str, object]] = set()
        self._lock = Lock()
        self.transactions: list[str] = []
        self.empty: set[str] = set()
        """Payers without money."""

    def get_addresses(self) -> list[str]:
        return ["0x" + "f" * 40]

    def get_chain_id(self) -> int:
        return int(NETWORK.removeprefix("eip155:"))

    def get_code(self, address: str) -> bytes:
        """Contracts are where the token is; payers are people."""
        return b"\1" if address.lower().startswith("0x036cbd") else b""

    def get_balance(self, address: str, token_address: str) -> int:
        return 10**9

    def verify_typed_data(self, *_: Any, **__: Any) -> bool:
        raise NotImplementedError  # the SDK recovers the signer itself

    def send_transaction(self, to: str, data: bytes) -> str:
        raise NotImplementedError

    def read_contract(
        self, address: str, abi: list[dict[str, Any]], function_name: str, *args: Any
    ) -> Any:
        match function_name:
            case "transferWithAuthorization":
                self._check(args)
                return None
            case "allowance" | "balanceOf":
                return 10**9
        raise RuntimeError("execution reverted")

    def write_contract(
        self,
        address: str,
        abi: list[dict[str, Any]],
        function_name: str,
        *args: Any,
        data_suffix: str | None = None,
    ) -> str:
        with self._lock:
            if function_name == "settle":  # Permit2: the permit, its owner, ...
                used = (str(args[1]).lower(), args[0][1])
                if used in self._used:
                    raise RuntimeError("execution reverted: InvalidNonce")
            else:
                used = self._check(args)
            self._used.add(used)
            self.transactions.append(f"0x{len(self.transactions) + 1:064x}")
            return self.transactions[-1]

    def wait_for_transaction_receipt(self, tx_hash: str) -> TransactionReceipt:
        return TransactionReceipt(status=1, block_number=1, tx_hash=tx_hash)

    def _check(self, args: tuple[Any, ...]) -> tuple[str, object]:
        payer, nonce, s = str(args[0]).lower(), args[5], args[8]
        if int.from_bytes(s, "big") > _HALF_ORDER:
            raise RuntimeError("execution reverted: invalid signature 's' value")
        if (payer, nonce) in self._used:
            raise RuntimeError("execution reverted: authorization is used or canceled")
        if payer in self.empty:
            raise RuntimeError("execution reverted: transfer amount exceeds balance")
        return payer, nonce


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
    | pending | moves           | 500 with `settlement_pending` and a hash, as CDP |
    """

    chain: Chain = field(default_factory=Chain)
    faults: list[str] = field(default_factory=list)
    verified: int = 0
    settled: int = 0
    entered: Event = field(default_factory=Event)
    """`settle` was asked."""
    held: Event | None = None
    """While it is there and not set, answers to `settle` wait."""

    def __post_init__(self) -> None:
        self._facilitator = x402Facilitator()
        self._facilitator.register([NETWORK], ExactEvmFacilitatorScheme(self.chain))
        self.app = Starlette(
            routes=[
                Route("/verify", self._verify, methods=["POST"]),
                Route("/settle", self._settle, methods=["POST"]),
                Route("/supported", self._supported),
            ]
        )

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
        return JSONResponse(answer.model_dump(by_alias=True, exclude_none=True))

    async def _settle(self, request: Request) -> Response:
        self.settled += 1
        self.entered.set()
        fault = self.faults.pop(0) if self.faults else None
        asked = SettleRequest.model_validate_json(await request.body())
        if fault == "503":
            return Response("try later", 503)
        if fault == "cut":
            return _cut()
        if fault == "broke":
            broke = {"success": False, "errorReason": "insufficient_funds"}
            return JSONResponse(broke | {"transaction": "", "network": NETWORK})
        if fault == "used":
            used = {"success": False, "errorReason": _USED, "transaction": ""}
            return JSONResponse(used | {"network": NETWORK})
        answer = await self._facilitator.settle(
            asked.payment_payload, asked.payment_requirements
        )
        if self.held is not None:
            await asyncio.to_thread(self.held.wait)
        body: Json = answer.model_dump(by_alias=True, exclude_none=True)
        match fault:
            case "lost":
                return _cut()
            case "hang":
                while (await request.receive())["type"] != "http.disconnect":
                    pass
                return _cut()
            case "pending":
                pending = {"success": False, "errorReason": "settlement_pending"}
                return JSONResponse(body | pending, 500)
        return JSONResponse(body)


def _cut() -> Response:
    """uvicorn ends a connection whose response is shorter than it has said."""

    async def nothing() -> AsyncIterator[bytes]:
        yield b"{"
        raise ConnectionAbortedError

    return StreamingResponse(nothing(), headers={"content-length": "100"})


@contextmanager
def facilitating(*faults: str) -> Iterator[tuple[Facilitator, str]]:
    facilitator = Facilitator(faults=list(faults))
    with serving(facilitator.app) as url:
        yield facilitator, url
