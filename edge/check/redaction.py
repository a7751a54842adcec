"""Takes the secrets out of AWS's answers, before anything else sees them.

Of the function and its role only the members named here are kept. The distribution is
kept whole except for the values of headers, where people put shared secrets.
"""

from copy import deepcopy

from ..aws.distribution import items
from ..aws.function import listed
from .facts import Raw

REMOVED = "(removed)"

_KEPT_OF_A_FUNCTION = (
    "FunctionArn",
    "Runtime",
    "Handler",
    "Role",
    "PackageType",
    "Timeout",
    "MemorySize",
    "Architectures",
    "State",
    "LastUpdateStatus",
    "CodeSha256",
    "Version",
    "VpcConfig",
    "DeadLetterConfig",
    "TracingConfig",
    "FileSystemConfigs",
    "EphemeralStorage",
    "SnapStart",
    "KMSKeyArn",
    "LoggingConfig",
)


def function(answer: Raw) -> Raw:
    kept = {name: answer[name] for name in _KEPT_OF_A_FUNCTION if name in answer}
    variables = answer.get("Environment", {}).get("Variables", {})
    layers = [{"Arn": layer["Arn"]} for layer in answer.get("Layers", [])]
    return {
        **kept,
        "Environment": {"Variables": dict.fromkeys(variables, REMOVED)},
        "Layers": layers,
    }


def versions(answers: list[Raw]) -> Raw:
    wanted = ("Version", "CodeSha256")
    return {"Versions": [{name: each.get(name) for name in wanted} for each in answers]}


def role(answer: Raw) -> Raw:
    """An external id in a condition is a shared secret: that there is one is enough."""
    document = deepcopy(answer["AssumeRolePolicyDocument"])
    for statement in listed(document.get("Statement", [])):
        if statement.get("Condition"):
            statement["Condition"] = {REMOVED: {}}
    return {"RoleName": answer["RoleName"], "AssumeRolePolicyDocument": document}


def distribution(answer: Raw) -> Raw:
    wanted = ("Id", "ARN", "Status", "DomainName", "DistributionConfig")
    kept = deepcopy({name: answer[name] for name in wanted})
    for origin in items(kept["DistributionConfig"], "Origins"):
        for header in items(origin, "CustomHeaders"):
            header["HeaderValue"] = REMOVED
    return kept


def continuous_deployment(answer: Raw) -> Raw:
    """Who knows the value of its header gets the staging distribution."""
    kept = deepcopy(answer)
    header = (kept.get("TrafficConfig") or {}).get("SingleHeaderConfig")
    if header:
        header["Value"] = REMOVED
    return kept


def header_values(answer: Raw) -> Raw:
    """Of a response headers policy. Other policies have names only."""
    kept = deepcopy(answer)
    for header in items(kept, "CustomHeadersConfig"):
        header["Value"] = REMOVED
    return kept
