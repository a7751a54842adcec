"""One block of one measure, in the process of its row.

Measured: from the call of the ASGI app to its return, on stock asyncio, so that work
after the last byte counts. Garbage collection stays on, and begins each block with
nothing to collect. A block counts only if every request was answered with 200 and the
handler ran as often as it should have.
"""

import asyncio
import gc
import json
import time
import uuid
from collections.abc import Callable

from benchmarks.app import Handlers
from benchmarks.client import Call, Client
from benchmarks.measures import Measure

NextKey = Callable[[], bytes | None]

_WARM_UP = 20  # requests, where each is measured by the hundred
_WARM_UP_SECONDS = 0.05
_RECORD_WITHIN = 0.01  # some write their record after the answer


class RowFailed(Exception):
    """The row does not do what is to be measured; the message says what it does."""


async def block(
    client: Client,
    handlers: Handlers,
    measure: Measure,
    *,
    replays: bool,
    requests: int,
    seconds: float,
) -> list[float]:
    """Seconds of each request, or one number: answers per second. Raises RowFailed."""
    key = await _checked_key(client, handlers, measure, replays=replays)
    own: NextKey = new_key if measure.keys == "new" else lambda: key
    warm_up = min(_WARM_UP, 1 + requests // 4)
    await _timed(client, measure, own, warm_up, _WARM_UP_SECONDS)
    gc.collect()
    before = handlers.executions[measure.path]
    taken, answers = await _timed(client, measure, own, requests, seconds)
    ran = handlers.executions[measure.path] - before
    expected = 0 if measure.keys == "same" and replays else answers
    if ran != expected:
        raise RowFailed(f"the handler ran {ran} times instead of {expected}")
    return taken


def new_key() -> bytes:
    return str(uuid.uuid4()).encode()


async def _checked_key(
    client: Client, handlers: Handlers, measure: Measure, *, replays: bool
) -> bytes | None:
    """A key of the measure's kind, after the row has shown what is expected of it."""
    path, executions = measure.path, handlers.executions
    key = None if measure.keys == "none" else new_key()
    before = executions[path]
    first = await client.ask(path, key)
    if first.status != 200:
        raise RowFailed(f"answers {first.outcome}")
    if executions[path] != before + 1:
        raise RowFailed(f"one request ran {executions[path] - before} times")
    if measure.keys != "same" or not replays:
        return key
    await asyncio.sleep(_RECORD_WITHIN)
    again = await client.ask(path, key)
    if executions[path] != before + 1:
        raise RowFailed("does not replay: a retry runs the handler again")
    if again.status != 200:
        raise RowFailed(f"does not replay: a retry is answered {again.outcome}")
    # Parsed: a rival that keeps values, and not bytes, may order them in its own way.
    if json.loads(again.body) != json.loads(first.body):
        raise RowFailed("replays another body")
    return key


async def _timed(
    client: Client, measure: Measure, own: NextKey, requests: int, seconds: float
) -> tuple[list[float], int]:
    """The figures, and how many requests were made for them."""
    if measure.is_rate:
        rate, answers = await _at_once(client, measure, own, seconds)
        return [rate], answers
    taken = await _one_by_one(client, measure.path, own, requests)
    return taken, requests


async def _one_by_one(
    client: Client, path: str, own: NextKey, requests: int
) -> list[float]:
    calls = [client.call(path, own()) for _ in range(requests)]
    taken = []
    for call in calls:
        begun = time.perf_counter()
        await call.run()
        taken.append(time.perf_counter() - begun)
        call.parts.clear()  # or 1 MiB each is kept to the end
        _check(call)
    return taken


async def _at_once(
    client: Client, measure: Measure, own: NextKey, seconds: float
) -> tuple[float, int]:
    begun = time.perf_counter()
    answers = 0

    async def several() -> None:
        nonlocal answers
        while True:  # once at least, however late this task gets its turn
            _check(await client.ask(measure.path, own()))
            answers += 1
            if time.perf_counter() >= begun + seconds:
                break

    async with asyncio.TaskGroup() as group:
        for _ in range(measure.at_once):
            group.create_task(several())
    return answers / (time.perf_counter() - begun), answers


def _check(call: Call) -> None:
    if call.status != 200:
        raise RowFailed(f"answers {call.outcome} under load")
