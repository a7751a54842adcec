"""The four alarms: each has to fire when it should, and to be quiet on other days.

What an alarm is called and how it is made is its owner's affair: filters and alarms
are run on the lines that the gate would write.
"""

from collections.abc import Callable, Iterator
from functools import cache

from ..evidence import Evidence
from ..facts.logs import Alarm, MetricFilter, RegionLogs
from ..finding import Check, Failed, NotChecked, Outcome, Passed, worst_of
from ..simulation.firing import CannotTell, Metrics, fires, metrics_of
from ..simulation.traffic import Occasion, occasions, ordinary
from .logs import logged_regions


def _fires_on(occasion: Occasion) -> Callable[[Evidence], Iterator[Outcome]]:
    def examine(evidence: Evidence) -> Iterator[Outcome]:
        regions = logged_regions(evidence)
        if not regions:
            yield NotChecked("there is no log group yet")
        for region in regions:
            found, doubts = _firing(region, occasion)
            if not found and doubts:
                yield NotChecked(f"{region.region}: {'; '.join(doubts)}")
            elif not found:
                yield Failed(
                    f"In {region.region} no alarm is quiet on ordinary days and fires"
                    f" when {occasion.happens}.",
                    "Deploy edge/alarms.yaml in each Region that has a log group.",
                )

    return examine


def actions(evidence: Evidence) -> Outcome:
    useful = {
        (region.region, alarm)
        for region in logged_regions(evidence)
        for occasion in occasions()
        for alarm in _firing(region, occasion)[0]
    }
    if not useful:
        return NotChecked("there is no alarm yet")
    silent = [
        f"{alarm.name} ({region})" for region, alarm in useful if not alarm.actions
    ]
    if silent:
        return Failed(
            f"Nobody is told when {', '.join(sorted(silent))} fires.",
            "Give it an alarm action, such as an SNS topic that somebody reads.",
        )
    return Passed("each has an action")


def _firing(region: RegionLogs, occasion: Occasion) -> tuple[list[Alarm], list[str]]:
    """The alarms that tell this occasion from an ordinary day, and those in doubt."""
    usual = _metrics(region.filters, None)
    now = _metrics(region.filters, occasion.alarm)
    found, doubts = [], []
    for alarm in region.alarms:
        try:
            if fires(alarm, usual, now) and not fires(alarm, usual, usual):
                found.append(alarm)
        except CannotTell as doubt:
            doubts.append(f"{alarm.name} cannot be judged: {doubt}")
    return found, doubts


@cache
def _metrics(filters: tuple[MetricFilter, ...], alarm: str | None) -> Metrics:
    lines = {occasion.alarm: occasion.lines for occasion in occasions()}
    return metrics_of(filters, ordinary() if alarm is None else lines[alarm])


CHECKS = (
    *(
        Check(
            f"alarms.{occasion.alarm}",
            occasion.line,
            worst_of(_fires_on(occasion), "in every Region that has a log group"),
        )
        for occasion in occasions()
    ),
    Check("alarms.actions", "Somebody is told when an alarm fires", actions),
)
