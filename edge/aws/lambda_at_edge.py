"""What Lambda@Edge asks of a function, and how the gate's own is set."""

from collections.abc import Iterator
from typing import Any

# What runs there of Python, newest first.
RUNTIMES = ("python3.14", "python3.13", "python3.12")

HANDLER = "handler.handler"
ARCHITECTURE = "x86_64"  # Lambda@Edge has no arm64

# Seconds. The gate's own deadlines end well before: it answers, Lambda does not.
TIMEOUT = 5

# MB. For viewer triggers AWS documents both 128 as the limit and no limit of their own.
MEMORY = 128

# Who runs the function: Lambda, and its replicas at the edge.
PRINCIPALS = frozenset({"lambda.amazonaws.com", "edgelambda.amazonaws.com"})

_MOST_STORAGE = 512  # MB


def variables(configuration: dict[str, Any]) -> list[str]:
    """The names of the environment variables, which are not supported either.
    Only the names: a value may be a secret."""
    found = (configuration.get("Environment") or {}).get("Variables") or {}
    return sorted(found)


def unsupported(configuration: dict[str, Any]) -> Iterator[str]:
    """What else of a GetFunctionConfiguration Lambda@Edge has not, after the list in
    the developer guide."""
    found = configuration
    if found.get("Layers"):
        yield "layers"
    if (found.get("VpcConfig") or {}).get("SubnetIds") or (
        found.get("VpcConfig") or {}
    ).get("VpcId"):
        yield "a VPC"
    if (found.get("DeadLetterConfig") or {}).get("TargetArn"):
        yield "a dead letter queue"
    if (found.get("TracingConfig") or {}).get("Mode") == "Active":
        yield "X-Ray tracing"
    if found.get("PackageType", "Zip") != "Zip":
        yield "a container image"
    if found.get("FileSystemConfigs"):
        yield "file systems"
    if (found.get("SnapStart") or {}).get("ApplyOn", "None") != "None":
        yield "SnapStart"
    if found.get("KMSKeyArn"):
        yield "a KMS key for the environment"
    if (found.get("EphemeralStorage") or {}).get("Size", 0) > _MOST_STORAGE:
        yield f"more than {_MOST_STORAGE} MB of storage"
