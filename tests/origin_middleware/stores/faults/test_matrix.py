"""What clients are told while a step of the protocol fails, and afterwards."""

import asyncio
from typing import NamedTuple

import pytest

from tests.support.servers import RedisServer

from .matrix import (
    CARRIED_OUT,
    CARRIES_ON,
    CELLS,
    PASSING,
    STEPS,
    Cell,
)
from .play import Outcome, play_all
from .trial import BUDGET

pytestmark = pytest.mark.slow

_TOLERANCE = 0.5


class Row(NamedTuple):
    """What clients are told. The one before the last asks another process, the last one
    asks when the fault is over."""

    once: str
    """Also as long as it lasts, where the effect is all that matters and takes place.
    """
    always: str
    """As long as it lasts."""
    refused: str
    """By the server, once and for a reason that does not pass."""
    effect_matters: bool = False


_ASKED_FIRST = Row(
    once="served, replayed, replayed",
    always="store-unavailable, served, replayed",
    refused="store-unavailable, served, replayed",
)
_RECORDED = Row(
    once="served, replayed, replayed",
    always="served, in-progress, replayed",
    refused="served, replayed, replayed",
    effect_matters=True,
)

TABLE = {
    "connect": _ASKED_FIRST,
    "ask for the time": _ASKED_FIRST,
    "ask for settings": _ASKED_FIRST,
    "claim": _ASKED_FIRST,
    "take over": Row(
        once="raised, served, replayed, replayed",
        always="raised, store-unavailable, served, replayed",
        refused="raised, store-unavailable, served, replayed",
    ),
    "watch": Row(
        once="served, replayed, replayed",
        always="served, in-progress, replayed",
        refused="served, replayed, replayed",
    ),
    "subscribe": Row(
        once="served, replayed, replayed",
        always="served, replayed, replayed",
        refused="served, replayed, replayed",
    ),
    "renew": Row(
        once="served, replayed, replayed",
        always="served, outcome-unknown, replayed",
        refused="served, replayed, replayed",
        effect_matters=True,
    ),
    "complete": _RECORDED,
    "complete, large": _RECORDED,
    "write a body": _RECORDED,
    "read a body": Row(
        once="served, replayed, replayed, replayed",
        always="served, store-unavailable, replayed, replayed",
        refused="served, store-unavailable, replayed, replayed",
    ),
    "release": Row(
        once="raised, served, replayed",
        always="raised, in-progress, served",
        refused="raised, served, replayed",
        effect_matters=True,
    ),
    "abandon": Row(
        once="raised, outcome-unknown, outcome-unknown",
        always="raised, in-progress, outcome-unknown",
        refused="raised, outcome-unknown, outcome-unknown",
        effect_matters=True,
    ),
}


def documented(cell: Cell) -> str:
    row = TABLE[cell.step]
    refused = cell.fault.isupper() and cell.fault not in PASSING
    evaluates = len(STEPS[cell.step].word) == 40
    if cell.fault == "NOSCRIPT" and (evaluates or not cell.goes_on):
        return row.once  # the script is sent along
    if cell.step == "connect" and cell.fault == "reply late":
        return row.once  # the second try has twice as long
    if cell.step == "ask for settings" and refused:
        return row.once  # and a warning
    if cell.step in WRITES and (given_up := _given_up(cell)):
        return given_up
    if cell.goes_on:
        takes_place = CARRIES_ON if cell.step == "write a body" else CARRIED_OUT
        known = row.effect_matters and cell.fault in takes_place
        return row.once if known else row.always
    return row.refused if refused else row.once


WRITES = ("complete", "complete, large", "write a body")


def _given_up(cell: Cell) -> str | None:
    """Where the store does not take the body, its record is soon without one."""
    hung_up = cell.fault in ("reset before", "half a request", "reset after")
    if cell.step == "write a body" and cell.goes_on and hung_up:
        return "served, not-replayable, not-replayable"
    if cell.fault != "OOM":
        return None
    small_too = cell.goes_on and cell.step != "write a body"
    soon = "in-progress" if small_too else "not-replayable"
    return f"served, {soon}, not-replayable"


def verdict(cell: Cell, seen: Outcome) -> None:
    assert seen.fired >= 1, "the fault did not happen"
    assert cell.goes_on or seen.fired == 1
    assert ", ".join(seen.told) == documented(cell)
    assert seen.started == STEPS[cell.step].handler_starts
    assert len(seen.bodies) <= 1
    assert seen.slowest[0] <= BUDGET + _TOLERANCE
    assert seen.expires
    assert not seen.left


@pytest.fixture(scope="module")
def failures(valkey_server: RedisServer) -> dict[Cell, Exception | None]:
    return asyncio.run(play_all(valkey_server, verdict))


@pytest.mark.timeout(400)
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_nothing_is_executed_twice_and_nobody_is_misled(
    cell: Cell, failures: dict[Cell, Exception | None]
) -> None:
    if (failure := failures[cell]) is not None:
        raise failure
