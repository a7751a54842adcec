"""The questions find what is wrong, and nothing where nothing is."""

from benchmarks.correctness import NOT_ASKED, QUESTIONS, YES, verdicts
from benchmarks.duplicates import Pair, storm
from tests.benchmarks.subjects import (
    answers_itself,
    bare,
    loses_cookies,
    protected,
    wrapped,
)


async def test_ours_answers_every_question_with_yes() -> None:
    found = await verdicts(*protected(), keeps_responses=True)
    assert found == dict.fromkeys(QUESTIONS, YES)


async def test_the_bare_app_fails_every_question() -> None:
    found = await verdicts(*bare(), keeps_responses=True)
    assert set(found.values()) == {"runs again", "runs it"}


async def test_a_refused_retry_is_shown_with_its_status() -> None:
    found = await verdicts(*wrapped(answers_itself(1, 503)), keeps_responses=True)
    assert found["keeps both cookies"] == "then 503"
    assert found["replays a 204"] == "first answer 503"


async def test_an_answer_that_is_not_the_recorded_one_is_found() -> None:
    found = await verdicts(*wrapped(answers_itself(1, 200)), keeps_responses=True)
    assert found["keeps both cookies"] == "another body"
    assert found["refuses another body"] == "replays the other's answer"


async def test_lost_cookies_are_counted() -> None:
    found = await verdicts(*wrapped(loses_cookies), keeps_responses=True)
    assert found.pop("keeps both cookies") == "2 of 2, then 0"
    assert set(found.values()) == {YES}


async def test_a_function_is_not_asked_for_responses() -> None:
    found = await verdicts(*protected(), keeps_responses=False)
    assert found.pop("refuses another body") == YES
    assert set(found.values()) == {NOT_ASKED}


async def test_a_storm_counts_executions_and_equal_answers() -> None:
    calm = await storm(*protected(), 20)
    assert (calm["executions"], calm["answered"]) == (1, 20)
    assert calm["outcomes"] == {"200": 20}
    wild = await storm(*bare(), 20)
    assert (wild["executions"], wild["answered"]) == (20, 1)


async def test_the_leader_is_let_go_after_the_other_one_asked() -> None:
    client, handlers = protected()
    leader, follower = Pair(client, handlers), Pair(client, handlers)
    await leader.lead("key")
    follower.follow("key")
    completed = await leader.let_go()
    arrival = await follower.arrived()
    assert arrival["outcome"] == "200"
    assert arrival["at"] >= completed
