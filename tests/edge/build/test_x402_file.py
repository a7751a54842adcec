"""What routes.toml may say for a standard facilitator, and what the build refuses."""

from base64 import b64encode
from typing import Any

import pytest

from edge.build.environment import Secrets, read_x402_environment
from edge.build.routes_file import parse_routes
from edge.build.supported import complete
from edge.errors import Refused
from tests.edge.commands import SIGNING

EVM = {
    "network": "eip155:8453",
    "price": "$0.01",
    "pay_to": "0x209693Bc6afc0C5328bA36FaF03C514EF312287C",
}
SVM = {
    "network": "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1",
    "price": "$0.01",
    "pay_to": "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU",
}

USDC = "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"
ODD = {"decimals": 30, "version": "1"}


def document(accept: object, route: dict[str, Any], **terms: Any) -> dict[str, Any]:
    whole = {"path": "/a", "resource_id": "a", "accepts": [accept]} | route
    return {"facilitator": "x402", "route": [whole], **terms}


def entry(accept: object) -> Any:
    file = parse_routes(document(accept, {})).x402
    assert file is not None
    return file.offers["/a"].accepts[0].entry


def test_usdc_by_its_name() -> None:
    assert entry(EVM) == {
        "scheme": "exact",
        "network": "eip155:8453",
        "amount": "10000",
        "asset": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
        "payTo": EVM["pay_to"],
        "maxTimeoutSeconds": 300,
        "extra": {"name": "USD Coin", "version": "2"},
    }


def test_a_price_is_not_rounded() -> None:
    """As a Decimal it would be, after 28 digits."""
    coin = EVM | ODD | {"asset": "0x" + "1" * 40, "name": "a"}
    price = "$1." + "0" * 29 + "1"
    assert entry(coin | {"price": price})["amount"] == "1" + "0" * 29 + "1"
    assert entry(EVM | {"price": "$0.0100000000"})["amount"] == "10000"


# By its address, as it is.
OWN = {"asset": USDC, "decimals": 6, "name": "USD Coin", "version": "2"}


@pytest.mark.parametrize("asset", [USDC, USDC.lower()])
def test_usdc_may_be_written_by_its_address(asset: str) -> None:
    accept = EVM | OWN | {"asset": asset}
    assert entry(accept)["extra"] == {"name": "USD Coin", "version": "2"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"price": "$0.0000001"}, "not whole"),
        ({"price": "0.01"}, "must be written"),
        ({"price": "$0"}, "price of zero"),
        ({"price": "$0.01", "amount": "1"}, "either price"),
        ({"amount": "0", "price": None}, "over zero"),
        ({"amount": 5, "price": None}, "in quotes"),
        ({"pay_to": "0x12"}, "pay_to is no address"),
        ({"max_timeout_seconds": 59}, "60 or more"),
        ({"scheme": "batch-settlement"}, "scheme must be"),
        ({"network": "base"}, "neither EVM nor Solana"),
        ({"network": "eip155:1"}, "USDC of eip155:1 is not known"),
        ({"asset": "0x" + "1" * 40}, "needs decimals"),
        ({"payTo": "x"}, "unknown key"),
        ({"price": 0.01}, "must be written"),
        ({"price": "$-1"}, "must be written"),
        ({"price": "$" + "9" * 5000}, "must be written"),
        (
            {"price": "$" + "9" * 60, "asset": "0x" + "1" * 40, "name": "a"} | ODD,
            "most",
        ),
        ({"amount": "9" * 78, "price": None}, "at most"),
        (SVM | {"amount": str(2**64), "price": None}, "at most"),
        (SVM | {"pay_to": "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDnc"}, "no address"),
        (SVM | {"pay_to": "1" * 32}, "pay_to is the zero address"),
        (SVM | {"network": "solana:mainnet"}, "neither EVM nor Solana"),
        ({"network": "eip155:base"}, "neither EVM nor Solana"),
        ({"network": "eip155:8453\n"}, "neither EVM nor Solana"),
        ({"pay_to": "0x" + "0" * 40}, "pay_to is the zero address"),
        ({"pay_to": USDC.upper().replace("X", "x")}, "asset's own contract"),
        ({"decimals": 18}, "Remove it"),
        (OWN | {"decimals": 2}, "asset is USDC by its address, and decimals"),
        (OWN | {"name": "USDC"}, "asset is USDC by its address, and decimals"),
        (OWN | {"asset": USDC.lower(), "version": "1"}, "asset is USDC by its address"),
        (OWN | {"network": "eip155:84532"}, "is the USDC of eip155:8453, not of"),
        ({"max_timeout_seconds": 86_401}, "86400 or less"),
    ],
)
def test_an_accept_that_nobody_could_pay(change: dict[str, Any], says: str) -> None:
    accept = {k: v for k, v in (EVM | change).items() if v is not None}
    with pytest.raises(Refused, match=says):
        parse_routes(document(accept, {}))


@pytest.mark.parametrize(
    ("route", "terms", "says"),
    [
        ({"accepts": []}, {}, "nobody could pay"),
        ({"network": "eip155:8453"}, {}, "move it"),
        ({"identifier": "yes"}, {}, "identifier must be one of"),
        ({"description": "x" * 6_000}, {}, "8,192"),
        ({}, {"auth": "basic"}, "auth must be one of"),
        ({}, {"settle_unknown": "x"}, "settle_unknown must be one of"),
        ({}, {"used": "x"}, "used must be one of"),
        ({}, {"used": "refuse", "settle_unknown": "refuse"}, "needs used"),
        ({}, {"facilitator": "y"}, "facilitator must be"),
        ({}, {"shortest_intent": 300}, "/a: nobody could pay"),
        ({}, {"shortest_intent": 3600}, "/a: nobody could pay"),
    ],
)
def test_terms_that_make_no_sense(
    route: dict[str, Any], terms: dict[str, Any], says: str
) -> None:
    with pytest.raises(Refused, match=says):
        parse_routes(document(EVM, route) | terms)


def test_a_payment_that_says_nothing_of_its_end_is_never_too_short() -> None:
    assert parse_routes(document(SVM, {}, shortest_intent=3600)).lifetime.shortest
    assert parse_routes(document(EVM, {}, shortest_intent=299)).lifetime.shortest


def completed(accept: object, kinds: list[Any] | None) -> Any:
    file = parse_routes(document(accept, {})).x402
    assert file is not None
    secrets = Secrets("https://pay.test", "")
    ask = None if kinds is None else lambda *_: {"kinds": kinds}
    return complete(file, secrets, 0.0, ask).offers["/a"].accepts[0].entry


def test_what_the_facilitator_supports() -> None:
    kind = {"x402Version": 2, "scheme": "exact", "network": "eip155:8453"}
    assert completed(EVM, [kind]) == entry(EVM)
    assert completed(EVM, [kind | {"network": "eip155:*"}]) == entry(EVM)
    assert completed(EVM, None) == entry(EVM)
    payer = kind | {"network": SVM["network"], "extra": {"feePayer": SVM["pay_to"]}}
    assert completed(SVM, [payer])["extra"] == {"feePayer": SVM["pay_to"]}
    pays = kind | {"scheme": "upto", "extra": {"facilitatorAddress": EVM["pay_to"]}}
    assert completed(EVM | {"scheme": "upto"}, [pays])["extra"]["facilitatorAddress"]


@pytest.mark.parametrize(
    ("accept", "kinds", "says"),
    [
        (EVM, [], "does not settle exact on eip155:8453"),
        (
            EVM,
            [{"x402Version": 1, "scheme": "exact", "network": "eip155:8453"}],
            "not settle",
        ),
        (SVM, None, "without --offline"),
        (
            SVM,
            [{"x402Version": 2, "scheme": "exact", "network": SVM["network"]}],
            "does not name its feePayer",
        ),
        *(
            (
                SVM,
                [
                    {
                        "x402Version": 2,
                        "scheme": "exact",
                        "network": SVM["network"],
                        "extra": extra,
                    }
                ],
                "does not name its feePayer",
            )
            for extra in ("text", [1], {"feePayer": "somebody"}, {"feePayer": 1})
        ),
    ],
)
def test_what_the_facilitator_does_not(
    accept: object, kinds: list[Any] | None, says: str
) -> None:
    with pytest.raises(Refused, match=says):
        completed(accept, kinds)


URL = {"X402_FACILITATOR_URL": "https://pay.test/x402"}
CDP = {"CDP_API_KEY_ID": "k", "CDP_API_KEY_SECRET": b64encode(bytes(64)).decode()}


def test_the_environment() -> None:
    secrets = read_x402_environment(URL | SIGNING | CDP, "cdp")
    assert (secrets.auth, secrets.key_id) == ("cdp", "k")
    token = {"X402_BEARER_TOKEN": "t"}
    assert read_x402_environment(URL | SIGNING | token, "bearer").key == "t"
    assert read_x402_environment(URL | SIGNING, "none").key == ""


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        (SIGNING, "X402_FACILITATOR_URL is not set"),
        (URL, "must sign"),
        (URL | SIGNING, "CDP_API_KEY_ID is not set"),
        (URL | SIGNING | CDP | {"CDP_API_KEY_SECRET": "e30="}, "Ed25519"),
        (SIGNING | {"X402_FACILITATOR_URL": "http://pay.test"}, "https"),
    ],
)
def test_an_environment_that_is_refused(environment: dict[str, str], says: str) -> None:
    with pytest.raises(Refused, match=says):
        read_x402_environment(environment, "cdp")
