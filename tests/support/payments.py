"""x402 payments as the official SDK's client makes and signs them."""

import base64
import json
from typing import Any

from eth_account import Account
from x402 import PaymentRequired, PaymentRequirements, x402ClientSync
from x402.http.utils import encode_payment_signature_header
from x402.mechanisms.evm.exact import ExactEvmClientScheme

NETWORK = "eip155:84532"
USDC = "0x036CbD53842c5426634e7929541eC2318f3dCF7e"
PAY_TO = "0x209693Bc6afc0C5328bA36FaF03C514EF312287C"
PRICE = "1000"

Json = dict[str, Any]


def requirements(**changed: Any) -> PaymentRequirements:
    terms: Json = {
        "scheme": "exact",
        "network": NETWORK,
        "asset": USDC,
        "amount": PRICE,
        "pay_to": PAY_TO,
        "max_timeout_seconds": 300,
        "extra": {"name": "USDC", "version": "2"},
    }
    return PaymentRequirements(**terms | changed)


def sign(accepted: PaymentRequirements, **challenge: Any) -> str:
    """A `PAYMENT-SIGNATURE`, by a payer whom nobody has seen before."""
    client = x402ClientSync()
    client.register("eip155:*", ExactEvmClientScheme(Account.create()))
    asked = PaymentRequired(accepts=[accepted], **challenge)
    payload = client.create_payment_payload(asked)
    return encode_payment_signature_header(payload)


def pay() -> str:
    return sign(requirements())


def pay_with_permit2() -> str:
    extra = {"name": "USDC", "version": "2", "assetTransferMethod": "permit2"}
    return sign(requirements(extra=extra))


def decoded(header: str) -> Json:
    payment: Json = json.loads(base64.b64decode(header))
    return payment


def encoded(payment: object) -> str:
    return base64.b64encode(json.dumps(payment).encode()).decode()
