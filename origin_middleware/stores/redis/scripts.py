"""The Lua transitions, by the digest under which a server caches them, and what their
replies mean.
"""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from ...errors import RecordDamaged, StoreUnavailable
from ...record import Evidence, Exhausted, Finished, Held, Recorded
from .. import codec


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    source: str
    sha: str
    digest: bytes
    """The same, as a command needs it."""


def _load(name: str) -> Script:
    source = (files(__package__) / "lua" / f"{name}.lua").read_text(encoding="utf-8")
    sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    return Script(name, source, sha, sha.encode())


CLAIM = _load("claim")
TAKE_OVER = _load("take_over")
WATCH = _load("watch")
RENEW = _load("renew")
COMPLETE = _load("complete")
MARK = _load("mark")
BODY_GONE = _load("body_gone")
RELEASE = _load("release")
ABANDON = _load("abandon")
LOOK = _load("look")
FORGET = _load("forget")


_RECORDED = {each.value.encode(): Recorded(each) for each in Evidence}


def stored(reply: Any) -> codec.Stored:
    """A script's reply: the record, with its time to live where it is in progress."""
    match reply:
        case bytes():
            return codec.decode(reply)
        case [bytes(record), int(left)]:
            return codec.decode(record, left)
        case _:
            raise unexpected(reply)


def finished(seen: Held | Finished | Exhausted) -> Finished:
    if isinstance(seen, Finished):
        return seen
    raise RecordDamaged("A completion was answered with a record in progress.")


def recorded(reply: Any) -> Recorded:
    """What a completion found."""
    try:
        return _RECORDED[reply]
    except (KeyError, TypeError):
        raise unexpected(reply) from None


def unexpected(reply: Any) -> StoreUnavailable:
    return StoreUnavailable(
        f"Unexpected script reply from Redis: {reply!r:.60}. Does a proxy in between "
        "block scripts?",
        reason="refused",
    )
