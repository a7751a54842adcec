"""What a distribution is made of. An invalid one cannot be constructed."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from .path_pattern import is_pattern, matches, normalise


class OriginRequestPolicy(StrEnum):
    """Which headers, the viewer's and the function's, go to the origin."""

    NONE = "none"
    ALL_VIEWER = "AllViewer"
    ALL_VIEWER_EXCEPT_HOST_HEADER = "AllViewerExceptHostHeader"


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
class Behaviour:
    """What happens to the requests whose normalised path matches a pattern."""

    path_pattern: str = "*"
    viewer_request: bool = True
    origin_response: bool = True
    cache_policy: CachePolicy = CACHING_DISABLED
    origin_request_policy: OriginRequestPolicy = OriginRequestPolicy.ALL_VIEWER

    def __post_init__(self) -> None:
        if not is_pattern(self.path_pattern):
            raise ValueError(
                f"CloudFront does not accept the path pattern {self.path_pattern!r}"
            )


@dataclass(frozen=True, slots=True)
class Origin:
    """Where requests go, and how patiently; defaults of AWS "Origin settings"."""

    url: str
    response_timeout: float = 30.0
    connection_timeout: float = 10.0
    attempts: int = 3

    def __post_init__(self) -> None:
        if not _is_base_url(self.url):
            raise ValueError(
                f"the origin must look like http://127.0.0.1:8000, not {self.url!r}"
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
class Function:
    """The Lambda function behind both triggers."""

    bundle: Path
    handler: str = "handler.handler"
    timeout: float = 5.0  # seconds, at most 30
    memory: int = 128  # megabytes; told to the function, not enforced
    concurrency: int = 8  # execution environments at once
    log_file: Path | None = None  # None: this process's standard error

    def __post_init__(self) -> None:
        if self.handler.count(".") < 1:
            raise ValueError(
                f"a handler is named module.function, not {self.handler!r}"
            )
        if not 0 < self.timeout <= 30:
            raise ValueError(
                f"the Lambda timeout is 30 seconds or less, not {self.timeout}"
            )
        _positive("function concurrency", self.concurrency)


@dataclass(frozen=True, slots=True)
class Distribution:
    """An origin, a function, and behaviours by precedence, the default one last."""

    origin: Origin
    function: Function
    behaviours: tuple[Behaviour, ...] = field(default=(Behaviour(),))
    domain_name: str = "d111111abcdef8.cloudfront.net"
    distribution_id: str = "EDFDVBD6EXAMPLE"
    error_caching_minimum_ttl: float = 10.0

    def __post_init__(self) -> None:
        if not self.behaviours or self.behaviours[-1].path_pattern != "*":
            raise ValueError(
                "the last behaviour is the default: its pattern must be '*'"
            )
        if self.error_caching_minimum_ttl < 0:
            raise ValueError("the error caching minimum TTL cannot be negative")

    def behaviour_for(self, raw_path: bytes) -> Behaviour:
        """The first behaviour whose pattern matches the normalised path."""
        path = normalise(raw_path)
        return next(
            behaviour
            for behaviour in self.behaviours
            if matches(behaviour.path_pattern, path)
        )


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
