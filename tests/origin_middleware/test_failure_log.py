"""The log says why the store refuses, and not a thousand times."""

from collections.abc import Sequence

import pytest

from origin_middleware import (
    IdempotencyMiddleware,
    Policy,
    RecordDamaged,
    StoreError,
    StoreUnavailable,
)
from origin_middleware.decision import OnStoreUnavailable
from origin_middleware.runtime import FailureLog
from tests.support.asgi import App, request
from tests.support.faulty import FaultyStore

OOM, GONE = StoreUnavailable("Redis refused: OOM"), StoreUnavailable("gone")
DAMAGED = RecordDamaged("cut off")


@pytest.mark.parametrize("error", [OOM, DAMAGED])
@pytest.mark.parametrize("on_store_unavailable", ["refuse", "execute"])
async def test_the_log_says_why_the_store_failed(
    error: StoreError,
    on_store_unavailable: OnStoreUnavailable,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = FaultyStore()
    store.faults = {"claim": error}
    policy = Policy(on_store_unavailable=on_store_unavailable)
    await request(IdempotencyMiddleware(App(), store=store, policy=policy))
    (line, *_) = caplog.messages
    assert line == f"The store failed a request: {error}"


@pytest.mark.parametrize(
    ("errors", "lines"),
    [
        ([(OOM, 0.0), (OOM, 1.0), (GONE, 9.0)], ["OOM"]),
        ([(OOM, 0.0), (DAMAGED, 1.0)], ["OOM", "cut off"]),
        (
            [
                (OOM, 0.0),
                (OOM, 1.0),
                (OOM, 2.0),
                (GONE, 10.0),
                (OOM, 11.0),
                (OOM, 20.0),
            ],
            ["OOM", "gone (2 more since the last line)", "OOM (1 more"],
        ),
    ],
)
def test_an_outage_is_a_line_now_and_then(
    errors: Sequence[tuple[StoreError, float]],
    lines: Sequence[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = FailureLog()
    for error, now in errors:
        failures.add(error, now)
    assert len(caplog.messages) == len(lines)
    for message, part in zip(caplog.messages, lines, strict=True):
        assert part in message
