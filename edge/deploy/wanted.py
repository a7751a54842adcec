"""What the operator asks for."""

from dataclasses import dataclass

from ..aws.lambda_at_edge import ARCHITECTURE, HANDLER, MEMORY, RUNTIMES, TIMEOUT
from .observed import Absent, Configuration, Function

LONGEST_ROLE_NAME = 64


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is None stays as it is, or gets its default in a new function."""

    function: str
    code: str
    """The digest of the bundle as AWS shows it: CodeSha256."""
    paths: tuple[str, ...]
    """Of the routes in the bundle."""
    role: str | None = None
    memory: int | None = None
    runtime: str | None = None
    replace: bool = False
    """Whether functions that are in the way may go."""

    def configuration(self, found: Absent | Function, role: str) -> Configuration:
        now = found.configuration if isinstance(found, Function) else None
        kept = now.runtime if now and now.runtime in RUNTIMES else RUNTIMES[0]
        return Configuration(
            runtime=self.runtime or kept,
            handler=HANDLER,
            role=role,
            timeout=TIMEOUT,
            memory=self.memory or (now.memory if now else MEMORY),
            architecture=ARCHITECTURE,
        )


def role_of(wanted: Wanted, found: Absent | Function) -> str:
    """The name of the role that the function has or gets."""
    if wanted.role is not None:
        return wanted.role.rpartition("/")[2]
    if isinstance(found, Function):
        return found.configuration.role.rpartition("/")[2]
    return own_role(wanted.function)


def own_role(function: str) -> str:
    return f"{function}-role"
