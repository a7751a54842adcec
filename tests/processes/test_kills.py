"""Workers that are killed with SIGKILL, on a real server. `make prove` kills more."""

import pytest

from .kills import Outcome, Plan, broken, kill, report, total

pytestmark = pytest.mark.slow


async def test_nothing_happens_twice_when_workers_are_killed() -> None:
    plain = await kill(Plan(200))
    declared = await kill(Plan(200, declares=True))
    said = report(plain, declared)
    assert not broken(plain, declared), said
    # A process that dies before its effects began leaves a key that a retry runs again.
    assert total(declared).started_twice > 0, said
    assert total(plain).in_doubt > 0, said


async def test_nothing_happens_twice_when_workers_die_at_any_time() -> None:
    declared = await kill(Plan(240, declares=True, at_random=True))
    each = total(declared)
    said = report({}, declared)
    assert not broken({}, declared), said
    assert each.in_doubt > 0, said
    assert each.served > 0, said


def test_what_would_break_the_promise_is_seen() -> None:
    good, declared = {"a": Outcome(keys=8)}, {"a": Outcome(keys=8, started_twice=8)}
    assert not broken(good, declared)
    for bad in (Outcome(started_twice=1), Outcome(effects_twice=1)):
        assert broken({"a": bad}, good)
    assert broken(good, {"a": Outcome(bodies_differ=1)})
    assert broken(good, {"a": Outcome(doubt_before_effects=1)})
