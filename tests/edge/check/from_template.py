"""What AWS would answer once a template is deployed: as much as the check looks at.

Only the functions that the templates use are resolved: Ref, Sub, If, GetAtt, and in
conditions Equals and Not.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from edge.aws.lambda_at_edge import log_group
from tests.edge.check import good
from tests.edge.check.filter_patterns import matched

EDGE = Path(__file__).parents[3] / "edge"
TEMPLATE, ALARMS = EDGE / "template.yaml", EDGE / "alarms.yaml"

Tree = dict[str, Any]

_cfn_yaml: Any = import_module("cfnlint.decode.cfn_yaml")  # cfn-lint ships no types
_NOTHING = object()

PARAMETERS = {
    "FunctionName": "x402-edge",
    "OriginDomainName": "api.example.org",
    "AlarmTopicArn": "arn:aws:sns:us-east-1:111122223333:oncall",
    "BundleCodeSha256": good.DIGEST,
    "BundleBucket": "bucket",
    "BundleKey": "key",
    "AWS::Partition": "aws",
    "AWS::AccountId": "111122223333",
}

# CloudFormation has plain lists where the API has a count and items.
_COUNTED = (
    *("Origins", "CacheBehaviors", "CustomErrorResponses", "AllowedMethods"),
    *("LambdaFunctionAssociations", "FunctionAssociations", "Aliases"),
)

# What a function has only where the template says so.
_OPTIONAL = (
    *("Environment", "VpcConfig", "DeadLetterConfig", "TracingConfig", "SnapStart"),
    *("EphemeralStorage", "FileSystemConfigs", "PackageType", "LoggingConfig"),
)


def load(text: str) -> Tree:
    tree: Tree = _cfn_yaml.loads(text)
    return tree


def resources(file: Path, **parameters: str) -> Tree:
    return deployed(load(file.read_text()), **parameters)


def deployed(template: Tree, **parameters: str) -> Tree:
    """By name, the resources with their properties as they are deployed."""
    defaults = {
        name: parameter["Default"]
        for name, parameter in template["Parameters"].items()
        if "Default" in parameter
    }
    referred = {
        name: _referred(resource) for name, resource in template["Resources"].items()
    }
    resolver = _Resolver(
        referred | defaults | PARAMETERS | parameters, template.get("Conditions", {})
    )
    return {
        name: {**resource, "Properties": resolver.resolve(resource["Properties"])}
        for name, resource in template["Resources"].items()
    }


def _referred(resource: Tree) -> Any:
    """What !Ref gives of a resource."""
    match resource["Type"]:
        case "AWS::Lambda::Version":
            return good.ARN
        case "AWS::Logs::LogGroup":
            return log_group("x402-edge")
        case kind:
            return kind


def function(found: Tree) -> Tree:
    """What the template leaves open is as AWS sets it."""
    properties = found["Function"]["Properties"]
    settings = {
        "Timeout": 3,
        "MemorySize": 128,
        "Architectures": ["x86_64"],
        **{name: properties[name] for name in _OPTIONAL if name in properties},
        "Layers": [{"Arn": arn} for arn in properties.get("Layers", [])],
        "KMSKeyArn": properties.get("KmsKeyArn", ""),
    }
    named = ("Timeout", "MemorySize", "Architectures", "Runtime", "Handler")
    given = {name: properties[name] for name in named if name in properties}
    return good.function() | settings | given


def distribution(found: Tree) -> Tree:
    answer = good.distribution()
    config = found["Distribution"]["Properties"]["DistributionConfig"]
    answer["DistributionConfig"] = _counted(config)
    return answer


def region(found: Tree) -> Tree:
    groups = [
        _group(each["Properties"])
        for each in found.values()
        if each["Type"] == "AWS::Logs::LogGroup"
    ]
    return {
        # AWS is asked for the group of the replicas.
        "logGroups": [
            each for each in groups if each["logGroupName"] == log_group("x402-edge")
        ],
        "metrics": [{"MetricName": "Invocations"}],
        "metricFilters": [
            _filter(each["Properties"])
            for each in found.values()
            if each["Type"] == "AWS::Logs::MetricFilter"
        ],
        "alarms": [
            {"AlarmName": name, "ActionsEnabled": True, **each["Properties"]}
            for name, each in found.items()
            if each["Type"] == "AWS::CloudWatch::Alarm"
        ],
    }


def _group(properties: Tree) -> Tree:
    group = {"logGroupName": properties["LogGroupName"]}
    if "RetentionInDays" in properties:
        group["retentionInDays"] = int(properties["RetentionInDays"])
    return group


def _filter(properties: Tree) -> Tree:
    return {
        "filterPattern": properties["FilterPattern"],
        "matched": matched(properties["FilterPattern"]),
        "logGroupName": properties["LogGroupName"],
        "metricTransformations": [
            {name[0].lower() + name[1:]: value for name, value in each.items()}
            for each in properties["MetricTransformations"]
        ],
    }


def _counted(value: Any) -> Any:
    if isinstance(value, list):
        return [_counted(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: good.listed(_counted(each)) if key in _COUNTED else _counted(each)
        for key, each in value.items()
    }


class _Resolver:
    def __init__(self, names: dict[str, Any], conditions: Tree) -> None:
        self._names = names
        self._conditions = conditions

    def resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            items = [self.resolve(each) for each in value]
            return [each for each in items if each is not _NOTHING]
        if not isinstance(value, dict):
            return value
        match list(value.items()):
            case [("Ref", "AWS::NoValue")]:
                return _NOTHING
            case [("Ref", str(name))]:
                return self._names.get(name, name)
            case [("Fn::Sub", str(text))]:
                return re.sub(r"\$\{([\w:.]+)\}", self._substituted, text)
            case [("Fn::GetAtt", attribute)]:
                return str(attribute)
            case [("Fn::If", [str(condition), then, otherwise])]:
                is_so = self._holds(self._conditions[condition])
                return self.resolve(then if is_so else otherwise)
            case members:
                found = {key: self.resolve(each) for key, each in members}
                return {k: each for k, each in found.items() if each is not _NOTHING}

    def _substituted(self, match: re.Match[str]) -> str:
        return str(self._names.get(match[1], match[1]))

    def _holds(self, condition: Tree) -> bool:
        match condition:
            case {"Fn::Not": [inner]}:
                return not self._holds(inner)
            case {"Fn::Equals": [left, right]}:
                return bool(self.resolve(left) == self.resolve(right))
            case other:
                raise AssertionError(f"a condition that no template has: {other}")
