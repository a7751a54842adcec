"""Waiters share looks, hear of errors, and leave nothing behind."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from origin_middleware import RecordDamaged, StoreUnavailable
from origin_middleware.record import Absent, Completed, Finished, Held
from origin_middleware.stores import waiting
from origin_middleware.stores.waiting import View, Waiting
from tests.support.stores import a_claim

HELD = Held(a_claim().fingerprint, 60.0)


class Looks:
    """Sees what it is told to, in order; the last one again and again."""

    def __init__(self, *seen: View | BaseException) -> None:
        self.seen = list(seen)
        self.count = 0

    async def __call__(self) -> View:
        self.count += 1
        now = self.seen.pop(0) if len(self.seen) > 1 else self.seen[0]
        if isinstance(now, BaseException):
            raise now
        return now


def left_behind(room: Waiting) -> list[object]:
    looking = [
        task for task in asyncio.all_tasks() if "_follow" in repr(task.get_coro())
    ]
    return [*room._waiters, *(task for task in looking if not task.cancelling())]


async def test_many_wait_with_one_look() -> None:
    done = Finished(HELD.fingerprint, Completed(b"done"))
    room, looks = Waiting(), Looks(done)
    seen = await asyncio.gather(*(room.wait("k", HELD, 5, looks) for _ in range(100)))
    assert seen == [done] * 100
    assert looks.count == 1
    assert left_behind(room) == []


async def test_of_many_who_wait_one_may_claim_a_key_that_was_given_back() -> None:
    room, looks = Waiting(), Looks(Absent(), HELD)
    waits = [asyncio.create_task(room.wait("k", HELD, 0.2, looks)) for _ in range(10)]
    seen = await asyncio.gather(*waits)
    assert seen.count(Absent()) == 1
    assert seen.count(HELD) == 9
    assert left_behind(room) == []


async def test_who_came_first_may_claim_first() -> None:
    room, looks = Waiting(), Looks(Absent(), HELD)
    waits = [asyncio.create_task(room.wait("k", HELD, 0.2, looks)) for _ in range(10)]
    assert await waits[0] == Absent()
    assert await asyncio.gather(*waits[1:]) == [HELD] * 9


async def test_who_waits_too_long_leaves_with_what_it_came_with() -> None:
    room = Waiting()
    assert await room.wait("k", HELD, 0.01, Looks(HELD)) == HELD
    assert left_behind(room) == []


async def test_who_is_cancelled_leaves_the_others_waiting() -> None:
    room, looks = Waiting(), Looks(HELD, Absent())
    one, other = (asyncio.create_task(room.wait("k", HELD, 5, looks)) for _ in range(2))
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.sleep(0)
    room.wake("k")
    assert await other == Absent()
    assert one.cancelled()
    assert left_behind(room) == []


async def test_a_store_that_is_away_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "_FLOOR", 0.001)
    looks = Looks(StoreUnavailable("away"), StoreUnavailable("away"), Absent())
    assert await Waiting().wait("k", HELD, 5, looks) == Absent()


async def test_a_wake_up_that_is_lost_in_the_last_moment_is_made_up_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "_FLOOR", 600.0)
    done = Finished(HELD.fingerprint, Completed(b"done"))
    looks, room = Looks(HELD, done), Waiting()
    seen = await asyncio.gather(*(room.wait("k", HELD, 0.6, looks) for _ in range(9)))
    assert seen == [done] * 9
    assert looks.count == 2
    assert left_behind(room) == []


async def test_a_look_that_others_cancel_is_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as one that waited for a connection which somebody has closed."""
    monkeypatch.setattr(waiting, "_FLOOR", 0.001)
    looks = Looks(asyncio.CancelledError(), Absent())
    assert await Waiting().wait("k", HELD, 5, looks) == Absent()


async def test_a_damaged_record_is_told_to_everybody() -> None:
    room, looks = Waiting(), Looks(RecordDamaged("?"))
    told = await asyncio.gather(
        *(room.wait("k", HELD, 5, looks) for _ in range(3)), return_exceptions=True
    )
    assert [type(one) for one in told] == [RecordDamaged] * 3
    assert left_behind(room) == []


async def test_everybody_can_be_woken() -> None:
    room = Waiting()
    waits = [
        asyncio.create_task(room.wait(name, HELD, 5, Looks(HELD, Absent())))
        for name in "abc"
    ]
    for _ in range(5):
        await asyncio.sleep(0)
    room.wake_all()
    assert await asyncio.gather(*waits) == [Absent()] * 3


async def test_who_comes_right_after_the_last_look_asks_anew() -> None:
    room, later = Waiting(), list["asyncio.Task[View]"]()

    async def look() -> View:
        if not later:  # it runs before those who wait have been told
            wait = room.wait("k", HELD, 1, Looks(Absent()))
            later.append(asyncio.create_task(wait))
        return Absent()

    assert await room.wait("k", HELD, 1, look) == Absent()
    assert await later[0] == Absent()
    assert left_behind(room) == []


def test_waiters_of_several_event_loops_are_woken_from_any_thread() -> None:
    """As in a test that runs an app in threads, each with a loop of its own."""
    done = Finished(HELD.fingerprint, Completed(b"done"))
    room, seen = Waiting(), Looks(HELD)
    looking = threading.Barrier(4)

    async def look() -> View:
        if seen.seen == [HELD]:
            await asyncio.to_thread(looking.wait)
        return await seen()

    async def wait() -> View:
        return await room.wait("k", HELD, 30, look)

    with ThreadPoolExecutor(3) as threads:
        waiting_for = [threads.submit(asyncio.run, wait()) for _ in range(3)]
        looking.wait()
        seen.seen = [done]
        room.wake("k")
        began = time.monotonic()
        assert [each.result() for each in waiting_for] == [done] * 3
    assert time.monotonic() - began < 20
    assert room._waiters == {}


async def test_a_closed_event_loop_is_not_woken() -> None:
    room = Waiting()

    async def give_up() -> None:
        asyncio.get_running_loop().call_later(0, asyncio.current_task().cancel)  # type: ignore[union-attr] # a coroutine runs in a task
        await room.wait("k", HELD, 30, Looks(HELD))

    with suppress(asyncio.CancelledError):
        await asyncio.to_thread(asyncio.run, give_up())
    room.wake("k")
    assert room._waiters == {}
