"""What is kept between two invocations, and for how long."""

from collections.abc import Iterator

import pytest

from edge.runtime.gate import Answer, NoAnswer
from edge.runtime.memory import Memory
from edge.runtime.nexflow import NexFlow
from edge.runtime.settings import Settings
from tests.edge.examples import JOKE, NOW, PREMIUM, PROOF
from tests.support.scripted_facilitator import (
    VALID,
    ScriptedFacilitator,
    Step,
    answer,
    hang_up,
    raw,
)

UNPAID = {"valid": False, "reason": "missing_payment_header", "requirement": None}
PAYMENT = {"x402-payment": PROOF}


class Wall:
    """The clock that goes on while the process is frozen."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def facilitator(settings: Settings, wall: Wall) -> Iterator[NexFlow]:
    facilitator = NexFlow(settings, memory=Memory(wall))
    yield facilitator
    facilitator.close()


def said(scripted: ScriptedFacilitator) -> int:
    return len(scripted.asked)


@pytest.mark.parametrize(
    ("later", "connections"), [(0, 1), (29, 1), (30, 2), (600, 2), (-1, 2)]
)
def test_a_connection_that_was_silent_for_long_is_not_used_again(
    scripted: ScriptedFacilitator,
    facilitator: NexFlow,
    wall: Wall,
    later: float,
    connections: int,
) -> None:
    facilitator.verify(JOKE, PAYMENT, 2.0)
    wall.time += later
    facilitator.verify(JOKE, PAYMENT, 2.0)
    assert scripted.connections == connections


def test_a_hundred_unpaid_requests_ask_once(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(answer(200, UNPAID))
    for number in range(100):
        shown = {"user-agent": f"curl/{number}", "accept": "*/*"}
        assert facilitator.verify(JOKE, shown, 2.0) == Answer(200, UNPAID)
    assert said(scripted) == 1
    assert facilitator.verify(JOKE, PAYMENT, 2.0) == Answer(200, VALID)


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_payment_header_with_nothing_in_it_is_no_payment(
    scripted: ScriptedFacilitator, facilitator: NexFlow, blank: str
) -> None:
    """Or whoever sends it would ask each time."""
    scripted.will(answer(200, UNPAID))
    for _ in range(3):
        facilitator.verify(JOKE, {"x402-payment": blank}, 2.0)
    assert said(scripted) == 1


def test_each_route_has_its_own_answer(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    other = UNPAID | {"requirement": {"amountDisplay": "5.00"}}
    scripted.will(answer(200, UNPAID), answer(200, other))
    for _ in range(2):
        assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, UNPAID)
        assert facilitator.verify(PREMIUM, {}, 2.0) == Answer(200, other)
    assert said(scripted) == 2


@pytest.mark.parametrize(("later", "asked"), [(29, 1), (30, 2), (3600, 2), (-1, 2)])
def test_an_answer_to_an_unpaid_request_is_kept_for_half_a_minute(
    scripted: ScriptedFacilitator,
    facilitator: NexFlow,
    wall: Wall,
    later: float,
    asked: int,
) -> None:
    scripted.will(answer(200, UNPAID), answer(200, UNPAID))
    facilitator.verify(JOKE, {}, 2.0)
    wall.time += later
    facilitator.verify(JOKE, {}, 2.0)
    assert said(scripted) == asked


def test_what_a_payment_was_told_is_not_kept(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(answer(200, UNPAID | {"reason": "expired"}))
    facilitator.verify(JOKE, PAYMENT, 2.0)
    assert facilitator.verify(JOKE, PAYMENT, 2.0) == Answer(200, VALID)
    scripted.will(answer(200, UNPAID))
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, UNPAID)


@pytest.mark.parametrize(
    "step",
    [hang_up(), answer(500, UNPAID), answer(429, {}), raw(200, b"<"), answer(200, {})],
)
def test_what_does_not_ask_for_a_payment_is_not_kept(
    scripted: ScriptedFacilitator, facilitator: NexFlow, step: Step
) -> None:
    scripted.will(step, answer(200, UNPAID))
    first = facilitator.verify(JOKE, {}, 2.0)
    assert isinstance(first, NoAnswer) or first != Answer(200, UNPAID)
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, UNPAID)


def test_an_unpaid_request_that_is_let_through_is_asked_for_each_time(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    for _ in range(2):
        assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, VALID)
    assert said(scripted) == 2


def test_however_many_routes_there_are_each_asks_once(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    """Or who asks for them in turn uses up the rate limit."""
    routes = [JOKE._replace(path=f"/{number}") for number in range(400)]
    scripted.will(*[answer(200, UNPAID)] * 800)
    for _ in range(2):
        for route in routes:
            facilitator.verify(route, {}, 2.0)
    assert said(scripted) == 400
