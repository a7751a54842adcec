"""Who may assume a role, from its trust policy as botocore decodes it."""

from typing import Any

_ASSUME = frozenset({"sts:AssumeRole", "sts:*", "*"})


def trusted(document: dict[str, Any]) -> frozenset[str]:
    """The services that may, whatever else is so. With a condition it depends: that is
    not trust one can count on, and a refusal with one is not to be overlooked."""
    allowed: set[str] = set()
    denied: set[str] = set()
    for statement in listed(document.get("Statement", [])):
        if not _ASSUME & set(listed(statement.get("Action", []))):
            continue
        if statement.get("Effect") == "Deny":
            denied |= _services(statement)
        elif not statement.get("Condition"):
            allowed |= _services(statement)
    return frozenset() if "*" in denied else frozenset(allowed - denied)


def listed(value: Any) -> list[Any]:
    """IAM leaves the list away where there is one."""
    return value if isinstance(value, list) else [value]


def _services(statement: dict[str, Any]) -> set[str]:
    """Everybody is no service: a role that trusts everybody is not meant for this."""
    principal = statement.get("Principal", {})
    if isinstance(principal, dict):
        return set(listed(principal.get("Service", [])))
    return {"*"} if statement.get("Effect") == "Deny" else set()
