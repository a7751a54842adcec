"""An AWS account that keeps what it is given, and can be made to fail.

What it refuses is what AWS refuses, as far as its documentation or its users tell;
moto keeps no association and refuses nothing of this.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

from botocore import xform_name  # type: ignore[import-untyped] # ships no types

from tests.edge.deploy.clock import Clock
from tests.edge.deploy.cloudfront_service import CloudFrontService
from tests.edge.deploy.iam_service import IamService
from tests.edge.deploy.lambda_service import LambdaService
from tests.edge.deploy.wire import AwsError, Parameters

READS = ("Get", "List")


class Interruption(NamedTuple):
    """The call of this number, before AWS carries it out or after."""

    call: int
    is_before: bool
    by: Callable[[], BaseException] = KeyboardInterrupt


class Account:
    def __init__(self, clock: Clock, config: dict[str, Any]) -> None:
        self.clock = clock
        self.iam = IamService(clock)
        self.functions = LambdaService(clock, self.iam)
        self.cloudfront = CloudFrontService(clock, config, self.functions)
        self._services = {
            "lambda": self.functions,
            "iam": self.iam,
            "cloudfront": self.cloudfront,
        }
        self.calls: list[str] = []
        self.parameters: list[Parameters] = []
        """Of each call."""
        self.interruption: Interruption | None = None
        self.sent: Callable[[str], str] = str
        """What is on the wire of a distribution, of what we know of it."""
        self.before: Callable[[str], None] = nothing
        """Called before every call with its operation: somebody else at work."""

    def answer(self, service: str, operation: str, given: Parameters) -> Parameters:
        self.calls.append(f"{service}:{operation}")
        self.parameters.append(deepcopy(given))
        number, cut = len(self.calls) - 1, self.interruption
        if cut and cut.call == number and cut.is_before:
            raise cut.by()
        self.before(operation)
        method = getattr(self._services[service], xform_name(operation))
        try:
            answer: Parameters = deepcopy(method(**deepcopy(given)))
        finally:
            if cut and cut.call == number and not cut.is_before:
                raise cut.by()
        return answer

    @property
    def changes(self) -> list[str]:
        """The calls that are no reads."""
        return [call for call in self.calls if not call.split(":")[1].startswith(READS)]

    def state(self) -> dict[str, Any]:
        """All that lasts: what an operator or a viewer could tell apart."""
        return deepcopy(
            {
                "function": self.functions.latest,
                "versions": self.functions.published,
                "roles": self.iam.roles,
                "policies": self.iam.attached,
                "distribution": self.cloudfront.config,
            }
        )


def is_change(call: str) -> bool:
    return not call.split(":")[1].startswith(READS)


def nothing(_operation: str) -> None:
    """Nobody else is at work."""


def deny(service: str, operation: str) -> AwsError:
    action = f"{service}:{operation}"
    code = "AccessDeniedException" if service == "lambda" else "AccessDenied"
    return AwsError(
        code,
        f"User: arn:aws:iam::123456789012:user/deployer is not authorized to perform:"
        f" {action} on resource: arn:aws:{service}:::example because no identity-based"
        f" policy allows the {action} action",
    )
