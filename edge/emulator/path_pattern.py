"""Which behaviour a path belongs to.

CloudFront normalises the path as RFC 3986 says and compares *that* with the patterns;
the function and the origin get the raw path (AWS "Path pattern").
So a gate can be reached under a spelling it does not know.
"""

import re
import string
from fnmatch import fnmatchcase

UNRESERVED = frozenset(string.ascii_letters + string.digits + "-._~")

# AWS "Path pattern": the characters a pattern may hold; * and ? are the wildcards.
PATTERN = re.compile(r"[A-Za-z0-9_\-.*$/~\"'@:+&?]{1,255}")

ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
SLASHES = re.compile(r"/{2,}")


def is_pattern(pattern: str) -> bool:
    """Whether AWS would accept this pattern."""
    return PATTERN.fullmatch(pattern) is not None


def matches(pattern: str, normalised_path: str) -> bool:
    """Case-sensitive; `/images/*` and `images/*` are the same pattern."""
    return fnmatchcase(normalised_path.removeprefix("/"), pattern.removeprefix("/"))


def normalise(raw_path: bytes) -> str:
    """RFC 3986, section 6.2.2: fewer escapes, upper-case hex, no dot segments.
    And, as AWS's page adds, one slash where there were several."""
    path = ESCAPE.sub(_normalised_escape, raw_path.decode("latin-1"))
    return _without_dot_segments(SLASHES.sub("/", path))


def _normalised_escape(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    return character if character in UNRESERVED else escape[0].upper()


def _without_dot_segments(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    # "/a/." and "/a/.." keep their slash (RFC 3986, section 5.2.4).
    if segments and segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
