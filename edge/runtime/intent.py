"""The settlement intent and the headers that carry it to the origin."""

from collections.abc import Mapping

from .hints import TypeGuard, TypeVar

INTENT_HEADER = "x-settlement-intent-id"
RESOURCE_HEADER = "x-settlement-resource-id"
NETWORK_HEADER = "x-settlement-network"

# In the order in which they are signed.
CARRIERS = (INTENT_HEADER, RESOURCE_HEADER, NETWORK_HEADER)

# The two signature headers are on the list although a bundle may not sign:
# an origin that checks signatures must never be shown one that a client made up.
CONTRACT_HEADERS = frozenset({*CARRIERS, "signature-input", "signature"})

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
    """What a client sends under our names is forged: it goes before anything reads.
    With an underscore, too: where headers become variables, that is the same name."""
    return {
        name: values
        for name, values in headers.items()
        if name.lower().replace("_", "-") not in CONTRACT_HEADERS
    }


def carried(headers: Mapping[str, str]) -> tuple[str | None, str | None, str | None]:
    """Intent, resource id and network of a forwarded request, as far as they are fit
    to be used: what is a header of the gate's has its form."""
    return (
        _fit(headers.get(INTENT_HEADER)),
        _fit(headers.get(RESOURCE_HEADER)),
        _fit(headers.get(NETWORK_HEADER)),
    )


def contract_headers(intent: str, resource_id: str, network: str) -> dict[str, str]:
    return {
        INTENT_HEADER: intent,
        RESOURCE_HEADER: resource_id,
        NETWORK_HEADER: network,
    }


def _fit(value: str | None) -> str | None:
    return value if is_intent(value) else None
