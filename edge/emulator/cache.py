"""The edge cache: which responses are kept, and for how long.

AWS "Managing how long content stays in the cache (expiration)" and "How CloudFront
processes HTTP 4xx and 5xx status codes from your origin".
`Expires` and `Vary` are not read.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias
from weakref import WeakValueDictionary

from ..aws.distribution import ALWAYS_KEPT
from .distribution import CachePolicy
from .messages import Headers, Request, Response, values, without

Clock: TypeAlias = Callable[[], float]
CacheKey: TypeAlias = tuple[str, bytes]

CACHED_METHODS = frozenset({"GET", "HEAD"})
ERRORS_CACHED_IF_ASKED = frozenset({400, 403, 405, 412, 415})

MAX_AGE = re.compile(r"(s-maxage|max-age)\s*=\s*(\d+)")
FORBIDS_CACHING = re.compile(r"\b(no-store|no-cache|private)\b")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """A response and its time."""

    response: Response
    since: float
    until: float


class Cache:
    """Responses by method and path: the managed policies use no header and no query."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[CacheKey, CacheEntry] = {}
        self._misses: WeakValueDictionary[CacheKey, asyncio.Lock] = (
            WeakValueDictionary()
        )

    def collapsing(self, key: CacheKey) -> asyncio.Lock:
        """Held while the origin is asked: simultaneous misses share one fetch."""
        return self._misses.setdefault(key, asyncio.Lock())

    def lookup(self, key: CacheKey) -> Response | None:
        """The cached response, with its Age, while it is fresh."""
        entry = self._entries.get(key)
        now = self._clock()
        if entry is None or now >= entry.until:
            return None
        age = (b"Age", str(int(now - entry.since)).encode())
        headers = (*without(entry.response.headers, b"age"), age)
        return replace(entry.response, headers=headers)

    def keep(self, key: CacheKey, response: Response, seconds: float) -> None:
        """Keep a response for so long; not at all for zero."""
        now = self._clock()
        if seconds > 0:
            self._entries[key] = CacheEntry(response, now, now + seconds)


def cache_key(request: Request) -> CacheKey:
    """Two requests with the same key are the same to the cache."""
    return request.method, request.path


def time_to_live(
    response: Response, policy: CachePolicy, error_minimum: float
) -> float:
    """Seconds this response may be reused under this policy."""
    age = _max_age(response.headers)
    if response.status < 400:
        return _bounded(response.headers, age, policy)
    if response.status in ALWAYS_KEPT:
        return max(error_minimum, age or 0)
    if response.status in ERRORS_CACHED_IF_ASKED and age is not None:
        return max(error_minimum, age)
    return 0


def _bounded(headers: Headers, age: float | None, policy: CachePolicy) -> float:
    if FORBIDS_CACHING.search(_cache_control(headers)):
        return policy.minimum_ttl
    wanted = policy.default_ttl if age is None else age
    return min(max(wanted, policy.minimum_ttl), policy.maximum_ttl)


def _max_age(headers: Headers) -> float | None:
    ages = dict(MAX_AGE.findall(_cache_control(headers)))
    age = ages.get("s-maxage", ages.get("max-age"))
    return None if age is None else float(age)


def _cache_control(headers: Headers) -> str:
    return b",".join(values(headers, b"cache-control")).decode("latin-1").lower()
