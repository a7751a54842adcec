"""What a behaviour keeps in its cache, and what it sends on to the origin."""

from dataclasses import dataclass
from typing import assert_never


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """How long responses may be reused, in seconds; all zero means never."""

    minimum_ttl: float
    default_ttl: float
    maximum_ttl: float

    def __post_init__(self) -> None:
        if not 0 <= self.minimum_ttl <= self.default_ttl <= self.maximum_ttl:
            raise ValueError(
                f"a cache policy needs 0 <= minimum <= default <= maximum, not {self}"
            )

    @property
    def caches(self) -> bool:
        """Whether anything is ever reused under this policy."""
        return self.maximum_ttl > 0


# The numbers of the managed policies (AWS "Using the managed cache policies").
CACHING_DISABLED = CachePolicy(0, 0, 0)
CACHING_OPTIMIZED = CachePolicy(1, 86_400, 31_536_000)


@dataclass(frozen=True, slots=True)
class Only:
    """These headers, named in lower case, and no others."""

    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AllExcept:
    """Every header but these, named in lower case."""

    names: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OriginRequestPolicy:
    """Which headers, the viewer's and the function's, go to the origin, and whether
    the query does: what a function adds is lost where its name is not let through."""

    headers: Only | AllExcept
    query: bool = False
    cookies: bool = False

    def __post_init__(self) -> None:
        if any(name != name.lower() for name in self.headers.names):
            raise ValueError(
                "a policy names headers in lower case: "
                + ", ".join(sorted(self.headers.names))
            )

    def forwards(self, name: str) -> bool:
        """Whether the header of this lower-case name goes along."""
        if name == "cookie":  # a setting of its own, and never in the list of headers
            return self.cookies
        match self.headers:
            case Only(names):
                return name in names
            case AllExcept(names):
                return name not in names
            case _:
                assert_never(self.headers)


# AWS "Using the managed origin request policies".
NO_ORIGIN_REQUEST_POLICY = OriginRequestPolicy(Only())
ALL_VIEWER = OriginRequestPolicy(AllExcept(), query=True, cookies=True)
ALL_VIEWER_EXCEPT_HOST_HEADER = OriginRequestPolicy(
    AllExcept(frozenset({"host"})), query=True, cookies=True
)
CORS_CUSTOM_ORIGIN = OriginRequestPolicy(Only(frozenset({"origin"})))
USER_AGENT_REFERER_HEADERS = OriginRequestPolicy(
    Only(frozenset({"user-agent", "referer"}))
)
