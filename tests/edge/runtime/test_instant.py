import math

import pytest

from edge.runtime.instant import seconds_of, stamp
from tests.edge.examples import NOW


def test_a_stamp_is_utc_in_milliseconds() -> None:
    assert stamp(NOW) == "2026-02-07T08:12:34.567Z"
    assert stamp(0) == "1970-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    "value",
    [
        "2026-02-07T08:12:34.567Z",
        "2026-02-07T10:12:34.567+02:00",
        NOW,
        NOW * 1000,
    ],
)
def test_iso_8601_and_epoch_name_the_same_instant(value: object) -> None:
    assert seconds_of(value) == pytest.approx(NOW)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "soon",
        "2026-02-07T08:12:34.567",  # in which zone?
        "2026-02-07",
        "1770451954",
        True,
        0,
        -1,
        1e14,
        10**400,
        math.nan,
        math.inf,
        None,
        [],
        {},
    ],
)
def test_what_cannot_be_read_is_no_instant(value: object) -> None:
    assert seconds_of(value) is None
