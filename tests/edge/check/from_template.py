"""What AWS would answer once a template is deployed: as much as the check looks at.

Only the functions that the templates use are resolved: Ref, Sub, If, GetAtt, and in
conditions Equals and Not.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.edge.check import good

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
    # What !Ref gives of a resource.
    "Version": good.ARN,
    "LogGroup": "/aws/lambda/us-east-1.x402-edge",
}

# CloudFormation has plain lists where the API has a count and items.
_COUNTED = (
    *("Origins", "CacheBehaviors", "CustomErrorResponses", "AllowedMethods"),
    *("LambdaFunctionAssociations", "Aliases"),
)


def load(text: str) -> Tree:
    tree: Tree = _cfn_yaml.loads(text)
    return tree


def resources(file: Path, **parameters: str) -> Tree:
    """By name, their properties as they are deployed."""
    template = load(file.read_text())
    defaults = {
        name: parameter["Default"]
        for name, parameter in template["Parameters"].items()
        if "Default" in parameter
    }
    resolver = _Resolver(
        defaults | PARAMETERS | parameters, template.get("Conditions", {})
    )
    return {
        name: {**resource, "Properties": resolver.resolve(resource["Properties"])}
        for name, resource in template["Resources"].items()
    }


def distribution(found: Tree) -> Tree:
    answer = good.distribution()
    config = found["Distribution"]["Properties"]["DistributionConfig"]
    answer["DistributionConfig"] = _counted(config)
    return answer


def region(found: Tree) -> Tree:
    names = {name: each["Properties"] for name, each in found.items()}
    group = names["LogGroup"]
    return {
        "logGroups": [
            {
                "logGroupName": group["LogGroupName"],
                "retentionInDays": int(group["RetentionInDays"]),
            }
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


def _filter(properties: Tree) -> Tree:
    return {
        "filterPattern": properties["FilterPattern"],
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
