"""The requests of the published contract. An invalid one cannot be constructed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

BASE_PATH = "/api/v1/facilitator/x402"
PROOF_HEADER = "x402-payment"

# CAIP-2: namespace:reference.
NETWORK = re.compile(r"[-a-z0-9]{3,8}:[-_a-zA-Z0-9]{1,32}")


class ContractError(ValueError):
    """The request breaks the contract; the message goes into the answer."""


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """Does this proof pay for this resource?"""

    network: str
    resource_id: str
    proof: str | None

    @classmethod
    def parse(cls, body: object) -> Self:
        """From JSON. Raises ContractError."""
        fields = _object(body, "the body")
        headers = _object(fields.get("headers"), "headers")
        for name, value in headers.items():
            if name != name.lower() or not isinstance(value, str):
                raise ContractError("headers must map lower-case names to strings")
        proof = headers.get(PROOF_HEADER)
        return cls(
            _network(fields),
            _text(fields, "resourceId"),
            proof if isinstance(proof, str) else None,
        )


@dataclass(frozen=True, slots=True)
class SettleRequest:
    """The resource was delivered for this intent."""

    network: str
    resource_id: str
    intent: str
    origin_status: int

    @classmethod
    def parse(cls, body: object) -> Self:
        """From JSON. Raises ContractError."""
        fields = _object(body, "the body")
        return cls(
            _network(fields),
            _text(fields, "resourceId"),
            _text(fields, "settlementIntentId"),
            _origin_status(fields),
        )


def _object(value: object, name: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ContractError(f"{name} must be an object")
    return value


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ContractError(f"{name} must be a non-empty string")
    return value


def _network(fields: Mapping[str, object]) -> str:
    network = _text(fields, "network")
    if not NETWORK.fullmatch(network):
        raise ContractError("network must be a CAIP-2 identifier such as eip155:8453")
    return network


def _origin_status(fields: Mapping[str, object]) -> int:
    value = fields.get("originStatus")
    if type(value) is not int or not 100 <= value <= 599:
        raise ContractError("originStatus must be an HTTP status")
    return value
