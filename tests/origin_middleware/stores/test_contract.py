"""What every store promises, over every store."""

import asyncio
from collections.abc import AsyncIterator

import fakeredis
import pytest
from redis.asyncio import Redis

from origin_middleware.key import Key
from origin_middleware.record import (
    Absent,
    Claim,
    Claimed,
    Completed,
    Evidence,
    Exhausted,
    Finished,
    Held,
    NotReplayable,
    Preceded,
    Recorded,
)
from origin_middleware.stores import waiting
from tests.origin_middleware.stores.conftest import UVLOOP
from tests.support.servers import RedisServer
from tests.support.stores import (
    Bench,
    OwnConnection,
    a_claim,
    a_key,
    memory_bench,
    redis_bench,
)

REAL = ["valkey", "redis_6_2", "redis_7"]


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """One of the stores is used on uvloop."""
    return UVLOOP if request.node.callspec.params["bench"] == "uvloop" else "asyncio"


@pytest.fixture(params=["memory", "fakeredis", "own connections", "uvloop", *REAL])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "memory":
        yield memory_bench()
        return
    client: Redis
    if request.param == "fakeredis":
        client = fakeredis.FakeAsyncRedis()
    elif request.param == "uvloop":
        client = Redis.from_url(request.getfixturevalue("valkey_server").url)
    elif request.param == "own connections":
        url = request.getfixturevalue("valkey_server").url
        client = Redis.from_url(url, connection_class=OwnConnection)
    else:
        server: RedisServer = request.getfixturevalue(f"{request.param}_server")
        client = Redis.from_url(server.url)
    bench = redis_bench(client)
    yield bench
    await bench.store.aclose()
    await client.aclose()


@pytest.fixture
def no_polling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is not woken waits longer than the test."""
    monkeypatch.setattr(waiting, "_FLOOR", 600.0)


@pytest.fixture
def key() -> Key:
    return a_key()


async def held(bench: Bench, key: Key, by: Claim) -> Held:
    answer = await bench.store.claim(key, by)
    assert isinstance(answer, Held)
    return answer


async def test_an_absent_key_is_claimed(bench: Bench, key: Key) -> None:
    assert await bench.store.claim(key, a_claim()) == Claimed()


async def test_a_claimed_key_is_held_against_others(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a", "f", lease=10))
    seen = await held(bench, key, a_claim("b", "g"))
    assert seen.fingerprint == a_claim("a", "f").fingerprint
    assert 9 < seen.lease_left <= 10
    assert not seen.abandoned


async def test_a_claim_sent_twice_wins_twice(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a"))
    assert await bench.store.claim(key, a_claim("a")) == Claimed()


async def test_of_many_claims_at_once_one_wins(bench: Bench, key: Key) -> None:
    claims = [a_claim(f"owner-{n}") for n in range(50)]
    answers = await asyncio.gather(*(bench.store.claim(key, claim) for claim in claims))
    assert answers.count(Claimed()) == 1


async def test_a_lapsed_lease_is_abandoned_and_still_held(
    bench: Bench, key: Key
) -> None:
    await bench.store.claim(key, a_claim("a", lease=10))
    await bench.advance(11)
    assert (await held(bench, key, a_claim("b"))).abandoned


async def test_a_renewed_lease_lasts_longer(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a", lease=10))
    await bench.advance(8)
    assert await bench.store.renew(key, a_claim("a", lease=10))
    await bench.advance(8)
    assert not (await held(bench, key, a_claim("b"))).abandoned


async def test_renewal_extends_the_retention(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a", retention=100))
    await bench.advance(60)
    await bench.store.renew(key, a_claim("a", retention=100))
    await bench.advance(60)
    await held(bench, key, a_claim("b"))


async def test_the_owner_of_a_lapsed_lease_can_renew_it(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a", lease=10))
    await bench.advance(11)
    assert await bench.store.renew(key, a_claim("a", lease=10))
    assert not (await held(bench, key, a_claim("b"))).abandoned


async def test_only_the_owner_can_renew(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a"))
    assert not await bench.store.renew(key, a_claim("b"))
    assert not await bench.store.renew(a_key(), a_claim("a"))


async def test_a_completed_key_answers_with_its_response(
    bench: Bench, key: Key
) -> None:
    response = bytes(range(256)) * 300
    await bench.store.claim(key, a_claim("a", "f"))
    told = await bench.store.complete(key, a_claim("a", "f"), Completed(response))
    assert told == Recorded(Evidence.OWNED)
    finished = Finished(a_claim("a", "f").fingerprint, Completed(response))
    assert await bench.store.claim(key, a_claim("b", "g")) == finished


@pytest.mark.parametrize("outcome", [Completed(b""), NotReplayable()])
async def test_every_outcome_is_kept(
    bench: Bench, key: Key, outcome: Completed | NotReplayable
) -> None:
    await bench.store.claim(key, a_claim("a"))
    await bench.store.complete(key, a_claim("a"), outcome)
    answer = await bench.store.claim(key, a_claim("b"))
    assert answer == Finished(a_claim("a").fingerprint, outcome)


async def test_a_completion_sent_twice_is_recorded_twice(
    bench: Bench, key: Key
) -> None:
    await bench.store.claim(key, a_claim("a"))
    for _ in range(2):
        told = await bench.store.complete(key, a_claim("a"), Completed(b"once"))
        assert told == Recorded(Evidence.OWNED)


async def test_a_late_completion_is_recorded(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a", lease=10))
    await bench.advance(60)
    told = await bench.store.complete(key, a_claim("a"), Completed(b"late"))
    assert told == Recorded(Evidence.OWNED)


async def test_a_completion_whose_claim_is_gone_is_recorded_all_the_same(
    bench: Bench, key: Key
) -> None:
    told = await bench.store.complete(key, a_claim("a"), Completed(b"ran"))
    assert told == Recorded(Evidence.CLAIM_LOST)
    answer = await bench.store.claim(key, a_claim("b"))
    assert answer == Finished(a_claim("a").fingerprint, Completed(b"ran"))


async def test_a_completion_under_anothers_claim_is_recorded_and_wins(
    bench: Bench, key: Key
) -> None:
    await bench.store.claim(key, a_claim("b"))
    told = await bench.store.complete(key, a_claim("a"), Completed(b"first"))
    assert told == Recorded(Evidence.CLAIM_TAKEN)
    first = Finished(a_claim("a").fingerprint, Completed(b"first"))
    assert await bench.store.complete(
        key, a_claim("b"), Completed(b"second")
    ) == Preceded(first)
    assert await bench.store.claim(key, a_claim("c")) == first


async def test_the_first_of_two_completions_stays_whatever_it_was(
    bench: Bench, key: Key
) -> None:
    await bench.store.complete(key, a_claim("a"), NotReplayable())
    told = await bench.store.complete(key, a_claim("b"), Completed(b"second"))
    assert told == Preceded(Finished(a_claim("a").fingerprint, NotReplayable()))


async def test_a_released_key_is_absent(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a"))
    assert await bench.store.release(key, a_claim("a"))
    assert await bench.store.claim(key, a_claim("b")) == Claimed()


async def test_a_key_is_claimed_and_released_so_often_and_no_more(
    bench: Bench, key: Key
) -> None:
    for n in range(3):
        claim = a_claim(f"owner-{n}", f"request-{n}", max_attempts=3)
        assert await bench.store.claim(key, claim) == Claimed()
        assert await bench.store.release(key, claim)
    seen = Held(a_claim().fingerprint, 10)
    assert await bench.store.wait(key, seen, 5) == Absent()
    assert await bench.store.claim(key, a_claim("x", max_attempts=3)) == Exhausted()
    assert await bench.store.claim(key, a_claim("x", max_attempts=4)) == Claimed()


async def test_a_take_over_is_an_attempt_and_an_inquiry_is_none(
    bench: Bench, key: Key
) -> None:
    await bench.store.claim(key, a_claim("a"))
    await bench.store.abandon(key, a_claim("a"))
    for n in range(3):
        claim = a_claim(f"inquiry-{n}", max_attempts=1, inquires=True)
        assert await bench.store.take_over(key, claim) == Claimed()
        assert await bench.store.abandon(key, claim)
    assert await bench.store.take_over(key, a_claim("b", max_attempts=1)) == Exhausted()
    assert (await held(bench, key, a_claim("c"))).abandoned
    assert await bench.store.take_over(key, a_claim("b", max_attempts=2)) == Claimed()
    assert await bench.store.abandon(key, a_claim("b"))
    assert await bench.store.take_over(key, a_claim("c", max_attempts=2)) == Exhausted()


async def test_attempts_are_forgotten_a_retention_after_the_last_claim(
    bench: Bench, key: Key
) -> None:
    for owner, passed in [("a", 60), ("b", 99)]:
        claim = a_claim(owner, retention=100, max_attempts=2)
        assert await bench.store.claim(key, claim) == Claimed()
        assert await bench.store.release(key, claim)
        await bench.advance(passed)
    assert await bench.store.claim(key, a_claim("c", max_attempts=2)) == Exhausted()
    await bench.advance(2)
    assert await bench.store.claim(key, a_claim("c", max_attempts=2)) == Claimed()


async def test_a_release_that_is_repeated_answers_the_same(
    bench: Bench, key: Key
) -> None:
    for owner in "ab":
        await bench.store.claim(key, a_claim(owner))
        for _ in range(2):
            assert await bench.store.release(key, a_claim(owner))
    assert not await bench.store.release(key, a_claim("a"))
    facts = await bench.store.look(key)
    assert facts is not None
    assert facts.attempt == 2


async def test_only_the_owner_can_release(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a"))
    assert not await bench.store.release(key, a_claim("b"))
    await held(bench, key, a_claim("b"))


async def test_a_completed_key_cannot_be_released_renewed_or_abandoned(
    bench: Bench, key: Key
) -> None:
    claim = a_claim("a")
    await bench.store.claim(key, claim)
    await bench.store.complete(key, claim, Completed(b"kept"))
    assert not await bench.store.release(key, claim)
    assert not await bench.store.renew(key, claim)
    assert not await bench.store.abandon(key, claim)
    assert isinstance(await bench.store.claim(key, a_claim("b")), Finished)


async def test_an_owner_can_abandon_its_own_claim(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a", lease=10))
    assert await bench.store.abandon(key, a_claim("a"))
    assert (await held(bench, key, a_claim("b"))).abandoned
    assert not await bench.store.abandon(key, a_claim("b"))


async def test_a_claim_that_was_abandoned_is_not_renewed_any_more(
    bench: Bench, key: Key
) -> None:
    """A renewal that was sent before may arrive afterwards, or a second time."""
    await bench.store.claim(key, a_claim("a", lease=10))
    await bench.store.abandon(key, a_claim("a"))
    assert not await bench.store.renew(key, a_claim("a", lease=10))
    assert (await held(bench, key, a_claim("b"))).abandoned


async def test_an_abandoned_key_can_be_taken_over_once(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a", lease=10))
    await bench.advance(11)
    claims = [a_claim(f"owner-{n}") for n in range(20)]
    answers = await asyncio.gather(
        *(bench.store.take_over(key, claim) for claim in claims)
    )
    assert answers.count(Claimed()) == 1


async def test_a_take_over_sent_twice_wins_twice(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a", lease=10))
    await bench.advance(11)
    for _ in range(2):
        assert await bench.store.take_over(key, a_claim("b")) == Claimed()


async def test_a_live_lease_cannot_be_taken_over(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a", lease=10))
    assert isinstance(await bench.store.take_over(key, a_claim("b")), Held)
    await bench.store.complete(key, a_claim("a"), Completed(b"kept"))
    assert isinstance(await bench.store.take_over(key, a_claim("b")), Finished)


async def test_what_another_request_had_not_begun_cannot_be_claimed(
    bench: Bench, key: Key
) -> None:
    await bench.store.claim(key, a_claim(declares=True))
    await bench.advance(11)
    seen = await bench.store.claim(key, a_claim("b", "g", declares=True))
    assert isinstance(seen, Held)
    assert seen.fingerprint == a_claim().fingerprint


async def test_what_another_request_left_cannot_be_taken_over(
    bench: Bench, key: Key
) -> None:
    """While a take-over is on its way, the key may change hands and be abandoned."""
    await bench.store.claim(key, a_claim("a", "f", lease=10))
    await bench.advance(11)
    seen = await bench.store.take_over(key, a_claim("b", "g"))
    assert isinstance(seen, Held)
    assert seen.fingerprint == a_claim("a", "f").fingerprint
    assert seen.abandoned
    assert await bench.store.renew(key, a_claim("a", "f", lease=10))


async def test_what_nobody_holds_is_not_taken_over(bench: Bench, key: Key) -> None:
    """It has to be claimed, which is an attempt, and which no reconciler is asked
    about."""
    claims = [a_claim("x"), a_claim("x", inquires=True), a_claim("x", takes="a")]
    for claim in claims:
        assert await bench.store.take_over(key, claim) == Absent()
    await bench.store.claim(key, a_claim("a"))
    await bench.store.release(key, a_claim("a"))
    for claim in claims:
        assert await bench.store.take_over(key, claim) == Absent()
    assert await bench.store.claim(key, a_claim("b", max_attempts=2)) == Claimed()


async def test_an_inquiry_about_what_did_nothing_may_have_had_effects(
    bench: Bench, key: Key
) -> None:
    """The attempt itself may complete it, until the reconciler has ruled."""
    await bench.store.claim(key, a_claim(declares=True))
    await bench.advance(11)
    inquiry = a_claim("b", declares=True, inquires=True, max_attempts=1)
    assert await bench.store.take_over(key, inquiry) == Claimed()
    await bench.advance(11)
    assert (await held(bench, key, a_claim("c", declares=True))).abandoned


async def test_what_takes_over_may_have_had_the_effects_of_the_other(
    bench: Bench, key: Key
) -> None:
    await bench.store.claim(key, a_claim(declares=True))
    await bench.store.begin_effects(key, a_claim(declares=True))
    await bench.advance(11)
    await bench.store.take_over(key, a_claim("b", declares=True))
    await bench.advance(11)
    seen = await bench.store.claim(key, a_claim("c", declares=True))
    assert isinstance(seen, Held)
    assert seen.abandoned


async def test_a_stale_lease_cannot_write_after_a_take_over(
    bench: Bench, key: Key
) -> None:
    stale = a_claim("a", lease=10)
    await bench.store.claim(key, stale)
    await bench.advance(11)
    await bench.store.take_over(key, a_claim("b"))
    assert not await bench.store.renew(key, stale)
    assert not await bench.store.release(key, stale)
    assert not await bench.store.abandon(key, stale)
    assert not (await held(bench, key, a_claim("c"))).abandoned


async def test_after_its_retention_a_record_is_gone(bench: Bench, key: Key) -> None:
    claim = a_claim("a", retention=100)
    await bench.store.claim(key, claim)
    await bench.store.complete(key, claim, Completed(b"kept"))
    await bench.advance(99)
    assert isinstance(await bench.store.claim(key, a_claim("b")), Finished)
    await bench.advance(2)
    assert await bench.store.claim(key, a_claim("b")) == Claimed()


@pytest.mark.usefixtures("no_polling")
async def test_a_wait_ends_with_the_completion(bench: Bench, key: Key) -> None:
    claim = a_claim("a", lease=600)
    await bench.store.claim(key, claim)
    waits = await started_waits(bench, key, 3)
    await bench.store.complete(key, claim, Completed(b"done"))
    done = Finished(claim.fingerprint, Completed(b"done"))
    assert await asyncio.gather(*waits) == [done] * 3


@pytest.mark.usefixtures("no_polling")
async def test_a_wait_ends_with_the_release(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a", lease=600))
    waits = await started_waits(bench, key, 3)
    await bench.store.release(key, a_claim("a"))
    assert await asyncio.gather(*waits) == [Absent()] * 3


@pytest.mark.usefixtures("no_polling")
async def test_a_wait_ends_when_the_owner_abandons(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a", lease=600))
    (wait,) = await started_waits(bench, key, 1)
    await bench.store.abandon(key, a_claim("a"))
    seen = await wait
    assert isinstance(seen, Held)
    assert seen.abandoned


async def test_a_wait_ends_when_the_lease_lapses(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a", lease=10))
    seen = await held(bench, key, a_claim("b"))
    await bench.advance(9.99)
    seen = await held(bench, key, a_claim("b"))
    waiting = asyncio.create_task(bench.store.wait(key, seen, 5))
    await asyncio.sleep(0)
    await bench.advance(1)
    lapsed = await waiting
    assert isinstance(lapsed, Held)
    assert lapsed.abandoned


async def test_a_wait_is_over_after_its_timeout(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a", lease=10))
    seen = await held(bench, key, a_claim("b"))
    assert await bench.store.wait(key, seen, 0.01) == seen


async def test_a_closed_store_can_be_used_again(bench: Bench, key: Key) -> None:
    await bench.store.claim(key, a_claim("a"))
    await started_waits(bench, key, 0)
    await bench.store.aclose()
    await held(bench, key, a_claim("b"))


async def started_waits(
    bench: Bench, key: Key, count: int
) -> list["asyncio.Task[Absent | Held | Finished]"]:
    """Waits that have looked at the record, and have found it held."""
    seen = await held(bench, key, a_claim("waiter"))
    waits = [asyncio.create_task(bench.store.wait(key, seen, 5)) for _ in range(count)]
    # This one shares their look, and is over long after it.
    await bench.store.wait(key, seen, 0.05)
    return waits
