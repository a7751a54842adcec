"""`settle_once`: a facilitator client around the SDK's.

    verify: a payment that we have asked to settle ─▶ valid, unasked
            any other                              ─▶ the facilitator
    settle: once for each payment: settlement.py

Between the two calls a handler runs, or a recorded response goes out. The record of a
settlement is in the same store as that of the request, under a key of its own.
"""

import asyncio
import logging
from enum import Enum, auto
from inspect import iscoroutinefunction
from typing import Literal, assert_never

from x402 import SettleResponse, SupportedResponse, VerifyResponse
from x402.http import FacilitatorClient
from x402.schemas import (
    PaymentPayload,
    PaymentPayloadV1,
    PaymentRequirements,
    PaymentRequirementsV1,
)

from ..errors import ConfigurationError, StoreError
from ..key import key_digest
from ..policy import is_seconds
from ..record import SETTLEMENT, Claim, Fingerprint, OwnerToken
from ..runtime import spawn
from ..stores import Budgeted, Store
from .facilitator import (
    DUPLICATE,
    PENDING,
    Failed,
    OnUsed,
    Question,
    Settled,
    Unknown,
    is_used,
)
from .passage import Payment
from .payment import PaymentMalformed
from .settlement import Settlement

_log = logging.getLogger("origin_middleware")

# Of a claim on a settlement, in seconds, where the store does not need more.
_LEASE = 10.0

# Effectively unlimited: a payment ends when it expires.
_ATTEMPTS = 999_999

OnUnknown = Literal["deliver", "refuse"]
_Payload = PaymentPayload | PaymentPayloadV1
_Requirements = PaymentRequirements | PaymentRequirementsV1


def settle_once(
    client: FacilitatorClient,
    store: Store,
    *,
    on_unknown: OnUnknown = "deliver",
    on_used: OnUsed = "settled",
    patience: float = 90.0,
    retention: float = 86_400.0,
) -> "SettleOnce":
    """A facilitator client for `x402ResourceServer(...)` that settles a payment once.

    `store` is that of the `IdempotencyMiddleware(policy=Policy(key_of=payment_key))`
    inside the payment middleware: without one, a payment that is settled pays for
    nothing more.

    `on_unknown` says what happens to a response whose settlement is still unknown after
    the facilitator was asked twice: "deliver" it, so that the seller may lose its
    price; or "refuse" it, so that a payer who has paid gets it with a later retry. The
    next retry asks again. Neither demands another payment.

    `on_used` says what it means that the chain has used up a payment whose settlement
    was unknown: it is "settled"; or "failed", for sellers who fear payers that revoke
    an authorization at such a moment.

    In seconds: how long a duplicate waits for the settlement of another, and how long a
    settlement is kept on record; not longer than the retention of the policy.

    Raises ConfigurationError for arguments that cannot work.
    """
    _check(client, store, on_unknown, on_used)
    for name, seconds in (("patience", patience), ("retention", retention)):
        if not is_seconds(seconds):
            raise ConfigurationError(
                f"settle_once({name}={seconds!r}): {name} must be a number of seconds, "
                "0 or more."
            )
    lease = max(_LEASE, 2 * store.budget) if isinstance(store, Budgeted) else _LEASE
    if retention <= lease:
        raise ConfigurationError(
            f"settle_once(retention={retention!r}) must be longer than {lease:g} "
            "seconds, for which a settlement is claimed."
        )
    nobody, nothing = OwnerToken(b""), Fingerprint(b"")
    claim = Claim(nobody, nothing, lease, retention, _ATTEMPTS, trace=SETTLEMENT)
    return SettleOnce(client, store, claim, patience, on_unknown, on_used)


class _Seen(Enum):
    """What the store knows of a settlement."""

    NOT_ASKED = auto()
    ASKED = auto()
    SPENT = auto()
    """For another proof, or for a request of which nothing is on record any more."""
    UNCLEAR = auto()


class SettleOnce:
    """What `settle_once` makes: a `FacilitatorClient` of the SDK."""

    def __init__(
        self,
        client: FacilitatorClient,
        store: Store,
        claim: Claim,
        patience: float,
        on_unknown: OnUnknown,
        on_used: OnUsed,
    ) -> None:
        self._client = client
        self._store = store
        self._claim = claim
        self._patience = patience
        self._on_unknown = on_unknown
        self._on_used = on_used

    def get_supported(self) -> SupportedResponse:
        return self._client.get_supported()

    async def verify(
        self, payload: _Payload, requirements: _Requirements
    ) -> VerifyResponse:
        try:
            payment = Payment.of(payload, requirements)
        except PaymentMalformed as malformed:
            return VerifyResponse(
                is_valid=False,
                invalid_reason="invalid_payload",
                invalid_message=str(malformed),
            )
        payment.enter()
        match await self._seen(payment):
            case _Seen.ASKED:
                payment.enter(asked=True)
                return VerifyResponse(is_valid=True)
            case _Seen.SPENT:
                return VerifyResponse(is_valid=False, invalid_reason=DUPLICATE)
        answer = await self._client.verify(payload, requirements)
        if answer.is_valid:
            return answer
        # Meanwhile it may have been settled, and have become invalid by that.
        match await self._seen(payment):
            case _Seen.ASKED:
                payment.enter(asked=True)
                return VerifyResponse(is_valid=True)
            case _Seen.UNCLEAR if is_used(answer.invalid_reason):
                # Perhaps by us. The middleware inside has the same store: it waits, or
                # answers 503, and does not demand another payment.
                # Not so where it has expired: facilitators say that before they look at
                # the signature, and the policy inside may run handlers without a store.
                return VerifyResponse(is_valid=True)
        return answer

    async def settle(
        self, payload: _Payload, requirements: _Requirements
    ) -> SettleResponse:
        try:
            payment = Payment.of(payload, requirements)
        except PaymentMalformed as malformed:
            return SettleResponse(
                success=False,
                error_reason="invalid_payload",
                error_message=str(malformed),
                transaction="",
                network=requirements.network,
            )
        question = Question(self._client, payload, requirements, self._on_used)
        settlement = Settlement(
            self._store,
            payment,
            self._claim,
            self._patience,
            asked=payment.asked,
            keyed=payment.keyed or payment.comes_first,
        )
        # Money is moving: neither a request that is cancelled nor a shutdown must take
        # the answer along.
        outcome = await asyncio.shield(spawn(settlement.outcome(question)))
        match outcome:
            case Settled(answer) | Failed(answer):
                return answer
            case Unknown():
                return self._unknown(payment, outcome, requirements)
            case _:
                assert_never(outcome)

    async def _seen(self, payment: Payment) -> _Seen:
        try:
            settlement = await self._store.look(payment.settlement)
            if settlement is None or settlement.state == "released":
                return _Seen.NOT_ASKED
            if settlement.fingerprint != payment.proof:
                return _Seen.SPENT
            # Its handler has run before that. Without a record of it, it would run
            # again, and not every facilitator says that the payment is used.
            request = await self._store.look(payment.key)
        except StoreError:
            return _Seen.UNCLEAR
        return _Seen.SPENT if request is None else _Seen.ASKED

    def _unknown(
        self, payment: Payment, verdict: Unknown, requirements: _Requirements
    ) -> SettleResponse:
        delivers = self._on_unknown == "deliver"
        _log.warning(
            "It is unknown whether a payment was settled (%s); its response is %s. "
            "The next request with it asks again. key=%s transaction=%s",
            verdict.reason,
            "delivered" if delivers else "withheld",
            key_digest(payment.key),
            verdict.transaction or "none",
        )
        return SettleResponse(
            success=delivers,
            error_reason=None if delivers else PENDING,
            transaction=verdict.transaction,
            network=requirements.network,
            extra={"settlement": "unknown"},
        )


def _check(
    client: FacilitatorClient, store: Store, on_unknown: object, on_used: object
) -> None:
    for name in ("verify", "settle"):
        if not iscoroutinefunction(getattr(client, name, None)):
            raise ConfigurationError(
                f"settle_once({type(client).__name__}): the first argument must be an "
                "async facilitator client, such as x402.http.HTTPFacilitatorClient."
            )
    if isinstance(store, type) or not isinstance(store, Store):
        raise ConfigurationError(
            f"settle_once(..., {type(store).__name__}): the second argument must be "
            "the store that IdempotencyMiddleware has."
        )
    if on_unknown not in ("deliver", "refuse"):
        raise ConfigurationError(
            f"settle_once(on_unknown={on_unknown!r}) must be 'deliver' or 'refuse'."
        )
    if on_used not in ("settled", "failed"):
        raise ConfigurationError(
            f"settle_once(on_used={on_used!r}) must be 'settled' or 'failed'."
        )
