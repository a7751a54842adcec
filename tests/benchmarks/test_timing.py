"""A figure counts only if the row did what is measured; else there is a reason."""

import pytest

from benchmarks.app import SIZES, Handlers
from benchmarks.client import Client
from benchmarks.measures import FIRST, FIRST_64, MEASURES, NO_KEY, REPLAY, Measure
from benchmarks.timing import RowFailed, block
from tests.benchmarks.subjects import (
    answers_itself,
    bare,
    protected,
    raises,
    runs_twice,
    wrapped,
)

Subject = tuple[Client, Handlers]


async def timed(
    subject: Subject, measure: Measure, *, replays: bool = True
) -> list[float]:
    return await block(*subject, measure, replays=replays, requests=5, seconds=0.01)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.name)
async def test_what_keeps_its_promise_has_figures(measure: Measure) -> None:
    figures = await timed(protected(), measure)
    assert len(figures) == (1 if measure.is_rate else 5)
    assert all(figure > 0 for figure in figures)


@pytest.mark.parametrize("path", SIZES)
async def test_bodies_have_the_size_that_is_said(path: str) -> None:
    client, _ = bare()
    assert len((await client.ask(path, None)).body) == SIZES[path]


async def test_a_row_that_runs_again_has_no_replay() -> None:
    with pytest.raises(RowFailed, match="a retry runs the handler again"):
        await timed(bare(), REPLAY)


async def test_the_bare_app_need_not_replay() -> None:
    assert await timed(bare(), FIRST, replays=False)


async def test_a_row_that_executes_twice_is_not_measured() -> None:
    with pytest.raises(RowFailed, match="one request ran 2 times"):
        await timed(wrapped(runs_twice), NO_KEY)


async def test_a_retry_that_is_refused_is_not_a_replay() -> None:
    with pytest.raises(RowFailed, match="a retry is answered 503"):
        await timed(wrapped(answers_itself(1, 503)), REPLAY)


async def test_another_answer_is_not_a_replay() -> None:
    with pytest.raises(RowFailed, match="replays another body"):
        await timed(wrapped(answers_itself(1, 200)), REPLAY)


@pytest.mark.parametrize("measure", [FIRST, REPLAY, FIRST_64])
async def test_a_failure_in_the_middle_is_not_averaged_away(measure: Measure) -> None:
    with pytest.raises((RowFailed, ExceptionGroup)) as failed:
        await timed(wrapped(answers_itself(5, 503)), measure)
    failure: BaseException = failed.value
    while isinstance(failure, ExceptionGroup):
        failure = failure.exceptions[0]
    assert str(failure) == "answers 503 under load"


async def test_an_exception_is_an_answer_with_its_name() -> None:
    with pytest.raises(RowFailed, match="answers 500 ConnectionResetError"):
        await timed(wrapped(raises), FIRST)


async def test_executions_in_the_measured_part_are_counted() -> None:
    with pytest.raises(RowFailed, match="the handler ran 0 times instead of 5"):
        await timed(wrapped(answers_itself(1, 200)), FIRST)
