"""Findings for people, and for pipelines.

The JSON has this form, and keeps it while `schema` is 1. More members may be added.

    schema        1
    distribution  its id
    takenAt       when the configuration was read, ISO 8601
    passed        whether nothing failed
    counts        how many of each outcome
    findings      a list, always with one member for every check, in the same order:
        name      stable, such as "function.timeout"
        line      the line of the checklist that it is for
        outcome   "passed", "failed", "warned" or "not-checked"
        reason    what was seen, what is wrong, or why it was not checked
        remedy    what to do; null where there is nothing to do
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, assert_never

from .finding import Failed, Finding, NotChecked, Outcome, Passed, Warned
from .snapshot import Snapshot

SCHEMA = 1


class _Entry(NamedTuple):
    outcome: str
    reason: str
    remedy: str | None


_SIGNS = {"passed": "✓", "failed": "✗", "warned": "!", "not-checked": "–"}
_PLAIN_SIGNS = {"passed": "+", "failed": "x", "warned": "!", "not-checked": "-"}


def passed(findings: Iterable[Finding]) -> bool:
    return not any(isinstance(finding.outcome, Failed) for finding in findings)


def as_json(findings: Sequence[Finding], snapshot: Snapshot) -> str:
    document = {
        "schema": SCHEMA,
        "distribution": snapshot.distribution.distribution_id,
        "takenAt": snapshot.taken_at,
        "passed": passed(findings),
        "counts": _counts(findings),
        "findings": [
            {"name": each.name, "line": each.line, **_entry(each.outcome)._asdict()}
            for each in findings
        ],
    }
    return json.dumps(document, indent=2)


def as_text(
    findings: Sequence[Finding], snapshot: Snapshot, encoding: str | None
) -> Iterator[str]:
    """Line by line, with ASCII signs on a terminal that has no others."""
    signs = _SIGNS if _can_show(_SIGNS.values(), encoding) else _PLAIN_SIGNS
    distribution = snapshot.distribution
    yield f"{distribution.distribution_id} ({distribution.domain}), {snapshot.taken_at}"
    for group, members in groupby(findings, lambda each: each.name.partition(".")[0]):
        yield ""
        yield group
        for finding in members:
            yield from _lines(finding, signs)
    yield ""
    counts = _counts(findings)
    yield ", ".join(f"{n} {name.replace('-', ' ')}" for name, n in counts.items())


def _lines(finding: Finding, signs: dict[str, str]) -> Iterator[str]:
    entry = _entry(finding.outcome)
    yield f"  {signs[entry.outcome]} {finding.line}: {entry.reason}"
    if entry.remedy:
        yield f"      {entry.remedy}  [{finding.name}]"


def _entry(outcome: Outcome) -> _Entry:
    match outcome:
        case Passed(seen):
            return _Entry("passed", seen, None)
        case Failed(wrong, remedy):
            return _Entry("failed", wrong, remedy)
        case Warned(wrong, remedy):
            return _Entry("warned", wrong, remedy)
        case NotChecked(why):
            return _Entry("not-checked", why, None)
        case _:
            assert_never(outcome)


def _counts(findings: Sequence[Finding]) -> dict[str, int]:
    found = Counter(_entry(finding.outcome).outcome for finding in findings)
    return {name: found[name] for name in ("failed", "warned", "not-checked", "passed")}


def _can_show(signs: Iterable[str], encoding: str | None) -> bool:
    try:
        "".join(signs).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
