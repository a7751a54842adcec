"""The table in docs/guarantees.md, cell by cell."""

import asyncio

import pytest

from tests.origin_middleware.servers.matrix import (
    CELLS,
    GUARANTEES,
    KINDS,
    TABLE,
    Cell,
    play_all,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outcomes() -> dict[Cell, str | BaseException]:
    return asyncio.run(play_all())


def documented() -> dict[tuple[str, str, str], str]:
    found = TABLE.search(GUARANTEES.read_text())
    assert found is not None
    rows = [line.strip("| ").split(" | ") for line in found[0].splitlines()[2:]]
    return {
        (server, event, kind): said
        for server, event, *cells in rows
        for kind, said in zip(KINDS, cells, strict=True)
    }


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "cell", CELLS, ids=lambda cell: f"{cell.server.name}-{cell.event.name}-{cell.kind}"
)
def test_a_retry_gets_what_is_documented(
    cell: Cell, outcomes: dict[Cell, str | BaseException]
) -> None:
    outcome = outcomes[cell]
    if isinstance(outcome, BaseException):
        raise outcome
    assert outcome == documented()[cell.server.name, cell.event.name, cell.kind]


def test_every_row_of_the_table_is_played() -> None:
    played = {(cell.server.name, cell.event.name, cell.kind) for cell in CELLS}
    assert documented().keys() == played
