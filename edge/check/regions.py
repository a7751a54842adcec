"""Asks every Region for the gate's log group, its filters and its alarms.

A replica runs, and logs, in the Region nearest to the client. Nobody is told which.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from ..aws.lambda_at_edge import log_group, replica
from ..aws.session import Session, explained
from ..errors import AwsTrouble
from .facts.unread import Answer

NEEDED = "All that check needs is in edge/check/permissions.json."

_AT_ONCE = 8

# How AWS answers in a Region that the account has not switched on: nothing runs there.
_SWITCHED_OFF = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidClientTokenIdException",
    }
)


def all_regions() -> list[str]:
    """Those of the public partition in which there are logs."""
    session = import_module("botocore.session").get_session()
    return sorted(session.get_available_regions("logs"))


def read_regions(session: Session, regions: Sequence[str], function: str) -> Answer:
    """By Region. Those that are switched off, or have nothing to say, are left out."""
    if not function:
        return {}
    names = sorted(set(regions))
    readers = [_Region(session, region, function) for region in names]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = list(threads.map(_Region.read, readers))
    found = zip(names, answers, strict=True)
    return {region: answer for region, answer in found if answer}


class _Region:
    def __init__(self, session: Session, region: str, function: str) -> None:
        self._who = f"{session} in {region}"
        # Made here, because sessions are not for several threads; clients are.
        self._logs = session.client("logs", region)
        self._cloudwatch = session.client("cloudwatch", region)
        self._function = function

    def read(self) -> Answer:
        try:
            with explained(self._who, NEEDED):
                return self._read()
        except AwsTrouble as trouble:
            return {} if trouble.code in _SWITCHED_OFF else {"unread": str(trouble)}

    def _read(self) -> Answer:
        groups, metrics = self._groups(), self._metrics()
        if not groups and not metrics:
            return {}
        filters = self._filters(groups)
        return {
            "logGroups": groups,
            "metrics": metrics,
            "metricFilters": filters,
            "alarms": self._alarms(filters),
        }

    def _groups(self) -> list[Answer]:
        name = log_group(self._function)
        answer = self._logs.describe_log_groups(logGroupNamePrefix=name)
        wanted = ("logGroupName", "retentionInDays")
        return [
            {key: group[key] for key in wanted if key in group}
            for group in answer["logGroups"]
            if group["logGroupName"] == name
        ]

    def _metrics(self) -> list[Answer]:
        answer = self._cloudwatch.list_metrics(
            Namespace="AWS/Lambda",
            MetricName="Invocations",
            Dimensions=[{"Name": "FunctionName", "Value": replica(self._function)}],
        )
        return [{"MetricName": each["MetricName"]} for each in answer["Metrics"]]

    def _filters(self, groups: list[Answer]) -> list[Answer]:
        paginator = self._logs.get_paginator("describe_metric_filters")
        wanted = (
            "filterName",
            "filterPattern",
            "metricTransformations",
            "logGroupName",
        )
        return [
            {key: each[key] for key in wanted if key in each}
            for group in groups
            for page in paginator.paginate(logGroupName=group["logGroupName"])
            for each in page["metricFilters"]
        ]

    def _alarms(self, filters: list[Answer]) -> list[Answer]:
        """Those that look at what the filters publish, and no other of the account."""
        ours = {
            (each["metricNamespace"], each["metricName"])
            for found in filters
            for each in found["metricTransformations"]
        }
        if not ours:
            return []
        paginator = self._cloudwatch.get_paginator("describe_alarms")
        pages = paginator.paginate(AlarmTypes=["MetricAlarm"])
        alarms = [alarm for page in pages for alarm in page["MetricAlarms"]]
        return [
            _kept(alarm) for alarm in alarms if not ours.isdisjoint(_metrics(alarm))
        ]


_OF_AN_ALARM = (
    "AlarmName",
    "ActionsEnabled",
    "AlarmActions",
    "Namespace",
    "MetricName",
    "Statistic",
    "ExtendedStatistic",
    "Dimensions",
    "Period",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ThresholdMetricId",
    "ComparisonOperator",
    "TreatMissingData",
    "Metrics",
)


def _kept(alarm: Answer) -> Answer:
    return {key: alarm[key] for key in _OF_AN_ALARM if key in alarm}


def _metrics(alarm: Answer) -> set[tuple[Any, Any]]:
    stats = [query.get("MetricStat", {}) for query in alarm.get("Metrics", [])]
    metrics = [stat.get("Metric", {}) for stat in stats]
    return {(m.get("Namespace"), m.get("MetricName")) for m in [alarm, *metrics]}
