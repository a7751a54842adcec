"""The function in one Region: its log group, its filters, its alarms."""

from dataclasses import dataclass
from typing import NamedTuple

from . import Raw, Unread, read


class Metric(NamedTuple):
    """An alarm that names other dimensions looks at another metric."""

    namespace: str
    name: str
    dimensions: frozenset[str]


@dataclass(frozen=True, slots=True)
class MetricFilter:
    metric: Metric
    value: str
    """A number, or the field of the line that has it: `$.latencyMs`."""
    log_group: str
    matched: frozenset[str] | Unread
    """The names of the sample lines that AWS says it matches."""


class Statistic(NamedTuple):
    """An alarm's input, such as the p99 of a metric."""

    metric: Metric
    name: str


@dataclass(frozen=True, slots=True)
class Alarm:
    name: str
    statistics: tuple[Statistic, ...]
    is_computed: bool
    """It compares an expression of them, such as a rate."""
    comparison: str
    threshold: float | None
    """None if an anomaly detector decides how much is too much."""
    actions: tuple[str, ...]
    """Empty while they are switched off."""
    waits_for_many: bool
    """It is of a percentile, and keeps its state while there are few samples."""


@dataclass(frozen=True, slots=True)
class LogGroup:
    name: str
    retention: int | None
    """Days; None is for ever."""


@dataclass(frozen=True, slots=True)
class RegionLogs:
    region: str
    group: LogGroup | None
    has_executed: bool
    """Lambda's own metrics say that the function ran here."""
    filters: tuple[MetricFilter, ...]
    alarms: tuple[Alarm, ...]


def parse_region(region: str, raw: Raw) -> RegionLogs | Unread:
    """From DescribeLogGroups, ListMetrics, DescribeMetricFilters, TestMetricFilter and
    DescribeAlarms."""
    found = read(raw, region)
    if isinstance(found, Unread):
        return found
    groups = found["logGroups"]
    return RegionLogs(
        region=region,
        group=_group(groups[0]) if groups else None,
        has_executed=bool(found["metrics"]),
        filters=tuple(
            _filter(item, transformation)
            for item in found["metricFilters"]
            for transformation in item["metricTransformations"]
        ),
        alarms=tuple(_alarm(item) for item in found["alarms"]),
    )


def _group(item: Raw) -> LogGroup:
    return LogGroup(item["logGroupName"], item.get("retentionInDays"))


def _filter(item: Raw, transformation: Raw) -> MetricFilter:
    metric = Metric(
        transformation["metricNamespace"],
        transformation["metricName"],
        frozenset(transformation.get("dimensions", {})),
    )
    matched = read(item.get("matched"), "what the metric filters match")
    return MetricFilter(
        metric=metric,
        value=transformation["metricValue"],
        log_group=item["logGroupName"],
        matched=matched if isinstance(matched, Unread) else frozenset(matched["lines"]),
    )


def _alarm(item: Raw) -> Alarm:
    queries = item.get("Metrics", [])
    band = item.get("ThresholdMetricId")
    return Alarm(
        name=item["AlarmName"],
        statistics=_statistics(queries) if queries else (_single(item),),
        is_computed=any(
            "Expression" in each and each.get("ReturnData", True)
            for each in queries
            if each["Id"] != band
        ),
        comparison=item["ComparisonOperator"],
        threshold=item.get("Threshold"),
        actions=tuple(item.get("AlarmActions", []) if item["ActionsEnabled"] else ()),
        waits_for_many="ExtendedStatistic" in item
        and item.get("EvaluateLowSampleCountPercentile") == "ignore",
    )


def _statistics(queries: list[Raw]) -> tuple[Statistic, ...]:
    """The other queries are expressions."""
    stats = [each["MetricStat"] for each in queries if "MetricStat" in each]
    return tuple(Statistic(_metric(each["Metric"]), each["Stat"]) for each in stats)


def _single(item: Raw) -> Statistic:
    name = item.get("ExtendedStatistic") or item.get("Statistic", "")
    return Statistic(_metric(item), name)


def _metric(item: Raw) -> Metric:
    dimensions = frozenset(each["Name"] for each in item.get("Dimensions", []))
    return Metric(item.get("Namespace", ""), item.get("MetricName", ""), dimensions)
