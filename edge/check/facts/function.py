"""The function: the version that is associated, what was published, its role."""

from dataclasses import dataclass

from .unread import Answer, Unread, read


@dataclass(frozen=True, slots=True)
class Arn:
    """arn:aws:lambda:us-east-1:111122223333:function:name:7"""

    region: str
    name: str
    version: str | None


@dataclass(frozen=True, slots=True)
class Function:
    arn: Arn
    runtime: str
    handler: str
    package_type: str
    timeout: int
    memory: int
    architectures: tuple[str, ...]
    state: str
    last_update: str
    code_digest: str
    environment: tuple[str, ...]
    """Names only: a value may be a secret."""
    layers: tuple[str, ...]
    in_vpc: bool
    has_dead_letters: bool
    other_features: tuple[str, ...]
    log_format: str


@dataclass(frozen=True, slots=True)
class Published:
    version: str
    code_digest: str


@dataclass(frozen=True, slots=True)
class Role:
    trusts: frozenset[str]
    """The services that may assume it."""


def parse_arn(text: str) -> Arn:
    parts = text.split(":")
    if len(parts) < 7 or parts[2] != "lambda":
        return Arn(region="", name=text, version=None)
    return Arn(parts[3], parts[6], parts[7] if len(parts) > 7 else None)


def parse_function(answer: Answer | None) -> Function | Unread:
    """From GetFunctionConfiguration of the qualified ARN."""
    found = read(answer, "the function")
    if isinstance(found, Unread):
        return found
    return Function(
        arn=parse_arn(found["FunctionArn"]),
        runtime=found.get("Runtime", ""),
        handler=found.get("Handler", ""),
        package_type=found.get("PackageType", "Zip"),
        timeout=found.get("Timeout", 3),
        memory=found.get("MemorySize", 128),
        architectures=tuple(found.get("Architectures", ["x86_64"])),
        state=found.get("State", "Active"),
        last_update=found.get("LastUpdateStatus", "Successful"),
        code_digest=found.get("CodeSha256", ""),
        environment=tuple(found.get("Environment", {}).get("Variables", {})),
        layers=tuple(layer["Arn"] for layer in found.get("Layers", [])),
        in_vpc=bool(found.get("VpcConfig", {}).get("VpcId")),
        has_dead_letters=bool(found.get("DeadLetterConfig", {}).get("TargetArn")),
        other_features=tuple(_other_features(found)),
        log_format=found.get("LoggingConfig", {}).get("LogFormat", "Text"),
    )


def parse_published(answer: Answer | None) -> tuple[Published, ...] | Unread:
    """From ListVersionsByFunction, without $LATEST."""
    found = read(answer, "the list of versions")
    if isinstance(found, Unread):
        return found
    return tuple(
        Published(version["Version"], version.get("CodeSha256", ""))
        for version in found["Versions"]
        if version["Version"] != "$LATEST"
    )


def parse_role(answer: Answer | None) -> Role | Unread:
    """From GetRole. botocore has decoded the document already."""
    found = read(answer, "the execution role")
    if isinstance(found, Unread):
        return found
    return Role(frozenset(_trusted(found["AssumeRolePolicyDocument"])))


def parse_log_permission(answer: Answer | None) -> frozenset[str] | Unread:
    """From SimulatePrincipalPolicy: the actions that are not allowed."""
    found = read(answer, "what the role may log")
    if isinstance(found, Unread):
        return found
    return frozenset(
        result["EvalActionName"]
        for result in found["EvaluationResults"]
        if result["EvalDecision"] != "allowed"
    )


def _other_features(answer: Answer) -> list[str]:
    """What else Lambda@Edge does not support, in the words of the console."""
    storage = answer.get("EphemeralStorage", {}).get("Size", 512)
    features = {
        "X-Ray tracing": answer.get("TracingConfig", {}).get("Mode") == "Active",
        "file systems": bool(answer.get("FileSystemConfigs")),
        "ephemeral storage over 512 MB": storage > 512,
        "SnapStart": answer.get("SnapStart", {}).get("ApplyOn", "None") != "None",
        "a container image": answer.get("PackageType", "Zip") != "Zip",
        "a KMS key for the environment": bool(answer.get("KMSKeyArn")),
    }
    return [name for name, is_there in features.items() if is_there]


def _trusted(document: Answer) -> list[str]:
    statements = document.get("Statement", [])
    services: list[str] = []
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        allows = statement.get("Effect") == "Allow" and isinstance(principal, dict)
        # With a condition it depends: that is not trust one can count on.
        if allows and not statement.get("Condition") and _assumes(statement):
            service = principal.get("Service", [])
            services += [service] if isinstance(service, str) else service
    return services


def _assumes(statement: Answer) -> bool:
    action = statement.get("Action", [])
    actions = [action] if isinstance(action, str) else action
    return any(each in ("sts:AssumeRole", "sts:*", "*") for each in actions)
