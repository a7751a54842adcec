"""The checker of histories itself, on histories that somebody wrote down."""

import pytest

from .linearizability import Operation, is_linearizable

Op = Operation

RUN = [Op("claim", "a", 0, 1), Op("complete", "a", 2, 3)]


@pytest.mark.parametrize(
    "history",
    [
        [],
        RUN,
        [*RUN, Op("replay", "a", 0.5, 9)],
        [*RUN, Op("in progress", "", 0, 2.5)],
        [*RUN, Op("in progress", "", 2.5, 4)],  # seen before the end, told after it
        [Op("claim", "a", 0, 1), Op("complete", "a", 2), Op("replay", "a", 5, 6)],
        [Op("claim", "a", 0, 1), Op("complete", "a", 2), Op("in progress", "", 5, 6)],
        [Op("claim", "a", 0, 1), Op("release", "a", 1), Op("claim", "b", 2, 3)],
        [
            Op("claim", "a", 0, 1),
            Op("lapse", "a", 1),
            Op("outcome unknown", "", 2, 3),
            Op("complete", "a", 1),
            Op("replay", "a", 4, 5),
        ],
        [
            Op("claim", "a", 0),
            Op("withdraw", "a", 0),
            Op("in progress", "", 1, 2),
            Op("claim", "b", 3, 4),
        ],
        [*RUN, Op("lose", "", 4, 5)],
        [Op("claim", "a", 0, 1), Op("lose", "", 1, 2), Op("complete", "a", 3, 4)],
    ],
)
def test_what_a_record_can_do_is_linearizable(history: list[Operation]) -> None:
    assert is_linearizable(history)


@pytest.mark.parametrize(
    "history",
    [
        [*RUN, Op("claim", "b", 0, 9)],
        [*RUN, Op("replay", "b", 4, 5)],
        [*RUN, Op("replay", "a", 0, 1.5)],  # told before it had ended
        [*RUN, Op("in progress", "", 4, 5)],
        [*RUN, Op("outcome unknown", "", 2, 5)],  # nothing had stood still
        [Op("claim", "a", 0, 1), Op("claim", "b", 0, 1)],
        [
            Op("claim", "a", 0, 1),
            Op("lapse", "a", 1),
            Op("outcome unknown", "", 2, 3),
            Op("in progress", "", 4, 5),  # the dead do not come back
        ],
        [
            Op("claim", "a", 0, 1),
            Op("complete", "a", 2),
            Op("replay", "a", 3, 4),
            Op("in progress", "", 5, 6),  # once it was there, it stays
        ],
        [*RUN, Op("lose", "", 4, 5), Op("replay", "a", 6, 7)],
        [*RUN, Op("lose", "", 4, 5), Op("claim", "b", 6, 7)],
    ],
)
def test_what_a_record_cannot_do_is_not(history: list[Operation]) -> None:
    assert not is_linearizable(history)
