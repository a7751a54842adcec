"""What a distribution is made of. An invalid one cannot be constructed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .origins import Origin, Target, origins_of
from .path_pattern import is_pattern, matches, normalise
from .policies import ALL_VIEWER, CACHING_DISABLED, CachePolicy, OriginRequestPolicy

# The three sets there are to choose from (AWS "Allowed HTTP methods"). The first is
# what CloudFront sets unasked: under it, nobody can pay for a POST.
GET_AND_HEAD = frozenset({"GET", "HEAD"})
GET_HEAD_AND_OPTIONS = GET_AND_HEAD | {"OPTIONS"}
ALL_METHODS = GET_HEAD_AND_OPTIONS | {"DELETE", "PATCH", "POST", "PUT"}

# AWS "Creating a custom error page for specific HTTP status codes".
CUSTOMISED = frozenset({400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504})

# Seconds, of every status that has no error response of its own.
ERROR_CACHING_MINIMUM_TTL = 10.0


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What happens to the requests whose normalised path matches a pattern."""

    path_pattern: str = "*"
    viewer_request: bool = True
    origin_response: bool = True
    cache_policy: CachePolicy = CACHING_DISABLED
    origin_request_policy: OriginRequestPolicy = ALL_VIEWER
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
