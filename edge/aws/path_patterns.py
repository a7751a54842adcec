"""The path patterns of behaviours and of routes, as languages: what do they share?

It is searched for, not guessed: all patterns are followed at once, character by
character, and equal positions are visited once. Where that takes too long the answer
is yes, because a trigger too many costs little and one too few gives paid answers away.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from string import ascii_lowercase

# Ordinary distributions take tens of steps. A pattern such as `*a????????????????`
# before others takes a power of two, and is not worth an operator's minute.
MOST_STEPS = 20_000


def example(pattern: str, earlier: Sequence[str], route: str) -> str | None:
    """A shortest path of the route that matches the pattern and none of the earlier.

    In doubt it is as much of one as was looked at."""
    refused = [_cloudfront_pattern(each) for each in earlier]
    wanted = _cloudfront_pattern(pattern)
    for each in _route_patterns(route):
        path = _path_in(each, wanted, refused)
        if path is not None:
            return path
    return None


def uncovered(route: str, others: Iterable[str]) -> str | None:
    """A shortest path of a route that none of the other routes has. In doubt it is as
    much of one as was looked at."""
    refused = [pattern for each in others for pattern in _route_patterns(each)]
    for each in _route_patterns(route):
        path = _path_in(each, ("/", _Many), refused)
        if path is not None:
            return path
    return None


class _One:
    """`?`: any one character."""


class _Many:
    """`*`: any characters, or none."""


_Token = str | type[_One] | type[_Many]
_Pattern = tuple[_Token, ...]
_Positions = frozenset[int]


def _cloudfront_pattern(pattern: str) -> _Pattern:
    """AWS: a pattern means the same with and without its leading slash."""
    wildcards: dict[str, _Token] = {"?": _One, "*": _Many}
    tokens = (wildcards.get(each, each) for each in pattern.removeprefix("/"))
    return ("/", *tokens)


def _route_patterns(route: str) -> list[_Pattern]:
    if not route.endswith("/*"):
        return [tuple(route)]
    prefix = tuple(route.removesuffix("/*"))
    below: _Pattern = (*prefix, "/", _Many)
    return [prefix, below] if prefix else [below]


def _path_in(
    route: _Pattern, wanted: _Pattern, refused: Sequence[_Pattern]
) -> str | None:
    patterns = (route, wanted, *refused)
    alphabet = _alphabet(patterns)
    start = tuple(_rested(pattern, {0}) for pattern in patterns)
    seen, waiting = {start}, deque([(start, "")])
    while waiting:
        here, path = waiting.popleft()
        if _is_hopeless(patterns, here):
            continue
        if _is_end(patterns, here) or len(seen) > MOST_STEPS:
            return path
        for character in alphabet:
            there = tuple(
                _moved(pattern, positions, character)
                for pattern, positions in zip(patterns, here, strict=True)
            )
            if there not in seen:
                seen.add(there)
                waiting.append((there, path + character))
    return None


def _is_end(patterns: Sequence[_Pattern], here: Sequence[_Positions]) -> bool:
    route, wanted, *refused = (
        len(pattern) in positions
        for pattern, positions in zip(patterns, here, strict=True)
    )
    return route and wanted and not any(refused)


def _is_hopeless(patterns: Sequence[_Pattern], here: Sequence[_Positions]) -> bool:
    """No path from here is wanted, or all of them are refused."""
    if not here[0] or not here[1]:
        return True
    return any(
        pattern[-1] is _Many and len(pattern) - 1 in positions
        for pattern, positions in zip(patterns[2:], here[2:], strict=True)
    )


def _alphabet(patterns: Sequence[_Pattern]) -> list[str]:
    """The characters that the patterns tell apart, and one for all others."""
    named = {
        token for pattern in patterns for token in pattern if isinstance(token, str)
    }
    other = next(letter for letter in ascii_lowercase + "\0" if letter not in named)
    return [other, *sorted(named)]


def _moved(pattern: _Pattern, positions: _Positions, character: str) -> _Positions:
    moved = set()
    for position in positions:
        if position == len(pattern):
            continue
        token = pattern[position]
        if token is _Many:
            moved.add(position)
        elif token is _One or token == character:
            moved.add(position + 1)
    return _rested(pattern, moved)


def _rested(pattern: _Pattern, positions: set[int]) -> _Positions:
    """A `*` may stand for nothing, so its end is reached with its beginning."""
    for position in sorted(positions):
        end = position
        while end < len(pattern) and pattern[end] is _Many:
            end += 1
            positions.add(end)
    return frozenset(positions)
