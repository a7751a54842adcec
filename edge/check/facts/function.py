"""The function: its associated version, its published versions, its role."""

from dataclasses import dataclass

from ...aws import function as aws
from . import Raw, Unread, read


@dataclass(frozen=True, slots=True)
class Published:
    version: str
    code_digest: str


@dataclass(frozen=True, slots=True)
class Role:
    trusts: frozenset[str]
    """The services that may assume it."""


def parse_function(raw: Raw | None) -> aws.Function | Unread:
    """From GetFunctionConfiguration of the qualified ARN."""
    found = read(raw, "the function")
    if isinstance(found, Unread):
        return found
    return aws.parse_function(found)


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
    return Role(aws.trusted(found["AssumeRolePolicyDocument"]))


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
