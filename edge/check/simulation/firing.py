"""Would this alarm fire on these log lines? Filters make metrics, alarms compare them.

One period is enough to tell an alarm that can fire from one that cannot: whether a
pattern matches our lines, whether a metric of that name exists, whether the number
that the lines make is beyond the threshold.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..facts.logs import Alarm, MetricFilter, MetricQuery
from .filter_pattern import NotJudged, matcher, select
from .metric_math import NO_DATA, NotComputed, evaluate
from .traffic import Lines


class MetricKey(NamedTuple):
    """An alarm that names other dimensions looks at another metric."""

    namespace: str
    metric: str
    dimensions: frozenset[str]


# What a filter published; None when it is not understood here.
Metrics = Mapping[MetricKey, list[float] | None]

_ABOVE_THE_BAND = (
    "GreaterThanUpperThreshold",
    "LessThanLowerOrGreaterThanUpperThreshold",
)
_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}


class CannotTell(Exception):
    """The alarm may be right; a person has to look at it."""


def metrics_of(filters: Iterable[MetricFilter], lines: Lines) -> Metrics:
    metrics: dict[MetricKey, list[float] | None] = {}
    for each in filters:
        key = MetricKey(each.namespace, each.metric, each.dimensions)
        series = metrics.setdefault(key, [])
        published = _published(each, lines)
        if series is None or published is None:
            metrics[key] = None
        else:
            series.extend(published)
    return metrics


def fires(alarm: Alarm, usual: Metrics, now: Metrics) -> bool:
    """Whether it fires `now`; `usual` is what an anomaly detector has learned.

    Raises CannotTell."""
    try:
        value = _value(alarm, alarm.judged, now)
        if alarm.threshold_id:
            return _is_above_the_band(alarm, _value(alarm, alarm.judged, usual), value)
    except NotComputed as unknown:
        raise CannotTell(str(unknown)) from unknown
    if alarm.comparison not in _COMPARISONS or alarm.threshold is None:
        raise CannotTell(f"{alarm.comparison} is not understood here")
    return _COMPARISONS[alarm.comparison](value, alarm.threshold)


def _is_above_the_band(alarm: Alarm, usual: float, value: float) -> bool:
    band = _query(alarm, alarm.threshold_id).expression
    if not band.startswith("ANOMALY_DETECTION_BAND("):
        raise CannotTell(f"the threshold {band!r} is not understood here")
    # How wide it has learned to be is its own. Five times the usual is above it.
    return alarm.comparison in _ABOVE_THE_BAND and value > 5 * usual


def _value(alarm: Alarm, query_id: str, metrics: Metrics) -> float:
    query = _query(alarm, query_id)
    if not query.expression:
        return _statistic(query, metrics)
    named = set(re.findall(r"\w+", query.expression)) - {query_id}
    inputs = {
        each.query_id: _value(alarm, each.query_id, metrics)
        for each in alarm.queries
        if each.query_id in named
    }
    return evaluate(query.expression, inputs)


def _query(alarm: Alarm, query_id: str) -> MetricQuery:
    for query in alarm.queries:
        if query.query_id == query_id:
            return query
    raise CannotTell(f"{alarm.name} has no metric {query_id}")


def _statistic(query: MetricQuery, metrics: Metrics) -> float:
    key = MetricKey(query.namespace, query.metric, query.dimensions)
    series = metrics.get(key, [])
    if series is None:
        raise CannotTell(f"the filter of {query.metric} is not understood here")
    if not series:
        return NO_DATA
    match query.statistic:
        case "SampleCount":
            return len(series)
        case "Sum":
            return math.fsum(series)
        case "Average":
            return math.fsum(series) / len(series)
        case "Maximum":
            return max(series)
        case "Minimum":
            return min(series)
        case percentile if re.fullmatch(r"p\d+(\.\d+)?", percentile):
            rank = math.ceil(len(series) * float(percentile[1:]) / 100)
            return sorted(series)[max(rank, 1) - 1]
        case other:
            raise CannotTell(f"the statistic {other} is not understood here")


def _published(each: MetricFilter, lines: Lines) -> list[float] | None:
    try:
        matches = matcher(each.pattern)
    except NotJudged:
        return None
    found = (line for line in lines if matches(line))
    if not each.value.startswith("$"):
        return [float(each.value) for _ in found]
    values = (select(line, each.value) for line in found)
    return [float(value) for value in values if _is_number(value)]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
