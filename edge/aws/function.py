"""A function and its role, from the answers of Lambda and IAM."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from .lambda_at_edge import log_group, unsupported, variables

_ASSUME = "sts:assumerole"


@dataclass(frozen=True, slots=True)
class Arn:
    """arn:aws:lambda:us-east-1:111122223333:function:name:7"""

    region: str
    name: str
    version: str | None
    unqualified: str
    """Without the version."""


@dataclass(frozen=True, slots=True)
class Function:
    """A published version, or $LATEST, which never runs at the edge."""

    arn: Arn
    revision: str
    description: str
    runtime: str
    handler: str
    role: str
    timeout: int
    memory: int
    architectures: tuple[str, ...]
    state: str
    state_reason: str
    last_update: str
    code_digest: str
    """Of the bundle: CodeSha256."""
    environment: tuple[str, ...]
    """Names only: a value may be a secret."""
    unsupported: tuple[str, ...]
    """Other features that Lambda@Edge does not support."""
    log_format: str
    log_group: str
    """In every Region in which it runs at the edge."""


def parse_function(answer: dict[str, Any]) -> Function:
    """From GetFunctionConfiguration, or a part of ListVersionsByFunction, which has no
    state. A function from before there were states has none either: it is active."""
    arn, logging = parse_arn(answer["FunctionArn"]), answer.get("LoggingConfig", {})
    return Function(
        arn=arn,
        revision=answer.get("RevisionId", ""),
        description=answer.get("Description", ""),
        runtime=answer.get("Runtime", ""),
        handler=answer.get("Handler", ""),
        role=answer.get("Role", ""),
        timeout=answer.get("Timeout", 3),
        memory=answer.get("MemorySize", 128),
        architectures=tuple(answer.get("Architectures", ["x86_64"])),
        state=answer.get("State", "Active"),
        state_reason=answer.get("StateReason", ""),
        last_update=answer.get("LastUpdateStatus", "Successful"),
        code_digest=answer.get("CodeSha256", ""),
        environment=tuple(variables(answer)),
        unsupported=tuple(unsupported(answer)),
        log_format=logging.get("LogFormat", "Text"),
        log_group=log_group(arn.name, logging.get("LogGroup", "")),
    )


def parse_arn(text: str) -> Arn:
    parts = text.split(":")
    if len(parts) < 7 or parts[2] != "lambda":
        return Arn(region="", name=text, version=None, unqualified=text)
    version = parts[7] if len(parts) > 7 else None
    return Arn(parts[3], parts[6], version, ":".join(parts[:7]))


def trusted(document: dict[str, Any]) -> frozenset[str]:
    """The services that may assume a role, from its trust policy.

    A service that may only on a condition does not count, and a refusal counts whether
    it has one or not."""
    allowed: set[str] = set()
    denied: set[str] = set()
    for statement in listed(document.get("Statement", [])):
        if not any(map(_is_assuming, listed(statement.get("Action", [])))):
            continue
        if statement.get("Effect") == "Deny":
            denied |= _services(statement)
        elif not statement.get("Condition"):
            allowed |= _services(statement)
    return frozenset() if "*" in denied else frozenset(allowed - denied)


def _is_assuming(action: str) -> bool:
    """IAM ignores the case of actions, and takes wildcards in them."""
    return fnmatchcase(_ASSUME, action.lower())


def listed(value: Any) -> list[Any]:
    """IAM leaves out the list around a single value."""
    return value if isinstance(value, list) else [value]


def _services(statement: dict[str, Any]) -> set[str]:
    """Everybody is no service: a role that trusts everybody is not meant for this."""
    principal = statement.get("Principal", {})
    if isinstance(principal, dict):
        return set(listed(principal.get("Service", [])))
    return {"*"} if statement.get("Effect") == "Deny" else set()
