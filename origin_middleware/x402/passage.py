"""A payment on its way through the app, from `verify` over the handler to `settle`."""

import hashlib
import json
from contextvars import ContextVar
from dataclasses import dataclass

from x402.schemas import (
    PaymentPayload,
    PaymentPayloadV1,
    PaymentRequirements,
    PaymentRequirementsV1,
)

from ..key import Key
from ..record import Fingerprint
from .payment import payment_id


@dataclass(slots=True)
class _Passing:
    id: str
    asked: bool
    keyed: bool = False


_passing: ContextVar[_Passing | None] = ContextVar("origin_middleware.x402")


@dataclass(frozen=True, slots=True)
class Payment:
    key: Key
    """Of the request that it pays for."""
    proof: Fingerprint
    """Of everything in it, as it was sent."""
    comes_first: bool
    """It is settled before the handler runs: `paymentFlow` is not `authorization`."""

    @classmethod
    def of(
        cls,
        payload: PaymentPayload | PaymentPayloadV1,
        requirements: PaymentRequirements | PaymentRequirementsV1,
    ) -> "Payment":
        """Raises PaymentMalformed."""
        members = payload.model_dump(mode="json", by_alias=True, exclude_none=True)
        text = json.dumps(members, sort_keys=True)
        proof = Fingerprint(hashlib.sha256(text.encode()).digest())
        extra = requirements.extra or {}
        flow = extra.get("paymentFlow", "authorization")
        return cls(Key(payment_id(members)), proof, flow != "authorization")

    @property
    def settlement(self) -> Key:
        """The key of its settlement."""
        return Key(f"settle:{self.key}")

    def enter(self, *, asked: bool = False) -> None:
        """The same variable is seen inside, in the tasks of other middleware too."""
        _passing.set(_Passing(self.key, asked))

    @property
    def asked(self) -> bool:
        """Did the store say, when it was verified, that it was asked for before?"""
        inside = _passing.get(None)
        return inside is not None and inside.id == self.key and inside.asked

    @property
    def keyed(self) -> bool:
        """Is the middleware inside, and has it keyed this request by this payment?"""
        inside = _passing.get(None)
        return inside is not None and inside.id == self.key and inside.keyed


def tell_keyed(payment_id: str) -> None:
    passing = _passing.get(None)
    if passing is not None and passing.id == payment_id:
        passing.keyed = True
