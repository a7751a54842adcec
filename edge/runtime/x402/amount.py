"""How much is settled of a maximum: `Settlement-Overrides` of a handler.

Settlement-Overrides: {"amount": "7"}   atomic units, or "50%", or "$0.01"
"""

import json
import re

from .terms import Accept

_ATOMIC = re.compile(r"0|[1-9][0-9]{0,77}")
_PERCENT = re.compile(r"([0-9]{1,3})(?:\.([0-9]{1,2}))?%")
_DOLLARS = re.compile(r"\$([0-9]{1,60})(?:\.([0-9]{1,60}))?")


def due(accept: Accept, override: str | None) -> str | None:
    """In atomic units; None if the override cannot be read, or is over the maximum.

    With `exact` the payer has signed the amount, so there an override says nothing."""
    most: str = accept.entry["amount"]
    if override is None or accept.entry["scheme"] != "upto":
        return most
    try:
        said = json.loads(override)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    if "amount" not in said:
        return most
    amount = _atomic(said["amount"], int(most), accept.decimals)
    return str(amount) if amount is not None and amount <= int(most) else None


def _atomic(said: object, most: int, decimals: int) -> int | None:
    """A part of an atomic unit is left to the payer."""
    if not isinstance(said, str):
        return None
    if _ATOMIC.fullmatch(said):
        return int(said)
    if percent := _PERCENT.fullmatch(said):
        whole, part = percent.groups()
        return most * int(whole + (part or "").ljust(2, "0")) // 10_000
    if dollars := _DOLLARS.fullmatch(said):
        whole, part = dollars.groups()
        return int(whole + (part or "").ljust(decimals, "0")[:decimals])
    return None
