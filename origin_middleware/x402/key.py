"""`Policy(key_of=payment_key)`: the key of an x402 payment, from the request itself."""

import hashlib

from ..asgi import Scope
from ..key import MalformedKey, ProvenKey
from .payment import PaymentMalformed, decode_payment, payment_id

_HEADER = b"payment-signature"


def payment_key(scope: Scope) -> ProvenKey | MalformedKey | None:
    """What the chain uses up of the payment in `PAYMENT-SIGNATURE`; None without one.

    The header as it was sent is the proof: another spelling of the same payment, or the
    same nonce signed again, is a different request (422). Read strictly: a payment with
    a malformed, ambiguous or unsupported part is refused (400).

    It does not verify the payment: that is for a payment middleware outside.
    """
    lines = [value for name, value in scope["headers"] if name == _HEADER]
    if not lines:
        return None
    if len(lines) > 1:
        return MalformedKey("PAYMENT-SIGNATURE: the header is repeated.")
    try:
        key = payment_id(decode_payment(lines[0]))
    except PaymentMalformed as malformed:
        return MalformedKey(str(malformed))
    return ProvenKey(key, hashlib.sha256(lines[0]).digest())
