"""What the scripts answer, as values."""

from typing import Any

from ...errors import RecordDamaged
from ...record import Finished, Held
from .. import codec


def stored(reply: bytes | list[Any]) -> codec.Stored:
    """A script's reply: the record, with its time to live where it is in progress."""
    return codec.decode(*reply) if isinstance(reply, list) else codec.decode(reply)


def finished(seen: Held | Finished) -> Finished:
    if isinstance(seen, Finished):
        return seen
    raise RecordDamaged("A completion was answered with a record in progress.")
