"""Answers of AWS without what is secret in them, before anything else sees them.

Of the function and of its role only what is named here is kept. The distribution is
kept whole but for the values of headers, which are where shared secrets are put.
"""

from copy import deepcopy

from ..aws.distribution import items
from ..aws.function import listed
from .facts.unread import Answer

REMOVED = "(removed)"

_OF_THE_FUNCTION = (
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


def function(answer: Answer) -> Answer:
    kept = {name: answer[name] for name in _OF_THE_FUNCTION if name in answer}
    variables = answer.get("Environment", {}).get("Variables", {})
    layers = [{"Arn": layer["Arn"]} for layer in answer.get("Layers", [])]
    return {
        **kept,
        "Environment": {"Variables": dict.fromkeys(variables, REMOVED)},
        "Layers": layers,
    }


def versions(answers: list[Answer]) -> Answer:
    wanted = ("Version", "CodeSha256")
    return {"Versions": [{name: each.get(name) for name in wanted} for each in answers]}


def role(answer: Answer) -> Answer:
    """An external id in a condition is a shared secret: that there is one is enough."""
    document = deepcopy(answer["AssumeRolePolicyDocument"])
    for statement in listed(document.get("Statement", [])):
        if statement.get("Condition"):
            statement["Condition"] = {REMOVED: {}}
    return {"RoleName": answer["RoleName"], "AssumeRolePolicyDocument": document}


def distribution(answer: Answer) -> Answer:
    wanted = ("Id", "ARN", "Status", "DomainName", "DistributionConfig")
    kept = deepcopy({name: answer[name] for name in wanted})
    for origin in items(kept["DistributionConfig"], "Origins"):
        for header in items(origin, "CustomHeaders"):
            header["HeaderValue"] = REMOVED
    return kept


def header_values(answer: Answer) -> Answer:
    """Of a response headers policy. Other policies have names only."""
    kept = deepcopy(answer)
    for header in items(kept, "CustomHeadersConfig"):
        header["Value"] = REMOVED
    return kept
