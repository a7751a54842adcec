"""Stopped at every call to AWS, before it is carried out or after, and repeated:
the account ends as if nothing had happened, and the site never works half.
"""

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from botocore.exceptions import (  # type: ignore[import-untyped] # ships no types
    ConnectionClosedError,
)

from tests.edge.deploy.account import Account, Interruption, is_change
from tests.edge.deploy.conftest import Hire
from tests.edge.deploy.examples import NEW_KEY, behaviour, distribution
from tests.edge.deploy.operator import Operator

pytestmark = pytest.mark.slow

Command = Callable[[Operator], int]


def from_nothing(operator: Operator) -> int:
    return operator.deploy("--yes")


def with_a_new_bundle(operator: Operator) -> int:
    return operator.deploy("--yes", "--memory", "256", environment=NEW_KEY)


def rotating(operator: Operator) -> int:
    return operator.rotate("--yes", environment=NEW_KEY)


def rolling_back(operator: Operator) -> int:
    return operator.roll_back("--yes", "--version", "1")


def nothing_before(operator: Operator) -> None:
    """An account without a gate."""


def a_gate(operator: Operator) -> None:
    operator.deploy("--yes")


def two_versions(operator: Operator) -> None:
    a_gate(operator)
    operator.deploy("--yes", environment=NEW_KEY)


STORIES = [
    pytest.param(nothing_before, from_nothing, id="from nothing"),
    pytest.param(a_gate, with_a_new_bundle, id="with a new bundle"),
    pytest.param(a_gate, rotating, id="rotating"),
    pytest.param(two_versions, rolling_back, id="rolling back"),
]


@pytest.mark.parametrize(("before", "command"), STORIES)
def test_interrupted_anywhere_and_repeated_it_ends_the_same(
    hire: Hire, before: Callable[[Operator], None], command: Command
) -> None:
    operator = hire(distribution(default=behaviour("api")))
    saved = prepared(operator, before)
    start = saved.state()["distribution"]
    calls, end = straight(operator, saved, command)
    assert end["distribution"] != start
    for moment in every_moment(calls, KeyboardInterrupt):
        again(operator, saved, moment)
        assert command(operator) == 130, moment
        assert operator.account.state()["distribution"] in (
            start,
            end["distribution"],
        ), moment
        operator.account.interruption = None
        assert command(operator) == 0, moment
        assert operator.account.state() == end, moment


@pytest.mark.parametrize(("before", "command"), STORIES)
def test_a_connection_lost_at_any_change_is_overcome(
    hire: Hire, before: Callable[[Operator], None], command: Command
) -> None:
    """botocore sends it again, also what AWS had carried out already."""
    operator = hire(distribution(default=behaviour("api")))
    saved = prepared(operator, before)
    calls, end = straight(operator, saved, command)
    for moment in every_moment(calls, lost):
        if is_change(calls[moment.call]):
            again(operator, saved, moment)
            assert command(operator) == 0, (moment, operator.said[-3:])
            assert operator.account.state() == end, moment


def prepared(operator: Operator, before: Callable[[Operator], None]) -> Account:
    operator.account.cloudfront.spreading = 15.0
    before(operator)
    operator.account.calls.clear()
    return operator.account


def straight(
    operator: Operator, saved: Account, command: Command
) -> tuple[list[str], dict[str, Any]]:
    operator.account = deepcopy(saved)
    assert command(operator) == 0
    return operator.account.calls, operator.account.state()


def again(operator: Operator, saved: Account, moment: Interruption) -> None:
    operator.account = deepcopy(saved)
    operator.account.interruption = moment
    operator.said.clear()


def every_moment(
    calls: list[str], by: Callable[[], BaseException]
) -> Iterator[Interruption]:
    """After a call that changes nothing is before the next one."""
    for number, call in enumerate(calls):
        yield Interruption(number, True, by)
        if is_change(call):
            yield Interruption(number, False, by)


def lost() -> BaseException:
    failure: BaseException = ConnectionClosedError(endpoint_url="https://aws.invalid")
    return failure
