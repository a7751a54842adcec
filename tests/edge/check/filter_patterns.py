"""CloudWatch's filter patterns, as far as those that we ship go.

A pattern is one comparison, or several with && between them, each of which may be a
choice with ||. A field is compared with a text, with a text that ends in "*" for what
begins so, with FALSE, or with a number that it exceeds.
"""

import json
import re
from typing import Any

from edge.check.log_lines import sample_lines

_COMPARISON = re.compile(r'\$\.(\w+) (?:= "([\w*]+)"|= (\w+)|IS (FALSE)|> (\d+))')


def matches(pattern: str, line: dict[str, Any]) -> bool:
    return all(
        any(_holds(each.strip("()"), line) for each in choice.split(" || "))
        for choice in pattern.strip("{} ").split(" && ")
    )


def matched(pattern: str) -> dict[str, Any]:
    """As a saved configuration has it of a metric filter."""
    lines = {name: json.loads(line) for name, line in sample_lines().items()}
    return {"lines": [name for name, line in lines.items() if matches(pattern, line)]}


def _holds(comparison: str, line: dict[str, Any]) -> bool:
    found = _COMPARISON.fullmatch(comparison)
    assert found is not None, f"a comparison that no filter of ours has: {comparison}"
    field, quoted, bare, constant, limit = found.groups()
    value = line.get(field)
    if constant:
        return value is False
    if limit:
        return isinstance(value, int) and value > int(limit)
    if not isinstance(value, str):
        return False
    if quoted and quoted.endswith("*"):
        return value.startswith(quoted[:-1])
    return value == (quoted or bare)
