"""AWS's answers about the gate and its surroundings, as plain values.

A value that could not be read is `Unread`, with the reason: a missing permission is not
a finding.
"""

from dataclasses import dataclass
from typing import Any

# A part of one of AWS's answers, with the names that botocore gives it.
Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unread:
    why: str


def read(raw: Raw | None, what: str) -> Raw | Unread:
    """The account's reader puts `{"unread": why}` where an answer should be."""
    if raw is None:
        return Unread(f"{what} is not in the saved configuration")
    if "unread" in raw:
        return Unread(f"{what} could not be read: {raw['unread']}")
    return raw
