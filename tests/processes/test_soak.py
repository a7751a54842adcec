"""Half a minute of what `make soak` does for an hour."""

from dataclasses import replace

import pytest

from .soak import Sample, Soaked, report, soak
from .storms import Asked, Books, Verdict, judge


@pytest.mark.slow
async def test_nothing_is_left_behind() -> None:
    soaked = await soak(seconds=8, warm_up=3, fault_every=2)
    assert not soaked.complaints(), report(soaked)
    assert soaked.verdict.keys > 50, report(soaked)


def test_what_is_left_behind_is_complained_about() -> None:
    held = {"descriptors": (14, 14), "tasks": (5, 5), "resident": (50_000_000,) * 2}
    server = {"keys": 9, "without_expiry": 0, "used_by_server": 1, "connections": 5}
    good = Sample(at=0, **held, **server)  # type: ignore[arg-type] # of two types
    assert not Soaked(60, good, good).complaints()
    for worse in (
        replace(good, descriptors=(14, 15)),
        replace(good, tasks=(6, 5)),
        replace(good, resident=(50_000_000, 55_000_000)),
        replace(good, connections=6),
        replace(good, without_expiry=1),
    ):
        assert Soaked(60, good, worse).complaints()
    twice = Verdict(started_twice=1)
    assert Soaked(60, good, good, verdict=twice).complaints()


def test_a_start_after_the_retention_is_no_second_one() -> None:
    for second, twice, expired in ((10.0, 1, 0), (61.0, 0, 1)):
        books = Books(retention=60)
        for request, at in (("a", 0.0), ("b", second)):
            books.asked.append(Asked("key", request, at, at + 1, request, 200))
            books.noted["key"] += [
                (what, request, 1, at + 0.5) for what in ("started", "effect", "ended")
            ]
        verdict = judge(books)
        assert verdict.started_twice == len(verdict.not_linearizable) == twice
        assert verdict.expired == expired
