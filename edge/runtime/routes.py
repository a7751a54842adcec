"""Routes, and which of them a path matches.

CloudFront hands the function the path as the client wrote it;
the origin routes on what it makes of it.
So a path is looked at in every reading that an origin might give it.
"""

from collections.abc import Iterable, Sequence
from urllib.parse import unquote

from .hints import NamedTuple


class Route(NamedTuple):
    """A gated path: literal, or with a trailing `/*` the prefix and all below it."""

    path: str
    network: str
    resource_id: str


def match(path: str, routes: Sequence[Route]) -> Route | None:
    """The route that this path matches as written; of several, the most specific."""
    return max(
        (route for route in routes if covers(route.path, path)),
        key=_specificity,
        default=None,
    )


def match_any_reading(path: str, routes: Sequence[Route]) -> set[Route]:
    """Case-folded on both sides, because some origins ignore case."""
    folded = [route._replace(path=route.path.casefold()) for route in routes]
    original = dict(zip(folded, routes, strict=True))
    read = {reading.casefold() for reading in readings(path)}
    found = {match(reading, folded) for reading in read}
    for reading in filter(_climbs, read):
        found |= {route for route in folded if _names(route.path, reading)}
    return {original[route] for route in found if route is not None}


def covers(pattern: str, path: str) -> bool:
    if not pattern.endswith("/*"):
        return path == pattern
    prefix = pattern.removesuffix("/*")
    return path == prefix or path.startswith(prefix + "/")


def readings(path: str) -> set[str]:
    """The path as written and after every subset of the steps, in their order.

    Subsets, because a later step can hide what an earlier one shows:
    `/%61pi/..;/x` is `/api/..;/x` to a server that only decodes,
    and `/x` to one that does everything.
    """
    found = {path}
    for step in _STEPS:
        found |= {step(reading) for reading in found}
    return found


def _specificity(route: Route) -> tuple[bool, int]:
    return (not route.path.endswith("/*"), len(route.path))


def _climbs(path: str) -> bool:
    return ".." in path.split("/")


def _names(pattern: str, path: str) -> bool:
    """Whether the path has the names of the pattern, in their order.

    Who climbs out of a directory that files are served from enters it again under its
    own name, which only the origin knows: /../static/paid/a.pdf is /paid/a.pdf.
    """
    segments = iter(path.split("/"))
    return all(name in segments for name in pattern.removesuffix("/*").split("/"))


def _visible(path: str) -> str:
    """Without controls and white space. Starlette's `$` overlooks a trailing %0A."""
    if path.isprintable() and " " not in path:  # all but the oddest paths
        return path
    return "".join(c for c in path if c.isprintable() and c != " ")


def _slashed(path: str) -> str:
    return path.replace("\\", "/")


def _cut(path: str) -> str:
    """httptools drops a fragment; C code stops at a NUL."""
    for end in "?#\0":
        path = path.partition(end)[0]
    return path


def _without_params(path: str) -> str:
    return _rejoined(segment.partition(";")[0] for segment in path.split("/"))


def _merged(path: str) -> str:
    """Without empty segments, the one after a trailing slash included."""
    return "/" + _rejoined(segment for segment in path.split("/") if segment)


def _resolved(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + _rejoined(kept)


def _rejoined(segments: Iterable[str]) -> str:
    return "/".join(segments)


# Decoded once: that is what servers do, and a second time is somebody else's path.
# A server cuts off what it sees before it decodes, or what it sees afterwards.
_STEPS = (
    _visible,
    _cut,
    unquote,
    _cut,
    _visible,
    _slashed,
    _without_params,
    _merged,
    _resolved,
)
