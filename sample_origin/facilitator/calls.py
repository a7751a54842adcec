"""What the two endpoints are sent; a call that breaks the contract cannot be made."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

PROOF_HEADER = "x402-payment"

# CAIP-2: namespace:reference.
NETWORK = re.compile(r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}")


class CallError(ValueError):
    """The call breaks the contract; the message goes into the answer."""


@dataclass(frozen=True, slots=True)
class VerifyCall:
    """Does this request pay for this resource?"""

    network: str
    resource_id: str
    proof: str | None

    @classmethod
    def parse(cls, body: object) -> Self:
        """From JSON. Raises CallError."""
        fields = _object(body, "the body")
        headers = _object(fields.get("headers"), "headers")
        for name, value in headers.items():
            if name != name.lower() or not isinstance(value, str):
                raise CallError("headers must map lower-case names to strings")
        proof = headers.get(PROOF_HEADER)
        return cls(
            _network(fields),
            _text(fields, "resourceId"),
            proof if isinstance(proof, str) else None,
        )


@dataclass(frozen=True, slots=True)
class SettleCall:
    """The resource was delivered for this intent."""

    network: str
    resource_id: str
    intent: str
    origin_status: int

    @classmethod
    def parse(cls, body: object) -> Self:
        """From JSON. Raises CallError."""
        fields = _object(body, "the body")
        return cls(
            _network(fields),
            _text(fields, "resourceId"),
            _text(fields, "settlementIntentId"),
            _origin_status(fields),
        )


def _object(value: object, what: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise CallError(f"{what} must be an object")
    return value


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise CallError(f"{name} must be a non-empty string")
    return value


def _network(fields: Mapping[str, object]) -> str:
    network = _text(fields, "network")
    if not NETWORK.fullmatch(network):
        raise CallError("network must be a CAIP-2 identifier such as eip155:8453")
    return network


def _origin_status(fields: Mapping[str, object]) -> int:
    value = fields.get("originStatus")
    if type(value) is not int or not 100 <= value <= 599:
        raise CallError("originStatus must be an HTTP status")
    return value
