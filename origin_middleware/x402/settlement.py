"""The settlement of one payment: one question to the facilitator at a time, and one
record of the answer.

    claim ─┬─ ours ─▶ ask ─┬─ settled ─▶ completed with the answer
           │               ├─ unknown ─▶ ask again ─▶ abandoned: the next request asks
           │               └─ failed  ─▶ released
           ├─ finished ─▶ the recorded answer
           ├─ held ─▶ wait
           └─ refused by the store ─▶ ask, and record a settlement all the same
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from os import urandom

from x402 import SettleResponse

from ..errors import StoreError
from ..persistence import write_later
from ..record import (
    Absent,
    Answer,
    Claim,
    Claimed,
    Completed,
    Finished,
    Held,
    OwnerToken,
)
from ..response import StoredResponse
from ..stores import Store
from .facilitator import DUPLICATE, Failed, Outcome, Question, Settled, Unknown
from .passage import Payment

_log = logging.getLogger("origin_middleware")

_OTHER_PROOF = "This payment was settled before, with another proof."
_NOT_KEYED = (
    "This payment was settled before, and no IdempotencyMiddleware with payment_key is "
    "between the payment middleware and this route."
)


@dataclass(frozen=True, slots=True)
class Settlement:
    store: Store
    payment: Payment
    claim: Claim
    """How long it holds, without an owner."""
    patience: float
    asked: bool
    """Somebody has asked before, as far as was known when the payment was verified."""
    keyed: bool
    """The request is that of the payment: retries of it are paid for."""

    async def outcome(self, question: Question) -> Outcome:
        claim, found, again = await self._take()
        match found:
            case Claimed():
                async with self._renewed(claim):
                    outcome = await question.ask(again=again and self.keyed)
                await self._record(claim, outcome, claimed=True)
                return outcome
            case None:
                again = again or self.asked
                outcome = await question.ask(again=again and self.keyed)
                await self._record(_next(claim), outcome, claimed=False)
                return outcome
            case Held() | Finished() if not self.keyed:
                return _refused(question, _NOT_KEYED)
            case Held(proof) | Finished(proof) if proof != self.payment.proof:
                return _refused(question, _OTHER_PROOF)
            case Finished(_, Completed(response)):
                return _recorded(response)
            case _:
                return Unknown("another request is still settling it")

    async def _take(self) -> tuple[Claim, Answer | None, bool]:
        """The claim, what it was answered, and whether somebody has asked before it and
        was not told the outcome. No answer, if the store is away or in quarantine.
        """
        until = _now() + self.patience
        key = self.payment.settlement
        claim, again = _next(self.claim)._replace(fingerprint=self.payment.proof), False
        try:
            answer = await self.store.claim(key, claim)
            while True:
                match answer:
                    case Held(proof) if proof != claim.fingerprint:
                        return claim, answer, again
                    case Held() if answer.abandoned:
                        claim, again = _next(claim), True
                        answer = await self.store.take_over(key, claim)
                    case Held() if (left := until - _now()) > 0:
                        answer = await self.store.wait(key, answer, left)
                    case Absent():
                        claim, again = _next(claim), False
                        answer = await self.store.claim(key, claim)
                    case _:
                        return claim, answer, again
        except StoreError as error:
            _log.warning("A payment is settled without a claim: %s", error)
            return claim, None, again

    @asynccontextmanager
    async def _renewed(self, claim: Claim) -> AsyncIterator[None]:
        async def renew() -> None:
            while True:
                await asyncio.sleep(claim.lease / 4)
                with suppress(StoreError):  # the next one may succeed
                    await self.store.renew(self.payment.settlement, claim)

        renewal = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewal.cancel()

    async def _record(self, claim: Claim, outcome: Outcome, *, claimed: bool) -> None:
        """Now, or in the background. If that fails too, a claim lapses, and the next
        request asks again."""
        answer = _recordable(outcome.answer) if isinstance(outcome, Settled) else b""

        async def write() -> None:
            key = self.payment.settlement
            match outcome:
                case Settled():
                    # Evidence, which a store takes without a claim, and in a
                    # quarantine. Without it, a payer who has paid gets 402 for ever.
                    await self.store.complete(key, claim, Completed(answer), 200)
                case Failed() if claimed:
                    await self.store.release(key, claim)
                case Unknown() if claimed:
                    await self.store.abandon(key, claim)
                case Unknown():
                    # So that the next request knows that somebody has asked.
                    late = _next(claim)
                    await self.store.claim(key, late)
                    await self.store.abandon(key, late)

        try:
            await write()
        except StoreError as error:
            _log.warning("The outcome of a settlement could not be written: %s", error)
            write_later("The outcome of a settlement", write, len(answer))


def _recordable(answer: SettleResponse) -> bytes:
    body = answer.model_dump_json(by_alias=True).encode()
    return StoredResponse(200, [], body).to_bytes()


def _recorded(response: bytes) -> Outcome:
    try:
        answer = StoredResponse.from_bytes(response).body
        return Settled(SettleResponse.model_validate_json(answer))
    except (ValueError, StoreError):
        return Unknown("the record of the settlement cannot be read")


def _refused(question: Question, why: str) -> Failed:
    return Failed(
        SettleResponse(
            success=False,
            error_reason=DUPLICATE,
            error_message=why,
            transaction="",
            network=question.requirements.network,
        )
    )


def _next(claim: Claim) -> Claim:
    return claim._replace(owner=OwnerToken(urandom(16)))


def _now() -> float:
    return asyncio.get_running_loop().time()
