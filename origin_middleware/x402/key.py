"""`Policy(key_of=payment_key)`: the key of an x402 payment, from the request itself."""

import hashlib

from ..asgi import ASGIApp, Scope
from ..errors import ConfigurationError
from ..key import MalformedKey, ProvenKey
from .passage import tell_keyed
from .payment import PaymentMalformed, decode_payment, payment_id

_HEADER = b"payment-signature"


class PaymentKey:
    """What the chain uses up of the payment in `PAYMENT-SIGNATURE`; None without one.

    The header as it was sent is the proof: another spelling of the same payment, or the
    same nonce signed again, is a different request (422). Read strictly: a payment with
    a malformed, ambiguous or unsupported part is refused (400).

    It does not verify the payment: that is for the payment middleware outside.
    """

    def __call__(self, scope: Scope) -> ProvenKey | MalformedKey | None:
        lines = [value for name, value in scope["headers"] if name == _HEADER]
        if not lines:
            return None
        if len(lines) > 1:
            return MalformedKey("PAYMENT-SIGNATURE: the header is repeated.")
        try:
            key = payment_id(decode_payment(lines[0]))
        except PaymentMalformed as malformed:
            return MalformedKey(str(malformed))
        tell_keyed(key)
        return ProvenKey(key, hashlib.sha256(lines[0]).digest())

    def check_app(self, app: ASGIApp) -> None:
        """The SDK's middleware belongs outside: inside, it answers for payments that
        nobody has verified yet, and charges for what is not recorded.
        """
        inside: object = app
        while inside is not None:
            if type(inside).__module__.partition(".")[0] == "x402":
                name = type(inside).__name__
                raise ConfigurationError(
                    f"IdempotencyMiddleware is outside {name}, and has to be inside. "
                    f"Call app.add_middleware({name}, ...) last, or put it first in a "
                    "list of middleware."
                )
            inside = getattr(inside, "app", None)

    def __repr__(self) -> str:
        return "payment_key"


payment_key = PaymentKey()
