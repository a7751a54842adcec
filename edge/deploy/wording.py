"""A plan as a person reads it before saying yes."""

from collections.abc import Iterator
from typing import assert_never

from ..aws.lambda_at_edge import PRINCIPALS
from .steps import (
    AllowLogs,
    Associate,
    Change,
    Configure,
    CreateFunction,
    CreateRole,
    Plan,
    Publish,
    Step,
    UpdateCode,
)


def told(plan: Plan, function: str, distribution: str) -> Iterator[str]:
    *of_function, last = [*plan.steps, None]
    if plan.steps and isinstance(plan.steps[-1], Associate):
        *of_function, last = plan.steps
    if of_function:
        yield f"function {function} (us-east-1)"
        for step in of_function:
            yield from (f"  {line}" for line in lines(step))
    if last is not None:
        yield f"distribution {distribution}"
        yield from (f"  {line}" for line in lines(last))
    yield from (f"note: {note}" for note in plan.notes)


def lines(step: Step) -> Iterator[str]:
    match step:
        case CreateRole(name):
            yield f"create the role {name}, for {' and '.join(sorted(PRINCIPALS))}"
        case AllowLogs(role):
            yield f"attach AWSLambdaBasicExecutionRole to {role}: it may write logs"
        case CreateFunction(new):
            yield (
                f"create it: {new.runtime}, {new.architecture}, {new.memory} MB,"
                f" {new.timeout} s, handler {new.handler}"
            )
        case UpdateCode(changes=changes) | Configure(changes=changes):
            yield from _table(changes)
        case Publish():
            yield "publish a version"
        case Associate(changes=places):
            for place in places:
                yield place.where
                yield from (f"  {line}" for line in _table(place.changes))
        case _:
            assert_never(step)


def _table(changes: tuple[Change, ...]) -> Iterator[str]:
    width = max(len(change.what) for change in changes)
    for change in changes:
        yield f"{change.what:{width}}  {change.before} → {change.after}"
