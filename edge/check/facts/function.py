"""The function: the version that is associated, what was published, its role."""

from dataclasses import dataclass

from ...aws.lambda_arn import Arn, parse_arn
from ...aws.lambda_at_edge import unsupported, variables
from ...aws.trust import trusted
from . import Raw, Unread, read


@dataclass(frozen=True, slots=True)
class Function:
    arn: Arn
    runtime: str
    handler: str
    timeout: int
    memory: int
    architectures: tuple[str, ...]
    state: str
    last_update: str
    code_digest: str
    environment: tuple[str, ...]
    """Names only: a value may be a secret."""
    unsupported: tuple[str, ...]
    log_format: str


@dataclass(frozen=True, slots=True)
class Published:
    version: str
    code_digest: str


@dataclass(frozen=True, slots=True)
class Role:
    trusts: frozenset[str]
    """The services that may assume it."""


def parse_function(raw: Raw | None) -> Function | Unread:
    """From GetFunctionConfiguration of the qualified ARN."""
    found = read(raw, "the function")
    if isinstance(found, Unread):
        return found
    return Function(
        arn=parse_arn(found["FunctionArn"]),
        runtime=found.get("Runtime", ""),
        handler=found.get("Handler", ""),
        timeout=found.get("Timeout", 3),
        memory=found.get("MemorySize", 128),
        architectures=tuple(found.get("Architectures", ["x86_64"])),
        state=found.get("State", "Active"),
        last_update=found.get("LastUpdateStatus", "Successful"),
        code_digest=found.get("CodeSha256", ""),
        environment=tuple(variables(found)),
        unsupported=tuple(unsupported(found)),
        log_format=found.get("LoggingConfig", {}).get("LogFormat", "Text"),
    )


def parse_published(raw: Raw | None) -> tuple[Published, ...] | Unread:
    """From ListVersionsByFunction, without $LATEST."""
    found = read(raw, "the list of versions")
    if isinstance(found, Unread):
        return found
    return tuple(
        Published(version["Version"], version.get("CodeSha256", ""))
        for version in found["Versions"]
        if version["Version"] != "$LATEST"
    )


def parse_role(raw: Raw | None) -> Role | Unread:
    """From GetRole. botocore has decoded the document already."""
    found = read(raw, "the execution role")
    if isinstance(found, Unread):
        return found
    return Role(trusted(found["AssumeRolePolicyDocument"]))


def parse_log_permission(raw: Raw | None) -> frozenset[str] | Unread:
    """From SimulatePrincipalPolicy: the actions that are not allowed."""
    found = read(raw, "what the role may log")
    if isinstance(found, Unread):
        return found
    return frozenset(
        result["EvalActionName"]
        for result in found["EvaluationResults"]
        if result["EvalDecision"] != "allowed"
    )
