"""The settlement intent and the headers that carry it to the origin."""

from collections.abc import Mapping
from typing import TypeGuard, TypeVar

INTENT_HEADER = "x-settlement-intent-id"
RESOURCE_HEADER = "x-settlement-resource-id"
NETWORK_HEADER = "x-settlement-network"

# The two signature headers are on the list although a bundle may not sign:
# an origin that checks signatures must never be shown one that a client made up.
CONTRACT_HEADERS = frozenset(
    {INTENT_HEADER, RESOURCE_HEADER, NETWORK_HEADER, "signature-input", "signature"}
)

LONGEST_INTENT = 255

Values = TypeVar("Values")


def is_intent(value: object) -> TypeGuard[str]:
    """1 to 255 visible ASCII characters: fit for a header, and for a key in a store."""
    return (
        isinstance(value, str)
        and 1 <= len(value) <= LONGEST_INTENT
        and all("!" <= character <= "~" for character in value)
    )


def without_contract_headers(headers: Mapping[str, Values]) -> dict[str, Values]:
    """What a client sends under our names is forged: it goes before anything reads."""
    return {
        name: values
        for name, values in headers.items()
        if name.lower() not in CONTRACT_HEADERS
    }


def contract_headers(intent: str, resource_id: str, network: str) -> dict[str, str]:
    return {
        INTENT_HEADER: intent,
        RESOURCE_HEADER: resource_id,
        NETWORK_HEADER: network,
    }
