"""Routes, and which of them a path matches.

CloudFront hands the function the path as the client wrote it; the origin routes on its
own reading of it.
So a path is looked at in every reading that an origin might give it.
"""

from binascii import Error, a2b_hex
from collections.abc import Iterable, Sequence

from .hints import NamedTuple

# A client chooses how odd a path is, but must not choose the cost of reading it.
# Ordinary paths have at most 6 readings; 100,000 hostile spellings had at most 57.
LONGEST_ODD = 2048
_MOST_READINGS = 64
# The limit, in characters, of all the paths that are read again.
_MOST_READ = 6144


class Route(NamedTuple):
    """A gated path: literal, or with a trailing `/*` the prefix and all below it."""

    path: str
    network: str
    resource_id: str


class Table:
    """Routes, arranged so that looking one up does not take longer with many."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._written = _Patterns((route.path, route) for route in routes)
        self._folded = _Patterns((route.path.casefold(), route) for route in routes)

    def match(self, path: str) -> Route | None:
        """The route that this path matches as written; of several the most specific."""
        return self._written.match(path)

    def match_any_reading(self, path: str) -> set[Route] | None:
        """Case-folded on both sides, because some origins ignore case.

        None if the path is too odd to read."""
        read = readings(path)
        if read is None:
            return None
        found: set[Route] = set()
        for reading in {each.casefold() for each in read}:
            route = self._folded.match(reading)
            if route:
                found.add(route)
            if "/.." in reading and ".." in (segments := reading.split("/")):
                found |= self._folded.named_by(segments)
        return found


def match(path: str, routes: Sequence[Route]) -> Route | None:
    return Table(routes).match(path)


def covers(pattern: str, path: str) -> bool:
    if not pattern.endswith("/*"):
        return path == pattern
    prefix = pattern.removesuffix("/*")
    return path == prefix or path.startswith(prefix + "/")


def readings(path: str) -> set[str] | None:
    """The path as written and after every subset of the steps, in their order.

    Subsets, because a later step can hide what an earlier one shows:
    `/%61pi/..;/x` is `/api/..;/x` to a server that only decodes,
    and `/x` to one that does everything.
    None where that is more work than a path is worth.
    """
    found, left = {path}, _MOST_READ
    if not _is_odd(path):
        return found
    if len(path) > LONGEST_ODD:
        return None
    for step in _STEPS:
        for reading in tuple(found):
            other = step(reading)
            if other is not reading:
                found.add(other)
                left -= len(reading)
                if left < 0 or len(found) > _MOST_READINGS:
                    return None
    return found


class _Patterns:
    def __init__(self, patterns: Iterable[tuple[str, Route]]) -> None:
        self._literal: dict[str, Route] = {}
        self._prefix: dict[str, Route] = {}
        self._by_last_name: dict[str, list[tuple[list[str], Route]]] = {}
        for pattern, route in patterns:
            bare = pattern.removesuffix("/*")
            (self._literal if bare == pattern else self._prefix)[bare] = route
            names = bare.split("/")
            self._by_last_name.setdefault(names[-1], []).append((names, route))
        self._longest = max(map(len, self._prefix), default=-1)

    def match(self, path: str) -> Route | None:
        """A literal, or else the longest prefix."""
        if path in self._literal:
            return self._literal[path]
        end = len(path)
        if end > self._longest:
            end = path.rfind("/", 0, self._longest + 1)
        while end >= 0:
            route = self._prefix.get(path[:end])
            if route:
                return route
            end = path.rfind("/", 0, end)
        return None

    def named_by(self, segments: list[str]) -> set[Route]:
        """Routes whose names are among these, in their order.

        A path may climb out of a directory of static files and enter it again by its
        own name, which only the origin knows: /../static/paid/a.pdf is /paid/a.pdf.
        """
        there = set(segments)
        return {
            route
            for last in there
            for names, route in self._by_last_name.get(last, ())
            if there.issuperset(names) and _in_order(names, segments)
        }


def _in_order(names: list[str], segments: list[str]) -> bool:
    rest = iter(segments)
    return all(name in rest for name in names)


def _is_odd(path: str) -> bool:
    """Whether a step may change it."""
    return (
        any(mark in path for mark in _MARKS)
        or path.endswith("/")
        or not path.isprintable()
    )


def _visible(path: str) -> str:
    """Without controls and white space. Starlette's `$` overlooks a trailing %0A."""
    if path.isprintable() and " " not in path:  # all but the oddest paths
        return path
    return "".join(c for c in path if c.isprintable() and c != " ")


def _slashed(path: str) -> str:
    return path.replace("\\", "/") if "\\" in path else path


def _decoded(path: str) -> str:
    """As urllib.parse.unquote, of which the import is cold start."""
    if "%" not in path:
        return path
    start, *escaped = path.encode(errors="surrogatepass").split(b"%")
    decoded = bytearray(start)
    for part in escaped:
        try:
            decoded += (a2b_hex(part[:2]) or b"%") + part[2:]
        except Error:  # no two hexadecimal digits: it stands for itself
            decoded += b"%" + part
    return decoded.decode(errors="replace")


def _cut(path: str) -> str:
    """httptools drops a fragment; C code stops at a NUL."""
    for end in "?#\0":
        if end in path:
            path = path.partition(end)[0]
    return path


def _without_params(path: str) -> str:
    if ";" not in path:
        return path
    return _rejoined(segment.partition(";")[0] for segment in path.split("/"))


def _merged(path: str) -> str:
    """Without empty segments, the one after a trailing slash included."""
    if "//" not in path and (path == "/" or not path.endswith("/")):
        return path
    return "/" + _rejoined(filter(None, path.split("/")))


def _resolved(path: str) -> str:
    if "/." not in path:
        return path
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + _rejoined(kept)


def _rejoined(segments: Iterable[str]) -> str:
    return "/".join(segments)


_MARKS = ("%", "/.", "//", ";", "\\", "?", "#", " ")

# Decoded once, as servers do: decoded twice, it is another path.
# A server cuts either before it decodes or afterwards.
_STEPS = (
    _visible,
    _cut,
    _decoded,
    _cut,
    _visible,
    _slashed,
    _without_params,
    _merged,
    _resolved,
)
