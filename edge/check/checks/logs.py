"""The logs: one group in each Region in which the gate has run, and four of the five
alarms of edge/alarms.yaml: those that the published checklist asks for, without the one
of refused settlements.

An alarm is known by what it watches, not by its name: the metric that a filter of the
group makes of the right lines.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..facts import Unread
from ..facts.logs import Alarm, MetricFilter, RegionLogs, Statistic
from ..finding import Check, Failed, NotChecked, Outcome, Passed, Warned, worst_of
from ..log_lines import (
    UNASKED,
    UNPAID,
    UNSETTLED,
    UNVERIFIED,
    VERIFIED,
    sample_lines,
)
from ..subject import Subject

_SHORTEST = 30  # days

_COUNT = "Sum|SampleCount"


class _Watch(NamedTuple):
    """The purpose of one of the alarms in edge/alarms.yaml."""

    alarm: str
    title: str
    happens: str
    """Continues the sentence "no alarm fires when …"."""
    lines: frozenset[str]
    """The metric is made of these, or of some of them."""
    silent_at: float | None
    """With this threshold, or a higher one, it does not fire then."""
    statistic: str = _COUNT
    value: str = ".*"
    """Of the metric filter. Both are regular expressions."""


_WATCHES = (
    _Watch(
        "verify-errors",
        "Alarm: verify error rate > 1 %",
        "2 % of the calls to verify fail",
        frozenset({UNVERIFIED}),
        2,
    ),
    _Watch(
        "verify-latency",
        "Alarm: verify p99 latency > 500 ms",
        "2 % of the calls to verify take 900 ms",
        frozenset({VERIFIED, UNPAID, UNVERIFIED}),
        900,
        r"p99(\.\d+)?|Maximum",
        r"\$\.latencyMs",
    ),
    _Watch(
        "settle-errors",
        "Alarm: settle error rate > 5 %",
        "10 % of the calls to settle fail",
        frozenset({UNSETTLED}),
        10,
    ),
    _Watch(
        "unpaid",
        "Alarm: spike of hasPaymentHeader: false",
        "ten times as many requests as usual come without a payment header",
        frozenset({UNPAID, UNASKED}),
        None,
    ),
)


def groups(subject: Subject) -> Outcome:
    there = [region.region for region in _logged(subject)]
    if there:
        return Passed(", ".join(there))
    unread = _unread(subject)
    if unread:
        return NotChecked(unread)
    return Failed(
        "There is no log group in any Region: the gate has never run, or may not log.",
        "Send a request to a gated path, wait a minute, and check again.",
    )


def lost(subject: Subject) -> Outcome:
    silent = [
        region.region
        for region in _read(subject)
        if region.has_executed and region.group is None
    ]
    if silent:
        return Failed(
            f"The gate has run in {', '.join(silent)}, and there is no log group.",
            "Let the role call logs:CreateLogGroup there, or create the group.",
        )
    unread = _unread(subject)
    return NotChecked(unread) if unread else Passed("none does")


def retention(subject: Subject) -> Outcome:
    kept = [
        (region.region, region.group.retention)
        for region in _logged(subject)
        if region.group is not None
    ]
    if not kept:
        return NotChecked("there is no log group yet")
    short = [
        f"{region}: {days} days" for region, days in kept if days and days < _SHORTEST
    ]
    if short:
        return Failed(
            f"Logs are deleted too soon ({', '.join(short)}).",
            f"Keep them for {_SHORTEST} days or more: you need them to answer the"
            " complaint of a payer.",
        )
    endless = [region for region, days in kept if days is None]
    if endless:
        return Warned(
            f"Logs are kept, and paid for, forever in {', '.join(endless)}.",
            f"Set a retention of {_SHORTEST} days or more.",
        )
    return Passed(", ".join(f"{region}: {days} days" for region, days in kept))


def _watched(watch: _Watch) -> Callable[[Subject], Iterator[Outcome]]:
    def examine(subject: Subject) -> Iterator[Outcome]:
        regions = _logged(subject)
        if not regions:
            yield NotChecked("there is no log group yet")
        for region in regions:
            found = _alarms(region, watch)
            if found:
                if all(alarm.waits_for_many for alarm in found):
                    yield _waits_for_many(region, found[0])
                continue
            doubts = "; ".join(sorted(_doubts(region)))
            if doubts:
                yield NotChecked(f"{region.region}: {doubts}")
            else:
                yield Failed(
                    f"In {region.region} no alarm fires when {watch.happens}.",
                    "Deploy edge/alarms.yaml in each Region that has a log group.",
                )

    return examine


def _waits_for_many(region: RegionLogs, alarm: Alarm) -> Outcome:
    """AWS: a percentile p has few samples below 10 / (1 - p)."""
    return Warned(
        f"{alarm.name} ({region.region}) keeps its state while there are few calls:"
        " for p99, below 1,000 in the time that it looks at.",
        "Set EvaluateLowSampleCountPercentile to evaluate, as in edge/alarms.yaml.",
    )


def actions(subject: Subject) -> Outcome:
    useful = {
        (region.region, alarm)
        for region in _logged(subject)
        for watch in _WATCHES
        for alarm in _alarms(region, watch)
    }
    if not useful:
        doubts = {doubt for region in _logged(subject) for doubt in _doubts(region)}
        return NotChecked("; ".join(sorted(doubts)) or "there is no alarm yet")
    silent = [
        f"{alarm.name} ({region})" for region, alarm in useful if not alarm.actions
    ]
    if silent:
        return Failed(
            f"Nobody is notified when {', '.join(sorted(silent))} fires.",
            "Give it an alarm action, such as an SNS topic that your team reads.",
        )
    return Passed("each has an action")


def _logged(subject: Subject) -> list[RegionLogs]:
    return [region for region in _read(subject) if region.group is not None]


def _read(subject: Subject) -> list[RegionLogs]:
    regions = subject.snapshot.regions.values()
    return [region for region in regions if not isinstance(region, Unread)]


def _unread(subject: Subject) -> str:
    regions = subject.snapshot.regions.values()
    return "; ".join(each.why for each in regions if isinstance(each, Unread))


def _alarms(region: RegionLogs, watch: _Watch) -> list[Alarm]:
    return [alarm for alarm in region.alarms if _serves(alarm, watch, region)]


def _serves(alarm: Alarm, watch: _Watch, region: RegionLogs) -> bool:
    """A metric without data, even if it is only the divisor of a rate, keeps an alarm
    from firing."""
    return (
        all(_lines(each, region) for each in alarm.statistics)
        and any(_is_of(each, watch, region) for each in alarm.statistics)
        and "GreaterThan" in alarm.comparison
        and _fires_early(alarm, watch)
    )


def _is_of(statistic: Statistic, watch: _Watch, region: RegionLogs) -> bool:
    lines = _lines(statistic, region, watch.value)
    return (
        bool(lines)
        and lines <= watch.lines
        and re.fullmatch(watch.statistic, statistic.name) is not None
    )


def _fires_early(alarm: Alarm, watch: _Watch) -> bool:
    """If it counts failures and is not a rate, its threshold cannot be judged without
    knowing the traffic."""
    if alarm.threshold is None or watch.silent_at is None:
        return True
    is_number = watch.statistic == _COUNT and not alarm.is_computed
    return alarm.threshold >= 0 and (is_number or alarm.threshold < watch.silent_at)


def _lines(
    statistic: Statistic, region: RegionLogs, value: str = ".*"
) -> frozenset[str]:
    """The sample lines that its metric is made of."""
    return frozenset(
        line
        for each in region.filters
        if each.metric == statistic.metric and re.fullmatch(value, each.value)
        for line in _published(each, region)
    )


def _published(metric_filter: MetricFilter, region: RegionLogs) -> Iterator[str]:
    """Of the lines that it matches, those that have a value for the metric."""
    group = region.group.name if region.group is not None else ""
    if isinstance(metric_filter.matched, Unread) or metric_filter.log_group != group:
        return
    field = metric_filter.value.removeprefix("$.")
    for name in metric_filter.matched:
        line = json.loads(sample_lines()[name])
        if field == metric_filter.value or type(line.get(field)) in (int, float):
            yield name


def _doubts(region: RegionLogs) -> set[str]:
    """Why AWS did not say which lines the filters of the alarms match."""
    watched = {each.metric for alarm in region.alarms for each in alarm.statistics}
    return {
        each.matched.why
        for each in region.filters
        if isinstance(each.matched, Unread) and each.metric in watched
    }


CHECKS = (
    Check("logs.groups", "CloudWatch log group exists", groups),
    Check("logs.lost", "No Region runs the gate without a log", lost),
    Check("logs.retention", "Log retention is appropriate (30+ days)", retention),
    *(
        Check(
            f"alarms.{watch.alarm}",
            watch.title,
            worst_of(_watched(watch), "in every Region that has a log group"),
        )
        for watch in _WATCHES
    ),
    Check("alarms.actions", "Somebody is notified when an alarm fires", actions),
)
