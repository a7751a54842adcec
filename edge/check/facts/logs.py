"""What one Region knows of the function: its log group, its filters, its alarms."""

from dataclasses import dataclass

from .unread import Answer, Unread, read


@dataclass(frozen=True, slots=True)
class MetricFilter:
    pattern: str
    namespace: str
    metric: str
    value: str
    dimensions: frozenset[str]
    log_group: str


@dataclass(frozen=True, slots=True)
class MetricQuery:
    """One line of an alarm: a metric with its statistic, or an expression."""

    query_id: str
    namespace: str
    metric: str
    statistic: str
    dimensions: frozenset[str]
    expression: str


@dataclass(frozen=True, slots=True)
class Alarm:
    name: str
    queries: tuple[MetricQuery, ...]
    judged: str
    """The id of the query whose value is compared."""
    comparison: str
    threshold: float | None
    threshold_id: str
    """The id of an anomaly detection band, where there is no number."""
    actions: tuple[str, ...]
    """None while they are switched off."""


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


def parse_region(region: str, answer: Answer) -> RegionLogs | Unread:
    """From DescribeLogGroups, ListMetrics, DescribeMetricFilters, DescribeAlarms."""
    found = read(answer, region)
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


def _group(item: Answer) -> LogGroup:
    return LogGroup(item["logGroupName"], item.get("retentionInDays"))


def _filter(item: Answer, transformation: Answer) -> MetricFilter:
    return MetricFilter(
        pattern=item.get("filterPattern", ""),
        namespace=transformation["metricNamespace"],
        metric=transformation["metricName"],
        value=transformation["metricValue"],
        dimensions=frozenset(transformation.get("dimensions", {})),
        log_group=item["logGroupName"],
    )


def _alarm(item: Answer) -> Alarm:
    queries = tuple(_query(query) for query in item.get("Metrics", []))
    if not queries:
        queries = (_single(item),)
    threshold_id = item.get("ThresholdMetricId", "")
    return Alarm(
        name=item["AlarmName"],
        queries=queries,
        judged=_judged(item, threshold_id),
        comparison=item["ComparisonOperator"],
        threshold=item.get("Threshold"),
        threshold_id=threshold_id,
        actions=tuple(item.get("AlarmActions", []) if item["ActionsEnabled"] else ()),
    )


def _judged(item: Answer, threshold_id: str) -> str:
    """AWS: exactly one query returns data, or two where one of them is the band."""
    for query in item.get("Metrics", []):
        if query.get("ReturnData", True) and query["Id"] != threshold_id:
            return str(query["Id"])
    return _SINGLE


_SINGLE = "metric"


def _single(item: Answer) -> MetricQuery:
    return MetricQuery(
        query_id=_SINGLE,
        namespace=item.get("Namespace", ""),
        metric=item.get("MetricName", ""),
        statistic=item.get("ExtendedStatistic") or item.get("Statistic", ""),
        dimensions=_dimensions(item),
        expression="",
    )


def _query(item: Answer) -> MetricQuery:
    stat = item.get("MetricStat", {})
    metric = stat.get("Metric", {})
    return MetricQuery(
        query_id=item["Id"],
        namespace=metric.get("Namespace", ""),
        metric=metric.get("MetricName", ""),
        statistic=stat.get("Stat", ""),
        dimensions=_dimensions(metric),
        expression=item.get("Expression", ""),
    )


def _dimensions(metric: Answer) -> frozenset[str]:
    return frozenset(dimension["Name"] for dimension in metric.get("Dimensions", []))
