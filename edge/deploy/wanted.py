"""What the operator asks for."""

from dataclasses import dataclass

from .observed import Absent, Configuration, Function

# Lambda@Edge runs these of Python, newest first.
RUNTIMES = ("python3.14", "python3.13", "python3.12")

HANDLER = "handler.handler"
ARCHITECTURE = "x86_64"  # Lambda@Edge has no arm64

# Seconds. The gate's own deadlines end well before: it answers, Lambda does not.
TIMEOUT = 5

# MB. For viewer triggers AWS documents both 128 as the limit and no limit of their own.
MEMORY = 128

# Who runs the function: Lambda, and its replicas at the edge.
PRINCIPALS = frozenset({"lambda.amazonaws.com", "edgelambda.amazonaws.com"})

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
