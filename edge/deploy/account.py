"""The account: everything that deploying reads, and every step that changes it."""

from typing import Protocol, assert_never

from ..aws.session import Session, explained
from .distributions import Distributions
from .functions import Functions
from .observed import Absent, Condition, Distribution, Observed
from .outcome import Outcome
from .roles import Roles
from .steps import (
    AllowLogs,
    Associate,
    Configure,
    CreateFunction,
    CreateRole,
    Publish,
    Step,
    UpdateCode,
)
from .wanted import Wanted, own_role, role_of

_NEEDED = "All that this command needs is in edge/deploy/permissions.json."


class Account(Protocol):
    """What a deployment needs of AWS."""

    def observe(self) -> Observed: ...

    def distribution(self) -> Distribution: ...

    def condition(self, version: int) -> Condition: ...

    def perform(self, step: Step) -> Outcome: ...


class AwsAccount:
    def __init__(
        self, session: Session, distribution: str, wanted: Wanted, bundle: bytes
    ) -> None:
        self._who = str(session)
        self._wanted = wanted
        self._bundle = bundle
        name = wanted.function
        self._functions = Functions(session.client("lambda"), name)
        self._roles = Roles(session.client("iam"), own_role(name))
        self._distributions = Distributions(session.client("cloudfront"), distribution)

    def observe(self) -> Observed:
        with explained(self._who, _NEEDED):
            function = self._functions.observe()
            known = not isinstance(function, Absent)
            distribution = self._distributions.observe()
            return Observed(
                function,
                self._functions.versions() if known else (),
                self._roles.observe(role_of(self._wanted, function)),
                distribution,
                self._distributions.policies(distribution.config, self._wanted.paths),
            )

    def distribution(self) -> Distribution:
        with explained(self._who, _NEEDED):
            return self._distributions.observe()

    def condition(self, version: int) -> Condition:
        with explained(self._who, _NEEDED):
            return self._functions.condition(version)

    def address(self, version: int) -> str:
        with explained(self._who, _NEEDED):
            return self._functions.address(version)

    def others(self) -> list[tuple[str, int]]:
        with explained(self._who, _NEEDED):
            return list(self._distributions.others(self._wanted.function))

    def perform(self, step: Step) -> Outcome:
        with explained(self._who, _NEEDED):
            return self._performed(step)

    def _performed(self, step: Step) -> Outcome:
        match step:
            case CreateRole(name):
                return self._roles.create(name)
            case AllowLogs(role):
                return self._roles.allow_logs(role)
            case CreateFunction():
                return self._functions.create(step, self._bundle)
            case UpdateCode():
                return self._functions.update_code(step, self._bundle)
            case Configure():
                return self._functions.configure(step)
            case Publish(revision=None) | Associate(version=None):
                raise AssertionError("a plan is carried out from its beginning")
            case Publish():
                return self._functions.publish(step)
            case Associate():
                return self._distributions.associate(step)
            case _:
                assert_never(step)
