"""Lambda@Edge's requirements of a function, and the gate's own settings."""

from typing import Any

# When the gate runs: to verify, and to settle.
EVENTS = ("viewer-request", "origin-response")

# AWS, "Restrictions on all edge functions": on these, CloudFront Functions do not share
# a behaviour with Lambda@Edge.
VIEWER_EVENTS = frozenset({"viewer-request", "viewer-response"})

# What runs there of Python. The first is for new functions.
RUNTIMES = ("python3.13", "python3.14", "python3.12")

HANDLER = "handler.handler"
ARCHITECTURE = "x86_64"  # Lambda@Edge has no arm64

# Seconds. The gate's own deadlines end well before: it answers, Lambda does not.
TIMEOUT = 5
# Before a standard facilitator: a settlement waits for a chain.
X402_TIMEOUT = 30

# MB. For viewer triggers AWS documents both 128 as the limit and no limit of their own.
MEMORY = 128

# The services that run the function: Lambda, and its replicas at the edge.
PRINCIPALS = frozenset({"lambda.amazonaws.com", "edgelambda.amazonaws.com"})

_MOST_STORAGE = 512  # MB

# As GetFunctionConfiguration answers.
Configuration = dict[str, Any]


def replica(function: str) -> str:
    """The name of its replicas, in every Region."""
    return f"us-east-1.{function}"


def log_group(function: str, configured: str = "") -> str:
    """Where they log, in the Region in which they run. AWS puts the Region of the
    function into its default name, and leaves a name of one's own as it is."""
    if configured in ("", f"/aws/lambda/{function}"):
        return f"/aws/lambda/{replica(function)}"
    return configured


def variables(configuration: Configuration) -> list[str]:
    """The names of the environment variables, which are not supported either.
    Only the names: a value may be a secret."""
    return sorted(_part(configuration, "Environment").get("Variables") or {})


def unsupported(configuration: Configuration) -> list[str]:
    """Other features that Lambda@Edge lacks, after the developer guide's list."""
    vpc = _part(configuration, "VpcConfig")
    storage = _part(configuration, "EphemeralStorage").get("Size", 0)
    snap_start = _part(configuration, "SnapStart").get("ApplyOn", "None")
    features = {
        "layers": configuration.get("Layers"),
        "a VPC": vpc.get("VpcId") or vpc.get("SubnetIds"),
        "a dead letter queue": _part(configuration, "DeadLetterConfig").get(
            "TargetArn"
        ),
        "X-Ray tracing": _part(configuration, "TracingConfig").get("Mode") == "Active",
        "a container image": configuration.get("PackageType", "Zip") != "Zip",
        "file systems": configuration.get("FileSystemConfigs"),
        "SnapStart": snap_start != "None",
        "a KMS key for the environment": configuration.get("KMSKeyArn"),
        f"more than {_MOST_STORAGE} MB of storage": storage > _MOST_STORAGE,
    }
    return [name for name, is_there in features.items() if is_there]


def _part(configuration: Configuration, name: str) -> dict[str, Any]:
    return configuration.get(name) or {}
