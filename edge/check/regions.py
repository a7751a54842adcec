"""Asks every Region for the gate's log group, its filters and its alarms.

A replica runs and logs in the Region nearest to the client, so it may be any Region.
AWS says whether a filter matches: it gets one of the gate's log lines of each kind.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

from ..aws.lambda_at_edge import log_group, replica
from ..aws.session import Session, explained
from ..errors import AwsTrouble
from .facts import Raw
from .log_lines import sample_lines

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
    """Those of the public partition that have CloudWatch Logs."""
    session = import_module("botocore.session").get_session()
    return sorted(session.get_available_regions("logs"))


def read_regions(
    session: Session, regions: Sequence[str], function: str, log_group_name: str = ""
) -> Raw:
    """By Region, without those that are switched off or know nothing of the gate.
    The name is that of the function's configuration, if it has one."""
    if not function:
        return {}
    names = sorted(set(regions))
    lines = sample_lines()  # before there are threads, which share standard output
    group = log_group(function, log_group_name)
    readers = [_Region(session, each, (function, group), lines) for each in names]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = list(threads.map(_Region.read, readers))
    found = zip(names, answers, strict=True)
    return {region: answer for region, answer in found if answer}


class _Region:
    def __init__(
        self,
        session: Session,
        region: str,
        names: tuple[str, str],
        lines: Mapping[str, str],
    ) -> None:
        """Takes the names of the function and of its log group."""
        self._who = f"{session} in {region}"
        # Made here: threads can share clients, but not sessions.
        self._logs = session.client("logs", region)
        self._cloudwatch = session.client("cloudwatch", region)
        self._function, self._log_group = names
        self._lines = lines

    def read(self) -> Raw:
        try:
            with explained(self._who, NEEDED):
                return self._read()
        except AwsTrouble as trouble:
            return {} if trouble.code in _SWITCHED_OFF else {"unread": str(trouble)}

    def _read(self) -> Raw:
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

    def _groups(self) -> list[Raw]:
        name = self._log_group
        answer = self._logs.describe_log_groups(logGroupNamePrefix=name)
        wanted = ("logGroupName", "retentionInDays")
        return [
            {key: group[key] for key in wanted if key in group}
            for group in answer["logGroups"]
            if group["logGroupName"] == name
        ]

    def _metrics(self) -> list[Raw]:
        answer = self._cloudwatch.list_metrics(
            Namespace="AWS/Lambda",
            MetricName="Invocations",
            Dimensions=[{"Name": "FunctionName", "Value": replica(self._function)}],
        )
        return [{"MetricName": each["MetricName"]} for each in answer["Metrics"]]

    def _filters(self, groups: list[Raw]) -> list[Raw]:
        paginator = self._logs.get_paginator("describe_metric_filters")
        wanted = (
            "filterName",
            "filterPattern",
            "metricTransformations",
            "logGroupName",
        )
        found = [
            {key: each[key] for key in wanted if key in each}
            for group in groups
            for page in paginator.paginate(logGroupName=group["logGroupName"])
            for each in page["metricFilters"]
        ]
        return [each | {"matched": self._matched(each)} for each in found]

    def _matched(self, metric_filter: Raw) -> Raw:
        """The names of our lines that it matches, as CloudWatch itself reads it."""
        try:
            with explained(self._who, NEEDED):
                answer = self._logs.test_metric_filter(
                    filterPattern=metric_filter.get("filterPattern", ""),
                    logEventMessages=[*self._lines.values()],
                )
        except AwsTrouble as trouble:
            return {"unread": str(trouble)}
        matched = {each["eventMessage"] for each in answer["matches"]}
        return {
            "lines": [name for name, line in self._lines.items() if line in matched]
        }

    def _alarms(self, filters: list[Raw]) -> list[Raw]:
        """Those on metrics of the filters, and no other alarm of the account."""
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
    "EvaluateLowSampleCountPercentile",
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


def _kept(alarm: Raw) -> Raw:
    return {key: alarm[key] for key in _OF_AN_ALARM if key in alarm}


def _metrics(alarm: Raw) -> set[tuple[Any, Any]]:
    stats = [query.get("MetricStat", {}) for query in alarm.get("Metrics", [])]
    metrics = [stat.get("Metric", {}) for stat in stats]
    return {(m.get("Namespace"), m.get("MetricName")) for m in [alarm, *metrics]}
