"""The parts of a distribution. An invalid one cannot be constructed.

AWS "Distribution settings" and "Optimize high availability with CloudFront origin
failover".
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import TypeAlias, assert_never
from urllib.parse import SplitResult, urlsplit

from ..aws import managed_policies
from ..aws.forwarding import MANAGED, NOTHING, Forwarded
from ..aws.lambda_at_edge import HANDLER, MEMORY, TIMEOUT
from .path_pattern import is_pattern, matches, normalise

# The three sets there are to choose from (AWS "Allowed HTTP methods"). The first is
# what CloudFront sets unasked: under it, nobody can pay for a POST.
GET_AND_HEAD = frozenset({"GET", "HEAD"})
GET_HEAD_AND_OPTIONS = GET_AND_HEAD | {"OPTIONS"}
ALL_METHODS = GET_HEAD_AND_OPTIONS | {"DELETE", "PATCH", "POST", "PUT"}

# AWS "Creating a custom error page for specific HTTP status codes".
CUSTOMISED = frozenset({400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504})

# Seconds, of every status that has no error response of its own.
ERROR_CACHING_MINIMUM_TTL = 10.0

# AWS's runtime interface client, which has wheels for Linux only.
AWS_RUNTIME = find_spec("awslambdaric") is not None

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


# AWS "Using the managed origin request policies".
NO_ORIGIN_REQUEST_POLICY = NOTHING
ALL_VIEWER = MANAGED[managed_policies.ALL_VIEWER].forwarded
ALL_VIEWER_EXCEPT_HOST_HEADER = MANAGED[
    managed_policies.ALL_VIEWER_EXCEPT_HOST_HEADER
].forwarded
CORS_CUSTOM_ORIGIN = Forwarded(named=frozenset({"origin"}))
USER_AGENT_REFERER_HEADERS = Forwarded(named=frozenset({"user-agent", "referer"}))


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What happens to the requests whose normalised path matches a pattern."""

    path_pattern: str = "*"
    viewer_request: bool = True
    origin_response: bool = True
    cache_policy: CachePolicy = CACHING_DISABLED
    origin_request_policy: Forwarded = ALL_VIEWER
    allowed_methods: frozenset[str] = ALL_METHODS
    target: Target | None = None  # None: the distribution's origin

    def __post_init__(self) -> None:
        if not is_pattern(self.path_pattern):
            raise ValueError(
                f"CloudFront does not accept the path pattern {self.path_pattern!r}"
            )
        if self.allowed_methods not in (
            GET_AND_HEAD,
            GET_HEAD_AND_OPTIONS,
            ALL_METHODS,
        ):
            raise ValueError(
                "CloudFront allows GET and HEAD, or OPTIONS as well, or all methods,"
                f" not {sorted(self.allowed_methods)}"
            )
        policy = self.origin_request_policy
        if any(name != name.lower() for name in policy.named | policy.except_for):
            raise ValueError("an origin request policy names headers in lower case")


@dataclass(frozen=True, slots=True)
class ErrorResponse:
    """What the viewer gets in place of an error of the origin, and how long that is
    kept. Without a page the error itself is delivered, and only the time changes."""

    status: int
    page: str | None = None
    response_status: int | None = None
    minimum_ttl: float = ERROR_CACHING_MINIMUM_TTL

    def __post_init__(self) -> None:
        if self.status not in CUSTOMISED:
            raise ValueError(f"CloudFront has no error response for {self.status}")
        if (self.page is None) != (self.response_status is None):
            raise ValueError("an error response has a page and a status, or neither")
        if self.page is not None and not self.page.startswith("/"):
            raise ValueError(f"the path of an error page starts with /: {self.page!r}")
        if self.response_status not in CUSTOMISED | {200, None}:
            raise ValueError(f"CloudFront does not answer {self.response_status} here")
        if self.minimum_ttl < 0:
            raise ValueError("the error caching minimum TTL cannot be negative")


@dataclass(frozen=True, slots=True)
class Function:
    """The Lambda function behind both triggers."""

    bundle: Path
    handler: str = HANDLER
    timeout: float = TIMEOUT  # seconds, at most 30
    memory: int = MEMORY  # megabytes; told to the function, not enforced
    concurrency: int = 8  # execution environments at once
    log_file: Path | None = None  # appended to; None: the log is not kept
    aws_runtime: bool = AWS_RUNTIME  # else lambda_runtime.py

    def __post_init__(self) -> None:
        if self.handler.count(".") < 1:
            raise ValueError(
                f"a handler is named module.function, not {self.handler!r}"
            )
        if not 0 < self.timeout <= 30:
            raise ValueError(
                f"the Lambda timeout is 30 seconds or less, not {self.timeout}"
            )
        if self.concurrency < 1:
            raise ValueError(
                f"the function concurrency must be positive, not {self.concurrency}"
            )


@dataclass(frozen=True, slots=True)
class Distribution:
    """An origin, a function, and behaviours by precedence, the default one last."""

    origin: Target
    function: Function
    behaviours: tuple[Behaviour, ...] = field(default=(Behaviour(),))
    error_responses: tuple[ErrorResponse, ...] = ()
    domain_name: str = "d111111abcdef8.cloudfront.net"
    distribution_id: str = "EDFDVBD6EXAMPLE"

    def __post_init__(self) -> None:
        if not self.behaviours or self.behaviours[-1].path_pattern != "*":
            raise ValueError(
                "the last behaviour is the default: its pattern must be '*'"
            )
        statuses = [each.status for each in self.error_responses]
        if len(set(statuses)) < len(statuses):
            raise ValueError("there is one error response for a status at most")

    def behaviour_for(self, raw_path: bytes) -> Behaviour:
        """The first behaviour whose pattern matches the normalised path."""
        path = normalise(raw_path)
        return next(
            behaviour
            for behaviour in self.behaviours
            if matches(behaviour.path_pattern, path)
        )

    def target_of(self, behaviour: Behaviour) -> Target:
        """Where the requests of a behaviour go."""
        return behaviour.target or self.origin

    def origins(self) -> Iterator[Origin]:
        """Every origin that some request may reach."""
        for target in (self.origin, *(each.target for each in self.behaviours)):
            if target is not None:
                yield from origins_of(target)

    def error_minimum_ttl(self, status: int) -> float:
        """For how many seconds an error with this status is kept, at least."""
        customised = self.error_response(status)
        return customised.minimum_ttl if customised else ERROR_CACHING_MINIMUM_TTL

    def error_response(self, status: int) -> ErrorResponse | None:
        """How an origin's answer with this status is customised, if it is."""
        return next(
            (each for each in self.error_responses if each.status == status), None
        )


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
    if not 0 < number < inf:  # false for nan, too
        raise ValueError(f"the {what} must be positive and finite, not {number}")


def _is_base_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks the number
        host = (parts.hostname or "").encode("idna")  # as the resolver does
    except ValueError:
        return False
    extras = (parts.path.removeprefix("/"), parts.query, parts.fragment, parts.username)
    return (
        parts.scheme in {"http", "https"}
        and bool(host)
        and b" " not in host
        and not any(extras)
    )
