"""The settlement intent and the headers that carry it to the origin."""

from collections.abc import Iterable, Mapping

from .hints import TypeGuard, TypeVar

INTENT_HEADER = "x-settlement-intent-id"
RESOURCE_HEADER = "x-settlement-resource-id"
NETWORK_HEADER = "x-settlement-network"

# In the order in which they are signed.
CARRIERS = (INTENT_HEADER, RESOURCE_HEADER, NETWORK_HEADER)

# The two signature headers are on the list although a bundle may not sign:
# an origin that checks signatures must never be shown one that a client made up.
CONTRACT_HEADERS = frozenset({*CARRIERS, "signature-input", "signature"})

# Of a gate before a standard facilitator: the digest of the payment as it was sent, and
# what stands in place of the intent where the payment is used.
PROOF_HEADER = "x-settlement-proof"
REPLAY_HEADER = "x-settlement-replay-id"
X402_HEADERS = frozenset({PROOF_HEADER, REPLAY_HEADER})

LONGEST_INTENT = 255

# Some origins take another path, or another method, from these. Then the path that was
# paid for would not be the path that is run. No browser sends them unasked.
# A prefix, or a script's name, is taken off the path before it is routed.
PATH_OVERRIDES = frozenset(
    {
        *("x-original-url", "x-original-uri", "x-rewrite-url", "x-forwarded-uri"),
        *("x-forwarded-prefix", "x-script-name", "script-name", "path-info"),
    }
)
METHOD_OVERRIDES = frozenset(
    {"x-http-method-override", "x-http-method", "x-method-override"}
)
_FORGED = CONTRACT_HEADERS | X402_HEADERS | PATH_OVERRIDES

Values = TypeVar("Values")


def is_intent(value: object) -> TypeGuard[str]:
    """1 to 255 visible ASCII characters: fit for a header and for a store's key."""
    return (
        isinstance(value, str)
        and 1 <= len(value) <= LONGEST_INTENT
        and all("!" <= character <= "~" for character in value)
    )


def without_contract_headers(headers: Mapping[str, Values]) -> dict[str, Values]:
    """A client's headers under the gate's names are forged: they go before anything
    reads them. So do headers that would replace the path that the gate has judged."""
    return _without(_FORGED, headers.items())


def without_method_overrides(headers: Mapping[str, Values]) -> dict[str, Values]:
    return _without(METHOD_OVERRIDES, headers.items())


def _without(
    names: frozenset[str], headers: Iterable[tuple[str, Values]]
) -> dict[str, Values]:
    """With an underscore, too: as variables, both would be the same name."""
    return {
        name: values
        for name, values in headers
        if name.lower().replace("_", "-") not in names
    }


def carried(headers: Mapping[str, str]) -> tuple[str | None, str | None, str | None]:
    """Intent, resource id and network of a forwarded request; None for each that does
    not have the form of the gate's own header."""
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


def signed_names(headers: Mapping[str, str]) -> tuple[str, ...]:
    """All that says something about the payment, in the order in which it is signed."""
    if INTENT_HEADER not in headers and REPLAY_HEADER in headers:
        return (REPLAY_HEADER, *CARRIERS[1:], PROOF_HEADER)
    return (*CARRIERS, PROOF_HEADER) if PROOF_HEADER in headers else CARRIERS


def _fit(value: str | None) -> str | None:
    return value if is_intent(value) else None
