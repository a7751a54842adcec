"""A plan that fails, with as little in it as possible."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from .books import Violation
from .plan import Plan, Run

_PARTS = ("deaths", "stops", "stalls", "troubles", "requests", "faults", "aimed")

# Plans that are played for it: some seconds.
_MOST = 1_500

_PLAIN = Run("ok", 0.0, 0.0)


def shrunk(plan: Plan, fails: Callable[[Plan], list[Violation]]) -> Plan:
    """The smallest plan that violates the same invariant."""
    broken = {found.invariant for found in fails(plan)}
    left, smaller = _MOST, True
    while smaller and left > 0:
        smaller = False
        for candidate in _smaller(plan):
            left -= 1
            if left < 0:
                break
            if broken & {found.invariant for found in fails(candidate)}:
                plan, smaller = candidate, True
                break
    return plan


def _smaller(plan: Plan) -> Iterator[Plan]:
    for name in _PARTS:
        part = getattr(plan, name)
        for size in _sizes(len(part)):
            for begin in range(0, len(part), size):
                yield _with(plan, name, part[:begin] + part[begin + size :])
    for i, run in enumerate(plan.runs):
        if run != _PLAIN:
            yield replace(plan, runs=(*plan.runs[:i], _PLAIN, *plan.runs[i + 1 :]))
    for i, request in enumerate(plan.requests):
        plain = request._replace(leaves=None, cancelled=None, slow=0.0)
        if request != plain:
            requests = (*plan.requests[:i], plain, *plan.requests[i + 1 :])
            yield replace(plan, requests=requests)


def _with(plan: Plan, name: str, part: object) -> Plan:
    return replace(plan, **{name: part})  # type: ignore[arg-type]


def _sizes(length: int) -> Iterator[int]:
    size = length
    while size > 0:
        yield size
        size //= 2
