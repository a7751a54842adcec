"""Where requests go, and how patiently: one origin, or two that stand in for another.

AWS "Origin settings" and "Optimize high availability with CloudFront origin failover".
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias, assert_never
from urllib.parse import SplitResult, urlsplit

# Only these are asked for again at the secondary origin.
FAILED_OVER = frozenset({"GET", "HEAD", "OPTIONS"})
FAILOVER_STATUSES = frozenset({400, 403, 404, 416, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Origin:
    """One server. The defaults are CloudFront's."""

    url: str
    path: str = ""  # the origin's own prefix; neither viewer nor function sees it
    response_timeout: float = 30.0
    connection_timeout: float = 10.0
    attempts: int = 3

    def __post_init__(self) -> None:
        if not _is_base_url(self.url):
            raise ValueError(
                f"the origin must look like http://127.0.0.1:8000, not {self.url!r}"
            )
        if self.path and (not self.path.startswith("/") or self.path.endswith("/")):
            raise ValueError(
                f"an origin path starts with / and does not end with it: {self.path!r}"
            )
        _positive("origin response timeout", self.response_timeout)
        _positive("origin connection timeout", self.connection_timeout)
        if self.attempts not in {1, 2, 3}:
            raise ValueError(
                f"CloudFront makes 1, 2 or 3 connection attempts, not {self.attempts}"
            )

    @property
    def split(self) -> SplitResult:
        """The URL in its parts."""
        return urlsplit(self.url)


@dataclass(frozen=True, slots=True)
class OriginGroup:
    """The secondary is asked when the primary cannot be reached, does not answer in
    time, or answers one of these statuses. One payment may then reach both."""

    primary: Origin
    secondary: Origin
    statuses: frozenset[int] = frozenset({500, 502, 503, 504})

    def __post_init__(self) -> None:
        if not self.statuses or not self.statuses <= FAILOVER_STATUSES:
            raise ValueError(
                "an origin group fails over on some of "
                f"{sorted(FAILOVER_STATUSES)}, not on {sorted(self.statuses)}"
            )


Target: TypeAlias = Origin | OriginGroup


def origins_of(target: Target) -> Iterator[Origin]:
    """Every origin a request for this target may reach."""
    match target:
        case Origin():
            yield target
        case OriginGroup(primary, secondary):
            yield from (primary, secondary)
        case _:
            assert_never(target)


def _positive(what: str, number: float) -> None:
    if number <= 0:
        raise ValueError(f"the {what} must be positive, not {number}")


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks the number
    except ValueError:
        return False
    extras = (parts.path.removeprefix("/"), parts.query, parts.fragment, parts.username)
    return (
        parts.scheme in {"http", "https"} and bool(parts.hostname) and not any(extras)
    )
