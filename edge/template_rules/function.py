"""cfn-lint rules for the function: the limits of Lambda@Edge, which cfn-lint passes."""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

_kit: Any = import_module("cfnlint.helpers").import_filename(
    "_rule", str(Path(__file__).parent)
)

_edge: Any = _kit.known("lambda_at_edge")

RUNTIMES: list[str] = sorted(_edge.RUNTIMES)
TIMEOUT: int = _edge.TIMEOUT
ARCHITECTURE: str = _edge.ARCHITECTURE
UNSUPPORTED = (
    "DeadLetterConfig",
    "FileSystemConfigs",
    "ImageConfig",
    "KmsKeyArn",
    "Layers",
    "VpcConfig",
)

Properties = dict[str, Any]


def timeout(template: Any, properties: Properties) -> Iterator[str]:
    for value in template.values(properties.get("Timeout", 3)):
        if value != TIMEOUT:
            yield f"Timeout is {value}: set it to {TIMEOUT}"


def environment(_: Any, properties: Properties) -> Iterator[str]:
    if "Environment" in properties:
        yield "Remove Environment: what the gate needs is baked into the bundle"


def features(_: Any, properties: Properties) -> Iterator[str]:
    for name in UNSUPPORTED:
        if name in properties:
            yield f"Remove {name}: Lambda@Edge does not support it"
    if properties.get("TracingConfig", {}).get("Mode") == "Active":
        yield "Remove TracingConfig: Lambda@Edge does not support it"
    if properties.get("EphemeralStorage", {}).get("Size", 512) != 512:
        yield "Remove EphemeralStorage: Lambda@Edge has 512 MB"


def architecture(template: Any, properties: Properties) -> Iterator[str]:
    for each in properties.get("Architectures", []):
        for value in template.values(each):
            if value != ARCHITECTURE:
                yield f"Architectures has {value}: Lambda@Edge has {ARCHITECTURE} only"


def runtime(template: Any, properties: Properties) -> Iterator[str]:
    for value in template.values(properties.get("Runtime")):
        if value not in RUNTIMES:
            yield f"Runtime is {value}: use one of {', '.join(RUNTIMES)}"


def trust(_: Any, properties: Properties) -> Iterator[str]:
    services: set[str] = set()
    for statement in properties["AssumeRolePolicyDocument"]["Statement"]:
        service = statement.get("Principal", {}).get("Service", [])
        services |= {service} if isinstance(service, str) else set(service)
    missing = sorted(_edge.PRINCIPALS - services)
    if "lambda.amazonaws.com" in services and missing:
        yield f"Add {', '.join(missing)} to the principals: it runs the replicas"


_FUNCTION = "AWS::Lambda::Function"

Timeout = _kit.rule("E9501", "The gate's timeout is 5 seconds", _FUNCTION, timeout)
Environment = _kit.rule(
    "E9502", "Lambda@Edge has no environment variables", _FUNCTION, environment
)
Features = _kit.rule(
    "E9503", "Lambda@Edge has no layers, no VPC, no dead letters", _FUNCTION, features
)
Architecture = _kit.rule(
    "E9504", "Lambda@Edge has x86_64 only", _FUNCTION, architecture
)
Runtime = _kit.rule(
    "E9505", "The runtime is a Python of Lambda@Edge", _FUNCTION, runtime
)
Trust = _kit.rule(
    "E9506", "The role trusts the replicas of the function", "AWS::IAM::Role", trust
)
