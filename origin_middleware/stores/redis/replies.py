"""What the scripts answer, as values."""

from typing import Any

from ...errors import RecordDamaged, StoreUnavailable
from ...record import Evidence, Finished, Held
from .. import codec


def stored(reply: Any) -> codec.Stored:
    """A script's reply: the record, with its time to live where it is in progress."""
    match reply:
        case bytes():
            return codec.decode(reply)
        case [bytes(record), int(left)]:
            return codec.decode(record, left)
        case _:
            raise _unexpected(reply)


def finished(seen: Held | Finished) -> Finished:
    if isinstance(seen, Finished):
        return seen
    raise RecordDamaged("A completion was answered with a record in progress.")


def evidence(reply: Any) -> Evidence:
    try:
        return Evidence(reply.decode())
    except (AttributeError, ValueError):
        raise _unexpected(reply) from None


def _unexpected(reply: Any) -> StoreUnavailable:
    return StoreUnavailable(
        f"Redis answered a script with {reply!r:.60}, which none of ours says. Is "
        "there a proxy in between that knows no scripts?"
    )
