"""Numbers in arguments: what is none, or cannot be meant, is refused with what can."""

from argparse import ArgumentTypeError
from collections.abc import Callable

_UNITS = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def count(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not int(text):
        raise ArgumentTypeError(f"{text!r}: write a whole number, 1 or more")
    return int(text)


def number(least: float, most: float) -> Callable[[str], float]:
    """Of these two and what is between them."""

    def parsed(text: str) -> float:
        found = _float(text)
        if found is None or not least <= found <= most:
            raise ArgumentTypeError(
                f"{text!r}: write a number from {least:.0f} to {most:.0f}"
            )
        return found

    return parsed


def seconds(text: str) -> float:
    """Of 90s, 10m, 2h, 1d."""
    found, unit = _float(text[:-1]), _UNITS.get(text[-1:])
    if found is None or unit is None or not 0 <= found < 1e9:
        raise ArgumentTypeError(f"{text!r}: write a number and s, m, h or d, as 10m")
    return found * unit


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
