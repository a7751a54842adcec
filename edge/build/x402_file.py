"""What routes.toml says for a standard facilitator: prices, assets, who is paid."""

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeVar

from ..errors import Refused
from ..runtime.x402.facilitator import LARGEST_DEMAND
from ..runtime.x402.terms import (
    Accept,
    Auth,
    Identifier,
    Offer,
    OnUnknown,
    OnUsed,
)
from .terms import refuse_unknown

TERMS = ("facilitator", "auth", "settle_unknown", "used")
OF_A_ROUTE = ("description", "mime_type", "identifier", "accepts")
OF_AN_ACCEPT = (
    *("scheme", "network", "asset", "decimals", "name", "version"),
    *("price", "amount", "pay_to", "max_timeout_seconds"),
)

Choice = TypeVar("Choice", bound=str)

_AUTHS: tuple[Auth, ...] = ("none", "bearer", "cdp")
_UNKNOWN: tuple[OnUnknown, ...] = ("deliver", "refuse")
_USED: tuple[OnUsed, ...] = ("replay", "refuse")
_IDENTIFIERS: tuple[Identifier, ...] = ("off", "optional", "required")

# The handler and the settlement of a slow chain have to fit into it.
_SHORTEST_TIMEOUT = 60
_USUAL_TIMEOUT = 300
# The usual retention of the origin's records.
_LONGEST_TIMEOUT = 24 * 3600
# A token and the URL of a request are added to a demand when it is made.
_RESERVE = 1_500

_EVM_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_SVM_ADDRESS = re.compile(r"[1-9A-HJ-NP-Za-km-z]{32,44}")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_SVM_BYTES = 32
_WHOLE = re.compile(r"[1-9][0-9]{0,77}")
_DOLLARS = re.compile(r"\$([0-9]{1,60})(?:\.([0-9]{1,60}))?")
_LARGEST_EVM = 2**256 - 1
_LARGEST_SVM = 2**64 - 1

# CAIP-2: the chain's number, and as much of the genesis hash as fits.
_EVM_NETWORK = re.compile(r"eip155:[1-9][0-9]{0,31}")
_SVM_NETWORK = re.compile(r"solana:[1-9A-HJ-NP-Za-km-z]{32}")


class _Asset(NamedTuple):
    address: str
    decimals: int
    name: str
    version: str


# Circle's contracts, and the EIP-712 domains that they answer to.
_USDC = {
    "eip155:8453": _Asset(
        "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913", 6, "USD Coin", "2"
    ),
    "eip155:84532": _Asset(
        "0x036CbD53842c5426634e7929541eC2318f3dCF7e", 6, "USDC", "2"
    ),
    "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp": _Asset(
        "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v", 6, "", ""
    ),
    "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1": _Asset(
        "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU", 6, "", ""
    ),
}


class X402File(NamedTuple):
    auth: Auth
    unknown: OnUnknown
    used: OnUsed
    offers: Mapping[str, Offer]
    """By the path of the route."""


def is_x402(document: Mapping[str, Any]) -> bool:
    kind = document.get("facilitator", "nexflow")
    if kind not in ("nexflow", "x402"):
        raise Refused(f'facilitator must be "nexflow" or "x402", not {kind!r}.')
    return bool(kind == "x402")


def read_terms(document: Mapping[str, Any], offers: Mapping[str, Offer]) -> X402File:
    unknown = _one_of(document, "settle_unknown", _UNKNOWN)
    used = _one_of(document, "used", _USED)
    if unknown == used == "refuse":
        raise Refused(
            'settle_unknown = "refuse" needs used = "replay": a payer whose answer was'
            " withheld may have paid, and at the retry the payment is used."
        )
    return X402File(_one_of(document, "auth", _AUTHS), unknown, used, offers)


def refuse_too_short(offers: Mapping[str, Offer], shortest: float) -> None:
    """Of payments that say until when they are good: a payer signs for
    max_timeout_seconds, and the gate would refuse that."""
    for path, offer in offers.items():
        for accept in offer.accepts:
            seconds = accept.entry["maxTimeoutSeconds"]
            if _EVM_NETWORK.fullmatch(accept.entry["network"]) and seconds <= shortest:
                raise Refused(
                    f"{path}: nobody could pay, because a payment is good for"
                    f" max_timeout_seconds ({seconds}), which is not more than"
                    f" shortest_intent ({shortest:g})."
                )


def read_offer(table: Mapping[str, Any], where: str) -> Offer:
    if "network" in table:
        raise Refused(
            f"{where} has a network. For x402 it stands in [[route.accepts]]: move it."
        )
    accepts = table.get("accepts")
    if not isinstance(accepts, list) or not accepts:
        raise Refused(
            f"{where} has no [[route.accepts]], so nobody could pay. Add one with"
            ' scheme = "exact", network, price and pay_to.'
        )
    resource = {}
    for key, name in (("description", "description"), ("mime_type", "mimeType")):
        if key in table:
            resource[name] = _text(table, key, where)
    rule = _one_of(table, "identifier", _IDENTIFIERS, where)
    read = tuple(
        _accept(each, f"{where}, accepts {number}")
        for number, each in enumerate(accepts, 1)
    )
    offer = Offer(read, resource, rule)
    _check_size(offer, where)
    return offer


def _accept(table: object, where: str) -> Accept:
    if not isinstance(table, dict):
        raise Refused(
            f"{where} is not a table. Write [[route.accepts]] above its keys."
        )
    refuse_unknown(table, OF_AN_ACCEPT, where)
    scheme = table.get("scheme", "exact")
    if scheme not in ("exact", "upto"):
        raise Refused(f'{where}: scheme must be "exact" or "upto", not {scheme!r}.')
    network = _text(table, "network", where)
    is_evm = _EVM_NETWORK.fullmatch(network) is not None
    if not is_evm and not _SVM_NETWORK.fullmatch(network):
        raise Refused(
            f'{where}: network "{network}" is neither EVM nor Solana. Write'
            ' "eip155:8453", or "solana:" and the first 32 characters of the genesis'
            " hash."
        )
    if scheme == "upto" and not is_evm:
        raise Refused(f"{where}: upto is a scheme of EVM networks. Use exact.")
    asset = _asset(table, network, is_evm, where)
    amount = _amount(table, asset.decimals, where)
    _check_amount(amount, is_evm, where)
    pay_to = _address(table, "pay_to", is_evm, where)
    if is_evm and pay_to.casefold() == asset.address.casefold():
        raise Refused(
            f"{where}: pay_to is the asset's own contract, where payments are lost."
            " Write your address."
        )
    extra: dict[str, Any] = {}
    if is_evm:
        extra = {"name": asset.name, "version": asset.version}
    if scheme == "upto":
        extra["assetTransferMethod"] = "permit2"
    entry = {
        "scheme": scheme,
        "network": network,
        "amount": amount,
        "asset": asset.address,
        "payTo": pay_to,
        "maxTimeoutSeconds": _timeout(table, where),
        "extra": extra,
    }
    return Accept(entry, asset.decimals)


def _asset(table: dict[str, Any], network: str, is_evm: bool, where: str) -> _Asset:
    named = table.get("asset", "USDC")
    if named == "USDC":
        if network not in _USDC:
            raise Refused(
                f"{where}: the USDC of {network} is not known here. Write its address"
                " as asset, with decimals, name and version."
            )
        for key in ("decimals", "name", "version"):
            if key in table:
                raise Refused(
                    f"{where}: {key} goes with an asset by its address, and USDC's is"
                    " known. Remove it, or write the address as asset."
                )
        return _USDC[network]
    address = _address(table, "asset", is_evm, where)
    decimals = table.get("decimals")
    if type(decimals) is not int or not 0 <= decimals <= 36:
        raise Refused(f"{where}: an asset by address needs decimals, such as 6.")
    name = _text(table, "name", where) if is_evm else ""
    version = _text(table, "version", where) if is_evm else ""
    asset = _Asset(address, decimals, name, version)
    _refuse_contradiction(asset, network, where)
    return asset


def _refuse_contradiction(asset: _Asset, network: str, where: str) -> None:
    """To what is known of USDC, however its address is written."""
    for of, known in _USDC.items():
        if asset.address.casefold() != known.address.casefold():
            continue
        if of != network:
            raise Refused(f"{where}: asset is the USDC of {of}, not of {network}.")
        if asset[1:] != known[1:]:
            raise Refused(
                f"{where}: asset is USDC by its address, and decimals, name or version"
                ' is another one\'s. Write asset = "USDC", without them.'
            )


def _amount(table: dict[str, Any], decimals: int, where: str) -> str:
    if ("price" in table) == ("amount" in table):
        raise Refused(
            f'{where} needs either price = "$0.01" or amount = "10000" (atomic units).'
        )
    if "price" in table:
        return _priced(table["price"], decimals, where)
    amount = table["amount"]
    if not isinstance(amount, str) or not _WHOLE.fullmatch(amount):
        raise Refused(
            f"{where}: amount must be atomic units in quotes, over zero:"
            ' amount = "10000".'
        )
    return amount


def _priced(price: object, decimals: int, where: str) -> str:
    """In digits, not as a number: a Decimal is rounded after 28 of them."""
    found = _DOLLARS.fullmatch(price) if isinstance(price, str) else None
    if found is None:
        raise Refused(f'{where}: price must be written as "$0.01".')
    whole, part = found[1], (found[2] or "").rstrip("0")
    if len(part) > decimals:
        raise Refused(
            f"{where}: {price} is not whole in units of the asset, which has"
            f" {decimals} decimals."
        )
    atomic = int(whole + part.ljust(decimals, "0"))
    if not atomic:
        raise Refused(f"{where}: a price of zero is no price. Leave the route out.")
    return str(atomic)


def _check_amount(amount: str, is_evm: bool, where: str) -> None:
    largest = _LARGEST_EVM if is_evm else _LARGEST_SVM
    if int(amount) > largest:
        raise Refused(
            f"{where}: nobody could pay that: an amount on this network is at most"
            f" {largest} atomic units."
        )


def _address(table: dict[str, Any], key: str, is_evm: bool, where: str) -> str:
    address = _text(table, key, where)
    if not is_address(address, is_evm):
        example = "0x and 40 hexadecimal digits" if is_evm else "32 bytes in base58"
        raise Refused(f"{where}: {key} is no address of that network: {example}.")
    if not address.strip("0x" if is_evm else "1"):
        raise Refused(
            f"{where}: {key} is the zero address, {address}. What is paid to it is"
            " lost: write yours."
        )
    return address


def is_address(text: str, is_evm: bool) -> bool:
    """In base58, one character too few, or too many, is mostly another number of
    bytes."""
    if is_evm:
        return _EVM_ADDRESS.fullmatch(text) is not None
    if not _SVM_ADDRESS.fullmatch(text):
        return False
    number = 0
    for character in text:
        number = number * 58 + _BASE58.index(character)
    zeros = len(text) - len(text.lstrip("1"))
    return zeros + (number.bit_length() + 7) // 8 == _SVM_BYTES


def _timeout(table: dict[str, Any], where: str) -> int:
    seconds = table.get("max_timeout_seconds", _USUAL_TIMEOUT)
    if type(seconds) is not int or seconds < _SHORTEST_TIMEOUT:
        raise Refused(
            f"{where}: max_timeout_seconds must be {_SHORTEST_TIMEOUT} or more: your"
            " handler and the settlement have to be done before."
        )
    if seconds > _LONGEST_TIMEOUT:
        raise Refused(
            f"{where}: max_timeout_seconds must be {_LONGEST_TIMEOUT} or less: a"
            " payment must not stay good for longer than the origin knows of it."
        )
    return seconds


def _check_size(offer: Offer, where: str) -> None:
    accepts = [each.entry for each in offer.accepts]
    written = json.dumps({"accepts": accepts, "resource": offer.resource})
    size = len(b64encode(written.encode())) + _RESERVE
    if size > LARGEST_DEMAND:
        raise Refused(
            f"{where}: its PAYMENT-REQUIRED header would have {size:,} bytes, and"
            f" the gate sends no more than {LARGEST_DEMAND:,}. Shorten description, or"
            " list fewer accepts."
        )


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise Refused(f"{where}: {key} must be text in quotes, and not empty.")
    return value


def _one_of(
    table: Mapping[str, Any], key: str, known: tuple[Choice, ...], where: str = ""
) -> Choice:
    """The first is the default."""
    value = table.get(key, known[0])
    for each in known:
        if each == value:
            return each
    names = ", ".join(f'"{each}"' for each in known)
    raise Refused(f"{where + ': ' if where else ''}{key} must be one of {names}.")
