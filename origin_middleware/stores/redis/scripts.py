"""The Lua transitions, by the digest under which a server caches them."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Script:
    name: str
    source: str
    sha: str


def _load(name: str) -> Script:
    source = (files(__package__) / "lua" / f"{name}.lua").read_text(encoding="utf-8")
    return Script(
        name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    )


CLAIM = _load("claim")
TAKE_OVER = _load("take_over")
WATCH = _load("watch")
RENEW = _load("renew")
COMPLETE = _load("complete")
RELEASE = _load("release")
ABANDON = _load("abandon")
