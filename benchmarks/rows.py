"""Every row, in the order of the tables; a control belongs to the rows below it."""

from collections.abc import Sequence

from benchmarks.controls import BARE, BARE_FASTAPI, FLOOR, FLOOR_AGAIN, FLOOR_FASTAPI
from benchmarks.ours import OURS, OURS_FASTAPI
from benchmarks.rivals import RIVALS
from benchmarks.row import Row

ROWS = (
    BARE,
    FLOOR,
    FLOOR_AGAIN,
    OURS,
    *(rival for rival in RIVALS if rival.framework == "starlette"),
    BARE_FASTAPI,
    FLOOR_FASTAPI,
    OURS_FASTAPI,
    *(rival for rival in RIVALS if rival.framework == "fastapi"),
)
BY_NAME = {row.name: row for row in ROWS}


class UnknownRowError(Exception):
    """There is no row of this name; the message says which there are."""


def chosen(names: Sequence[str]) -> list[Row]:
    """The rows of these names, or all, with the controls that they are compared to."""
    if unknown := set(names) - set(BY_NAME):
        raise UnknownRowError(
            f"There is no row {', '.join(sorted(unknown))}. "
            f"Choose from: {', '.join(BY_NAME)}."
        )
    wanted = {FLOOR_AGAIN.name, *(names or BY_NAME)}
    for row in (BY_NAME[name] for name in set(wanted)):
        wanted |= {row.bare, row.floor}
    return [row for row in ROWS if row.name in wanted]
