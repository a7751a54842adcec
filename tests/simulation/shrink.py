"""A smaller plan that fails in the same way: a person has to read it."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from .plan import Plan

Fails = Callable[[Plan], bool]

_ROUNDS = 6


def shrink(plan: Plan, fails: Fails) -> Plan:
    """`fails` says whether a plan fails as the first one did."""
    for _ in range(_ROUNDS):
        before = plan
        for candidate in _smaller(plan):
            if fails(candidate(plan)):
                plan = candidate(plan)
        if plan == before:
            break
    return plan


def _smaller(plan: Plan) -> Iterator[Callable[[Plan], Plan]]:
    """Each takes one thing away from the plan, whatever is left of it by then."""
    yield lambda p: replace(p, slow=0.0, lost=0.0, reset=0.0)
    yield lambda p: replace(p, slow=0.0)
    yield lambda p: replace(p, lost=0.0)
    yield lambda p: replace(p, reset=0.0)
    for fault in plan.faults:
        yield lambda p, fault=fault: replace(  # type: ignore[misc] # bound now
            p, faults=tuple(each for each in p.faults if each != fault)
        )
    for ask in plan.asks:
        yield lambda p, ask=ask: replace(  # type: ignore[misc] # as above
            p, asks=tuple(each for each in p.asks if each != ask) or p.asks
        )
    for ask in plan.asks:
        yield lambda p, ask=ask: replace(  # type: ignore[misc] # as above
            p,
            asks=tuple(
                replace(each, leaves_after=None, cancelled_after=None)
                if each == ask
                else each
                for each in p.asks
            ),
        )
    for number in range(40):
        yield lambda p, number=number: replace(  # type: ignore[misc] # as above
            p, suppressed=p.suppressed | {number}
        )
