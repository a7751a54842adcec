"""Evaluates a policy document as IAM does, as far as ours go.

AWS, "Policy evaluation logic": a request is allowed when a statement allows it and none
denies it. A statement speaks of it when its actions, its resources and all of its
conditions match. A condition on a key that a request does not have does not match.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """One action on one resource, and what IAM knows of it besides."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


def allows(document: Document, request: Request) -> bool:
    effects = {
        statement["Effect"]
        for statement in listed(document["Statement"])
        if _speaks_of(statement, request)
    }
    assert effects <= {"Allow", "Deny"}
    return effects == {"Allow"}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


_KNOWN = {"Sid", "Effect", "Action", "Resource", "Condition"}


def _speaks_of(statement: Document, request: Request) -> bool:
    assert set(statement) <= _KNOWN, "a part that is not evaluated here"
    return (
        _matches_one(statement["Action"], request.action, ignores_case=True)
        and _matches_one(statement["Resource"], request.resource)
        and all(
            _holds(operator, key, wanted, request.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def _holds(operator: str, key: str, wanted: Any, context: Mapping[str, str]) -> bool:
    """Names of keys have no case. Both Arn operators know wildcards."""
    values = {name.lower(): value for name, value in context.items()}
    value = values.get(key.lower())
    if value is None:
        return False
    match operator:
        case "StringEquals":
            return value in listed(wanted)
        case "StringLike" | "ArnEquals" | "ArnLike":
            return _matches_one(wanted, value)
        case _:
            raise AssertionError(f"{operator} is not evaluated here")


def _matches_one(patterns: Any, text: str, *, ignores_case: bool = False) -> bool:
    flags = re.IGNORECASE if ignores_case else 0
    return any(
        re.fullmatch(_regular(pattern), text, flags) for pattern in listed(patterns)
    )


def _regular(pattern: str) -> str:
    wildcards = {"*": ".*", "?": "."}
    return "".join(wildcards.get(each, re.escape(each)) for each in pattern)
