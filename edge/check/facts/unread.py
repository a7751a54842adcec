"""What could not be read, and why: a missing permission is no finding."""

from dataclasses import dataclass
from typing import Any

# A part of what AWS answered, with the names that botocore gives it.
Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unread:
    why: str


def read(answer: Answer | None, what: str) -> Answer | Unread:
    """The collector puts `{"unread": why}` where an answer should be."""
    if answer is None:
        return Unread(f"{what} is not in the saved configuration")
    if "unread" in answer:
        return Unread(f"{what} could not be read: {answer['unread']}")
    return answer
