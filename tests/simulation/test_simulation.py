"""Schedules in virtual time: 2,000 of them always, 50,000 in the slow tier."""

import pytest

from . import __main__ as simulation
from .oracles import violations
from .plan import draw
from .play import play
from .shrink import shrink

_BLOCK = 250

REMEMBERED = (2876,)
"""Seeds that have found a fault, which is mended."""


def broken(first: int) -> None:
    found = simulation.failures(range(first, first + _BLOCK))
    if found:
        pytest.fail(simulation.explained(found[0][0]), pytrace=False)


@pytest.mark.parametrize("first", range(0, 2_000, _BLOCK))
def test_no_schedule_breaks_a_promise(first: int) -> None:
    broken(first)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1_000_000, 1_050_000, _BLOCK))
def test_none_of_many_schedules_breaks_a_promise(first: int) -> None:
    broken(first)


@pytest.mark.parametrize("seed", REMEMBERED)
def test_a_schedule_that_has_found_a_fault_finds_none(seed: int) -> None:
    assert violations(play(draw(seed))) == []


def test_a_schedule_is_the_same_each_time() -> None:
    one, other = play(draw(11)), play(draw(11))
    assert [asked.told for asked in one.asked] == [asked.told for asked in other.asked]
    assert [run.at for run in one.started] == [run.at for run in other.started]


def test_a_plan_shrinks_to_what_makes_it_fail() -> None:
    plan = draw(3)
    smaller = shrink(plan, lambda plan: any(ask.key == 0 for ask in plan.asks))
    assert len(smaller.asks) == 1
    assert not smaller.faults
