"""The logs: one group in each Region in which the gate has run."""

from ..evidence import Evidence
from ..facts.logs import RegionLogs
from ..facts.unread import Unread
from ..finding import Check, Failed, NotChecked, Outcome, Passed, Warned

_SHORTEST = 30  # days


def groups(evidence: Evidence) -> Outcome:
    there = [region.region for region in logged_regions(evidence)]
    if there:
        return Passed(", ".join(there))
    unread = _unread(evidence)
    if unread:
        return NotChecked(unread)
    return Failed(
        "There is no log group in any Region: the gate has never run, or may not log.",
        "Send a request to a gated path, wait a minute, and check again.",
    )


def lost(evidence: Evidence) -> Outcome:
    silent = [
        region.region
        for region in _read(evidence)
        if region.has_executed and region.group is None
    ]
    if silent:
        return Failed(
            f"The gate has run in {', '.join(silent)}, and there is no log group.",
            "Let the role call logs:CreateLogGroup there, or create the group.",
        )
    unread = _unread(evidence)
    return NotChecked(unread) if unread else Passed("none does")


def retention(evidence: Evidence) -> Outcome:
    kept = [
        (region.region, region.group.retention)
        for region in logged_regions(evidence)
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
            f"Keep them {_SHORTEST} days or more: they are what a payer's complaint is"
            " answered from.",
        )
    endless = [region for region, days in kept if days is None]
    if endless:
        return Warned(
            f"Logs are kept, and paid for, for ever in {', '.join(endless)}.",
            f"Set a retention, of {_SHORTEST} days or more.",
        )
    return Passed(", ".join(f"{region}: {days} days" for region, days in kept))


def logged_regions(evidence: Evidence) -> list[RegionLogs]:
    return [region for region in _read(evidence) if region.group is not None]


def _read(evidence: Evidence) -> list[RegionLogs]:
    regions = evidence.snapshot.regions.values()
    return [region for region in regions if not isinstance(region, Unread)]


def _unread(evidence: Evidence) -> str:
    regions = evidence.snapshot.regions.values()
    return "; ".join(each.why for each in regions if isinstance(each, Unread))


CHECKS = (
    Check("logs.groups", "CloudWatch log group exists", groups),
    Check("logs.lost", "No Region runs the gate without a log", lost),
    Check("logs.retention", "Log retention is appropriate (30+ days)", retention),
)
