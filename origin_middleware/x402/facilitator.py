"""What a facilitator's answer to `settle` means for the money.

| outcome | the money                                                               |
|---------|-------------------------------------------------------------------------|
| Settled | has moved                                                               |
| Failed  | has not moved                                                           |
| Unknown | may move, or have moved: nothing was heard, or the facilitator itself   |
|         | does not know                                                           |

"The chain has used this payment up already" is a failure for a first question, and a
settlement where an earlier question was asked and its outcome is unknown.
"""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError
from x402 import SettleResponse
from x402.http import FacilitatorClient
from x402.schemas import (
    PaymentPayload,
    PaymentPayloadV1,
    PaymentRequirements,
    PaymentRequirementsV1,
)

from ..runtime import is_closed, is_interrupted

OnUsed = Literal["settled", "failed"]

PENDING = "settlement_pending"
DUPLICATE = "duplicate_settlement"

# How the SDK's facilitators say that a nonce, or a transaction, was settled before.
_USED = {
    "invalid_exact_evm_nonce_already_used",
    "permit2_invalid_nonce",
    DUPLICATE,
}

# How facilitators say that they sent a transaction, or may have, and do not know more.
_UNSURE = {
    PENDING,
    "settle_exact_node_failure",
    "unexpected_settle_error",
    "unknown_error",
}
_TIMED_OUT = "_timed_out"

# What they say before they send one, with any status.
_REFUSED = ("insufficient_", "invalid_", "unsupported_")

# The SDK's client raises this for every status but 200, with the whole body.
_NOT_200 = re.compile(r"Facilitator settle failed \((\d{3})\): (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Settled:
    answer: SettleResponse


@dataclass(frozen=True, slots=True)
class Failed:
    answer: SettleResponse


@dataclass(frozen=True, slots=True)
class Unknown:
    reason: str
    transaction: str = ""
    """Its hash, where the facilitator has named one."""


Outcome = Settled | Failed | Unknown


@dataclass(frozen=True, slots=True)
class Question:
    """May this payment be settled?"""

    client: FacilitatorClient
    payload: PaymentPayload | PaymentPayloadV1
    requirements: PaymentRequirements | PaymentRequirementsV1
    on_used: OnUsed

    async def ask(self, *, again: bool) -> Outcome:
        """Once, and once more where the outcome is unknown. `again`: it was asked
        before, and that outcome is unknown.
        """
        first = self._outcome(await self._answer(), again)
        if not isinstance(first, Unknown):
            return first
        second = self._outcome(await self._answer(), True)
        match second:
            case Unknown(reason, ""):
                return Unknown(reason, first.transaction)
            case Settled(answer) if not answer.transaction:
                hashed = {"transaction": first.transaction}
                return Settled(answer.model_copy(update=hashed))
        return second

    async def _answer(self) -> SettleResponse | Unknown:
        task = asyncio.current_task()
        try:
            answer: object = await self.client.settle(self.payload, self.requirements)
        except BaseException as error:  # a client of the seller's may raise anything
            if is_interrupted(error) or is_closed(error, task):
                raise
            return _hidden(error) or Unknown(type(error).__name__)
        if not isinstance(answer, SettleResponse):
            return Unknown(type(answer).__name__)
        return _writable(answer)

    def _outcome(self, answer: SettleResponse | Unknown, again: bool) -> Outcome:
        if isinstance(answer, Unknown):
            return answer
        if answer.success:
            return Settled(answer)
        if _is_unsure(answer):
            return Unknown(answer.error_reason or "no reason", answer.transaction)
        if not again:
            return Failed(answer)
        if not is_used(answer.error_reason):
            # A balance that is too small now, and a time that has passed, may be what
            # the settlement of which we do not know has left behind.
            return Unknown(answer.error_reason or "")
        if self.on_used == "failed":
            return Failed(answer)
        moved = {"success": True, "error_reason": None, "error_message": None}
        return Settled(answer.model_copy(update=moved))


def is_used(reason: str | None) -> bool:
    return reason in _USED


def _is_unsure(answer: SettleResponse) -> bool:
    reason = answer.error_reason or ""
    if not reason:
        return bool(answer.transaction)
    return reason in _UNSURE or reason.endswith(_TIMED_OUT)


def _writable(answer: SettleResponse) -> SettleResponse:
    """Neither a record nor a header can have what is no JSON, such as half a character,
    or is too deep to be read again. The money has moved all the same."""
    try:
        SettleResponse.model_validate_json(answer.model_dump_json(by_alias=True))
    except ValueError:
        kept = {"success", "error_reason", "transaction", "network"}
        return SettleResponse(**answer.model_dump(include=kept))
    return answer


def _hidden(error: BaseException) -> SettleResponse | Unknown | None:
    """The answer in an error of the SDK's client: facilitators send it with other
    statuses than 200, and CDP its pending settlements with 500.
    """
    found = _NOT_200.fullmatch(str(error))
    if found is None:
        return None
    try:
        answer = SettleResponse.model_validate(json.loads(found[2]))
    except (ValueError, ValidationError, RecursionError):
        return None
    reason = answer.error_reason
    # A success is one with 200 only: something in between may have failed.
    if answer.success or not reason:
        return None
    if found[1] >= "500" and not (is_used(reason) or reason.startswith(_REFUSED)):
        return Unknown(reason, answer.transaction)
    return answer
