"""What is asked a second time, and what is not."""

from itertools import pairwise
from threading import Event
from time import monotonic

import pytest

from edge.runtime.gate import Answer, NoAnswer
from edge.runtime.nexflow import NexFlow
from edge.runtime.settlement import Settle
from tests.edge.examples import JOKE
from tests.support.scripted_facilitator import (
    SETTLED,
    VALID,
    Conversation,
    ScriptedFacilitator,
    Step,
    answer,
    answer_and_hang_up,
    drip,
    hang,
    hang_up,
    reset,
    wire,
)

INVALID = {"valid": False, "reason": "expired"}
DUE = Settle("intent-1", JOKE.resource_id, JOKE.network, 200)
LATE = NoAnswer("the facilitator did not answer in time")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n"
SLOW_BODY = b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + b" " * 999


@pytest.mark.parametrize("step", [hang_up(), reset(), answer(500, {})])
def test_verify_is_asked_once(
    scripted: ScriptedFacilitator, facilitator: NexFlow, step: Step
) -> None:
    scripted.will(step)
    facilitator.verify(JOKE, {}, 2.0)
    assert len(scripted.asked) == 1


@pytest.mark.parametrize(
    "step", [hang_up(), reset(), answer(500, {}), answer(503, SETTLED), wire(b"?\r\n")]
)
def test_settle_is_tried_once_more(
    scripted: ScriptedFacilitator, facilitator: NexFlow, step: Step
) -> None:
    scripted.will(step)
    assert facilitator.settle(DUE, 2.0) == Answer(200, SETTLED)
    first, second = scripted.asked
    assert first.body == second.body


def test_settle_is_tried_twice_at_most(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(answer(500, {}), answer(503, {}), answer(200, SETTLED))
    assert facilitator.settle(DUE, 2.0) == Answer(503, {})


def test_settle_has_time_left_after_a_hang(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(hang())
    assert facilitator.settle(DUE, 1.0) == Answer(200, SETTLED)


@pytest.mark.parametrize("is_kept", [False, True])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_a_settle_that_is_merely_slow_is_heard_out(
    scripted: ScriptedFacilitator, facilitator: NexFlow, share: float, is_kept: bool
) -> None:
    """Each attempt takes this share of the time, so a second one would be too late."""
    if is_kept:
        facilitator.verify(JOKE, {}, 2.0)
    scripted.will(slow(share), slow(share))
    assert facilitator.settle(DUE, 1.0) == Answer(200, SETTLED)
    assert len(scripted.asked) <= 2 + is_kept


@pytest.mark.parametrize("status", [404, 409, 429, 503])
def test_a_refusal_of_the_second_question_does_not_end_the_first(
    scripted: ScriptedFacilitator, facilitator: NexFlow, status: int
) -> None:
    """Or a payer is charged, and told that he was not."""
    second = answer(status, {"ok": False, "error": "settlement_in_progress"})
    scripted.will(slow(0.7), second)
    assert facilitator.settle(DUE, 1.0) == Answer(200, SETTLED)


NO = {"ok": False, "error": "insufficient_funds"}


@pytest.mark.parametrize("first", [hang(), hang_up(), answer(500, {})])
@pytest.mark.parametrize("status", [200, 402])
def test_a_refusal_of_the_second_question_is_not_certain(
    scripted: ScriptedFacilitator, facilitator: NexFlow, first: Step, status: int
) -> None:
    """The first may have settled: to withhold the response would be to keep both."""
    scripted.will(first, answer(status, NO))
    assert facilitator.settle(DUE, 1.0) == NoAnswer(
        "the second question was answered with insufficient_funds"
    )


def test_nor_is_it_where_the_first_went_into_a_connection_that_was_closed(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    facilitator.verify(JOKE, {}, 2.0)
    scripted.will(hang_up(), answer(402, NO))
    assert isinstance(facilitator.settle(DUE, 1.0), NoAnswer)


def test_a_refusal_of_the_first_question_is_certain(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(answer(402, NO))
    assert facilitator.settle(DUE, 1.0) == Answer(402, NO)


def test_a_no_with_200_to_the_second_question_does_not_end_the_first(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(slow(0.7), answer(200, NO))
    assert facilitator.settle(DUE, 1.0) == Answer(200, SETTLED)


def test_questions_asked_twice_leave_no_heap_of_connections(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    for _ in range(4):
        scripted.will(slow(0.5), answer(409, {"ok": False}))
        assert facilitator.settle(DUE, 1.0) == Answer(200, SETTLED)
    kept = []
    while channel := facilitator.memory.take():
        kept.append(channel)
    assert 0 < len(kept) <= 2
    for channel in kept:
        channel.hang_up()


def test_a_slow_answer_is_not_taken_for_the_next_one(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    """The connection on which nobody waits any more is used again, or closed, with what
    came on it."""
    facilitator.verify(JOKE, {}, 2.0)
    scripted.will(slow(0.6), answer(200, {"ok": True, "settledAt": None}))
    assert facilitator.settle(DUE, 1.0) == Answer(200, {"ok": True, "settledAt": None})
    scripted.will(slow(0.3), answer(200, INVALID))
    facilitator.settle(DUE, 2.0)
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, INVALID)


def slow(seconds: float) -> Step:
    def step(conversation: Conversation) -> None:
        conversation.server.facilitator.over.wait(seconds)
        answer(200, SETTLED)(conversation)

    return step


def test_both_attempts_at_settle_are_inside_the_deadline(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(hang(), drip(SLOW_BODY))
    started = monotonic()
    assert facilitator.settle(DUE, 0.2) == LATE
    assert monotonic() - started < 2


@pytest.mark.parametrize("status", [400, 401, 404, 429])
def test_an_answer_that_will_not_change_is_not_asked_for_again(
    scripted: ScriptedFacilitator, facilitator: NexFlow, status: int
) -> None:
    scripted.will(answer(status, {"error": "x"}))
    assert facilitator.settle(DUE, 2.0) == Answer(status, {"error": "x"})
    assert len(scripted.asked) == 1


def test_a_kept_connection_that_was_closed_meanwhile_is_not_used(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(answer_and_hang_up(200, VALID))
    facilitator.verify(JOKE, {}, 2.0)
    assert scripted.disconnected.wait(5)
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, VALID)
    assert (len(scripted.asked), scripted.connections) == (2, 2)


@pytest.mark.parametrize("step", [hang_up(), reset()])
def test_a_kept_connection_that_closes_under_us_is_replaced(
    scripted: ScriptedFacilitator, facilitator: NexFlow, step: Step
) -> None:
    """For verify as for settle, and for each just once."""
    scripted.will(answer(200, VALID), step)
    facilitator.verify(JOKE, {}, 2.0)
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, VALID)
    assert scripted.connections == 2
    bodies = [asked.body for asked in scripted.asked]
    assert all(one == other for one, other in pairwise(bodies))


def test_a_fresh_connection_that_closes_is_not_replaced(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(answer(200, VALID), hang_up(), hang_up())
    facilitator.verify(JOKE, {}, 2.0)
    assert isinstance(facilitator.verify(JOKE, {}, 2.0), NoAnswer)
    assert len(scripted.asked) == 3


def test_a_kept_connection_that_breaks_in_mid_answer_is_not_replaced(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(answer(200, VALID), wire(HEAD + b"\r\n{"))
    facilitator.verify(JOKE, {}, 2.0)
    assert isinstance(facilitator.verify(JOKE, {}, 2.0), NoAnswer)
    assert len(scripted.asked) == 2


def test_a_kept_connection_that_is_reset_in_mid_answer_is_not_replaced(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    def cut(conversation: Conversation) -> None:
        conversation.wfile.write(HEAD + b"\r\n{")
        reset()(conversation)

    scripted.will(answer(200, VALID), cut)
    facilitator.verify(JOKE, {}, 2.0)
    assert isinstance(facilitator.verify(JOKE, {}, 2.0), NoAnswer)
    assert len(scripted.asked) == 2


def test_an_answer_nobody_asked_for_is_not_taken_for_the_next_one(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    """Else one valid payment would let somebody else's request in."""
    first_is_read, second_is_sent = Event(), Event()

    def twice(conversation: Conversation) -> None:
        answer(200, INVALID)(conversation)
        first_is_read.wait()
        answer(200, VALID)(conversation)
        second_is_sent.set()

    scripted.will(twice, answer(200, INVALID))
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, INVALID)
    first_is_read.set()
    assert second_is_sent.wait(5)
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, INVALID)


def test_a_connection_that_is_said_to_close_is_not_kept(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    """Even where the other end is slow to do as it says."""

    def slow_to_close(conversation: Conversation) -> None:
        head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n"
        conversation.wfile.write(head + b"\r\n{}")

    scripted.will(slow_to_close)
    facilitator.verify(JOKE, {}, 2.0)
    assert facilitator.verify(JOKE, {}, 2.0) == Answer(200, VALID)
    assert scripted.connections == 2


def test_a_kept_connection_that_hangs_is_replaced(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    """A firewall has forgotten it: nothing comes back, not even a reset."""
    scripted.will(answer(200, VALID), hang())
    facilitator.verify(JOKE, {}, 2.0)
    assert facilitator.verify(JOKE, {}, 1.0) == Answer(200, VALID)
    assert (len(scripted.asked), scripted.connections) == (3, 2)


def test_a_fresh_connection_that_hangs_is_not_replaced_for_verify(
    scripted: ScriptedFacilitator, facilitator: NexFlow
) -> None:
    scripted.will(hang())
    assert facilitator.verify(JOKE, {}, 0.2) == LATE
    assert len(scripted.asked) == 1
