"""Schedules without a violation, and that a schedule can be told again.

`make simulate` plays more. What they find when the code is broken: finding.py.
"""

import pytest

from .books import Violation
from .bug import Bug
from .finding import BUGS, ROOT
from .plan import Plan, drawn
from .play import play, quietly
from .schedules import failures
from .shrinking import shrunk
from .telling import story

_FAST, _SLOW = 2_000, 50_000

# Schedules of one test: some seconds. Two processes share them.
_AT_ONCE = 500


@pytest.mark.parametrize("first", range(0, _FAST, _AT_ONCE))
def test_no_schedule_breaks_an_invariant(first: int) -> None:
    _play(first, _AT_ONCE)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(_FAST, _SLOW, 3_000))
def test_no_schedule_of_many_breaks_an_invariant(first: int) -> None:
    _play(first, min(3_000, _SLOW - first))


def _play(first: int, seeds: int) -> None:
    found = next(failures(range(first, first + seeds)), None)
    assert found is None, f"python -m tests.simulation --seed {found.seed}" + str(found)


def test_a_schedule_is_the_same_again() -> None:
    """Or nobody could look for the cause of a failure."""
    with quietly():
        for seed in range(40):
            first, second = (story(*play(drawn(seed))) for _ in range(2))
            assert first == second, seed


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_can_be_planted(bug: Bug) -> None:
    """`make plant` does it. Change its text together with the code."""
    for change in bug.changes:
        assert (ROOT / change.file).read_text().count(change.old) == 1, change.old


def test_a_plan_shrinks_to_what_makes_it_fail() -> None:
    def fails(plan: Plan) -> list[Violation]:
        asks = any(request.variant == 1 for request in plan.requests)
        return [Violation("I0", "another request")] if asks else []

    seed = next(seed for seed in range(1_000) if fails(drawn(seed)))
    smallest = shrunk(drawn(seed), fails)
    assert len(smallest.requests) == 1
    assert smallest.faults + smallest.stalls + smallest.troubles == ()
