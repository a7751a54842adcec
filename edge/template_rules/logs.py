"""cfn-lint rules for logs and alarms: an alarm that cannot fire is not one."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

_kit: Any = import_module("cfnlint.helpers").import_filename(
    "_rule", str(Path(__file__).parent)
)

# The fields and the events that the gate logs.
FIELDS = frozenset(
    {
        *("ts", "eventType", "path", "resourceId", "settlementIntentId", "valid"),
        *("latencyMs", "requestId", "hasPaymentHeader", "error", "originStatus"),
        *("settled", "settledAt", "reason"),
    }
)
EVENT_TYPES = frozenset({"verify", "settle", "settle_skipped"})
SHORTEST_RETENTION = 30  # days

Properties = dict[str, Any]


def metrics(template: Any, properties: Properties) -> Iterator[str]:
    written = [
        (each["MetricNamespace"], each["MetricName"])
        for _, filter_ in template.all(_FILTER)
        for each in filter_["MetricTransformations"]
    ]
    for metric in _custom_metrics(properties):
        if (metric.get("Namespace"), metric.get("MetricName")) not in written:
            yield f"No filter writes {metric.get('MetricName')}: this cannot fire"


def dimensions(_: Any, properties: Properties) -> Iterator[str]:
    for metric in _custom_metrics(properties):
        if metric.get("Dimensions"):
            yield "Remove Dimensions: the filters publish none, so this cannot fire"


def fields(_: Any, properties: Properties) -> Iterator[str]:
    pattern = str(properties["FilterPattern"])
    values = [str(t["MetricValue"]) for t in properties["MetricTransformations"]]
    for field in re.findall(r"\$\.(\w+)", " ".join([pattern, *values])):
        if field not in FIELDS:
            yield f"The gate logs no field {field}"
    for event in re.findall(r'eventType\s*=\s*"?(\w+)', pattern):
        if event not in EVENT_TYPES:
            yield f"The gate logs no eventType {event}"


def actions(_: Any, properties: Properties) -> Iterator[str]:
    if not properties.get("AlarmActions"):
        yield "Give AlarmActions: nobody is told"
    if properties.get("TreatMissingData") == "breaching":
        yield "Set TreatMissingData to notBreaching: no traffic is no trouble"


def groups(template: Any, properties: Properties) -> Iterator[str]:
    name = properties.get("LogGroupName")
    text = name.get("Fn::Sub") if isinstance(name, dict) else name
    if not isinstance(text, str) or not text.startswith("/aws/lambda/"):
        return
    if not text.startswith("/aws/lambda/us-east-1."):
        yield "Replicas log to /aws/lambda/us-east-1.<function>, in every Region"
    for days in template.values(properties.get("RetentionInDays")):
        if days is None:
            yield "Give RetentionInDays: logs are kept, and paid for, for ever"
        elif int(days) < SHORTEST_RETENTION:
            yield f"Keep logs {SHORTEST_RETENTION} days or more, not {days}"


def _custom_metrics(properties: Properties) -> Iterator[Properties]:
    """Of a plain alarm, and of one with metric math; not those of AWS itself."""
    stats = [query.get("MetricStat", {}) for query in properties.get("Metrics", [])]
    for metric in [properties, *(stat.get("Metric", {}) for stat in stats)]:
        is_of_aws = str(metric.get("Namespace", "")).startswith("AWS/")
        if "MetricName" in metric and not is_of_aws:
            yield metric


_FILTER = "AWS::Logs::MetricFilter"
_ALARM = "AWS::CloudWatch::Alarm"

Metrics = _kit.rule("E9521", "An alarm has a metric that is written", _ALARM, metrics)
Dimensions = _kit.rule("E9522", "An alarm has a filter's metric", _ALARM, dimensions)
Fields = _kit.rule("E9523", "A filter matches what the gate logs", _FILTER, fields)
Actions = _kit.rule("E9524", "An alarm tells somebody", _ALARM, actions)
Groups = _kit.rule(
    "E9525", "The log group is that of the replicas", "AWS::Logs::LogGroup", groups
)
