"""An abandoned key, and a seller who can look it up."""

import asyncio
from collections.abc import Collection
from typing import Any, Literal

import pytest

from origin_middleware import (
    Abandoned,
    Event,
    IdempotencyMiddleware,
    LeaseLost,
    MemoryStore,
    NotRecorded,
    Policy,
    Reconciled,
    StoredResponse,
    Superseded,
)
from origin_middleware.attempt import Ruling
from origin_middleware.key import Key
from origin_middleware.record import (
    Answer,
    Claim,
    Claimed,
    Completed,
    NotReplayable,
)
from tests.support.asgi import (
    PRIVATE,
    App,
    GatedApp,
    chunk,
    endings,
    request,
    start,
)
from tests.support.faulty import FaultyStore
from tests.support.stores import Clock, a_claim

FOUND = StoredResponse(200, [(b"content-type", b"text/plain")], b"from the ledger")


class Books:
    """A reconciler that answers, or raises, what it is told to."""

    def __init__(self, ruling: object) -> None:
        self.ruling = ruling
        self.asked: list[Abandoned] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, abandoned: Abandoned) -> Ruling:
        self.asked.append(abandoned)
        await self.gate.wait()
        if isinstance(self.ruling, BaseException):
            raise self.ruling
        return self.ruling  # type: ignore[return-value] # wrong ones are under test


class Stalled:
    """An app whose first execution is abandoned while it is still running."""

    def __init__(
        self,
        books: Books,
        on_store_unavailable: Literal["refuse", "execute"] = "refuse",
        unrecorded: Collection[str] = (),
        patience: float = 25.0,
        lease: float = 10.0,
    ) -> None:
        self.clock = Clock()
        self.store = FaultyStore(self.clock)
        self.handler = GatedApp()
        self.events: list[Event] = []
        self.app = IdempotencyMiddleware(
            self.handler,
            store=self.store,
            policy=Policy(
                on_abandoned=books,
                on_store_unavailable=on_store_unavailable,
                unrecorded_headers=unrecorded,
                patience=patience,
                lease=lease,
            ),
            observer=endings(self.events),
        )

    async def begin(self, **scope: Any) -> None:
        self.first = asyncio.create_task(request(self.app, **scope))
        await self.handler.entered.wait()
        self.clock.now += 11

    async def end(self) -> None:
        self.handler.gate.set()
        await self.first


async def test_a_response_from_the_books_is_recorded_and_replayed() -> None:
    books = Books(FOUND)
    case = Stalled(books)
    await case.begin()
    for _ in range(2):
        answer = await request(case.app)
        assert (answer.status, answer.body) == (200, b"from the ledger")
        assert (b"idempotent-replayed", b"true") in answer.headers
    assert [abandoned.key for abandoned in books.asked] == ["intent-1"]
    assert Reconciled(Key("intent-1"), "respond") in case.events
    await case.end()
    assert case.handler.executions == 1
    (second,) = (e for e in case.events if isinstance(e, Superseded))
    assert (second.status, second.by_other_request) == (200, False)


async def test_execute_runs_the_handler_again() -> None:
    case = Stalled(Books("execute"))
    await case.begin()
    case.handler.entered.clear()
    duplicate = asyncio.create_task(request(case.app))
    await case.handler.entered.wait()
    await case.end()
    assert (await duplicate).status == 200
    assert case.handler.executions == 2


@pytest.mark.parametrize(
    "ruling",
    [
        "refuse",
        ZeroDivisionError(),
        asyncio.CancelledError(),
        SystemExit(),
        GeneratorExit(),
        BaseExceptionGroup("several", [KeyboardInterrupt()]),
        None,
        "perhaps",
        StoredResponse(500, [], b""),
        StoredResponse(200, [(b"x-found", b"a\r\nset-cookie: b")], b""),
        StoredResponse(200, [(b"x found", b"a")], b""),
        StoredResponse(200, [(b"content-length", b"3")], b"four"),
        StoredResponse(200, [(b"content-length", b"four")], b"four"),
        StoredResponse(204, [], b"four"),
        StoredResponse("200", [], b""),  # type: ignore[arg-type] # under test
        StoredResponse(200, [], "text"),  # type: ignore[arg-type] # under test
        StoredResponse(200, [], 5),  # type: ignore[arg-type] # five zero bytes
    ],
)
async def test_without_a_ruling_the_key_stays_abandoned(ruling: object) -> None:
    books = Books(ruling)
    case = Stalled(books)
    await case.begin()
    for _ in range(2):
        assert (await request(case.app)).code == "outcome-unknown"
    assert len(books.asked) == 2
    await case.end()
    assert case.handler.executions == 1
    assert (await request(case.app)).body == b"done"


async def test_execute_does_not_run_what_has_ended_after_all() -> None:
    books = Books("execute")
    books.gate.clear()
    case = Stalled(books)
    await case.begin()
    duplicate = asyncio.create_task(request(case.app))
    await case.store.asked("take_over", 1)
    await case.end()
    books.gate.set()
    assert (await duplicate).body == b"done"
    assert case.handler.executions == 1


async def test_execute_does_not_run_what_somebody_else_has_taken() -> None:
    """This process was stalled in its reconciler for longer than the lease."""
    books = Books("execute")
    books.gate.clear()
    case = Stalled(books, patience=0.05)
    await case.begin()
    duplicate = asyncio.create_task(request(case.app))
    await case.store.asked("take_over", 1)
    case.clock.now += 11
    (record,) = case.store.behind._records.values()
    other = Claim(a_claim("other").owner, record.fingerprint, 10, 1000)
    await case.store.behind.take_over(Key("intent-1"), other)
    books.gate.set()
    assert (await duplicate).code == "in-progress"
    await case.end()
    assert case.handler.executions == 1


async def test_a_reconciler_that_hangs_is_not_waited_for() -> None:
    books = Books(FOUND)
    books.gate.clear()
    case = Stalled(books, patience=0.05, lease=0.05)
    await case.begin()
    assert (await request(case.app)).code == "outcome-unknown"
    await case.end()


async def test_a_response_that_cannot_be_kept_is_no_ruling() -> None:
    text: Any = "text"
    for wrong in (
        StoredResponse(200, [(text, b"")], b""),
        StoredResponse(200, [], text),
    ):
        case = Stalled(Books(wrong))
        await case.begin()
        assert (await request(case.app)).code == "outcome-unknown"
        await case.end()


async def test_one_request_asks_and_the_others_wait_for_the_ruling() -> None:
    books = Books(FOUND)
    books.gate.clear()
    case = Stalled(books)
    await case.begin()
    duplicates = [asyncio.create_task(request(case.app)) for _ in range(10)]
    await case.store.asked("wait", 9)
    books.gate.set()
    answers = await asyncio.gather(*duplicates)
    assert {answer.body for answer in answers} == {b"from the ledger"}
    assert len(books.asked) == 1
    await case.end()


async def test_an_outcome_that_comes_while_the_books_are_asked_wins() -> None:
    books = Books(FOUND)
    books.gate.clear()
    case = Stalled(books)
    await case.begin()
    duplicate = asyncio.create_task(request(case.app))
    await case.store.asked("take_over", 1)
    await case.end()
    books.gate.set()
    assert (await duplicate).body == b"done"
    assert (await request(case.app)).body == b"done"


async def test_an_outcome_that_was_not_kept_is_not_replaced() -> None:
    books = Books(FOUND)
    books.gate.clear()
    case = Stalled(books)
    await case.begin()
    duplicate = asyncio.create_task(request(case.app))
    await case.store.asked("take_over", 1)
    case.store.behind._records.clear()
    await case.store.behind.complete(Key("intent-1"), a_claim(), NotReplayable())
    books.gate.set()
    assert (await duplicate).code == "not-replayable"
    await case.end()


async def test_an_outcome_of_another_request_does_not_answer_this_one() -> None:
    books = Books(FOUND)
    books.gate.clear()
    case = Stalled(books)
    await case.begin()
    duplicate = asyncio.create_task(request(case.app))
    await case.store.asked("take_over", 1)
    case.store.behind._records.clear()
    other = Completed(StoredResponse(200, [], b"of another").to_bytes())
    await case.store.behind.complete(Key("intent-1"), a_claim(), other)
    books.gate.set()
    assert (await duplicate).body == b"from the ledger"
    assert Superseded(Key("intent-1"), by_other_request=True) in case.events
    await case.end()


async def test_a_lease_that_ends_while_the_books_are_asked_is_no_alarm() -> None:
    """The attempt that was taken over ended after all."""
    books = Books("execute")
    books.gate.clear()
    case = Stalled(books, lease=0.06)
    await case.begin()
    duplicate = asyncio.create_task(request(case.app))
    await case.store.asked("take_over", 1)
    await case.end()
    await case.store.asked("renew", 1)
    books.gate.set()
    assert (await duplicate).body == b"done"
    assert LeaseLost not in map(type, case.events)


async def test_the_claim_is_renewed_while_the_books_are_asked() -> None:
    books = Books(FOUND)
    books.gate.clear()
    store = FaultyStore()
    policy = Policy(on_abandoned=books, lease=0.06, retention=60)
    handler = GatedApp()
    app = IdempotencyMiddleware(handler, store=store, policy=policy)
    await abandoned_by_another(store, app)
    duplicate = asyncio.create_task(request(app))
    await store.asked("renew", 4)
    books.gate.set()
    assert (await duplicate).body == b"from the ledger"


async def abandoned_by_another(store: FaultyStore, app: IdempotencyMiddleware) -> None:
    """The record of a process that died: in progress, and nobody renews it."""
    elsewhere = FaultyStore()
    handler = GatedApp()
    other = IdempotencyMiddleware(handler, store=elsewhere)
    dead = asyncio.create_task(request(other))
    await handler.entered.wait()
    (record,) = elsewhere.behind._records.values()
    claim = a_claim()
    dying = type(claim)(record.owner, record.fingerprint, 0.05, 60)
    await store.behind.claim(Key("intent-1"), dying)
    await store.behind.abandon(Key("intent-1"), dying)
    handler.gate.set()
    await dead


@pytest.mark.parametrize("lost", ["complete", "abandon"])
async def test_a_ruling_holds_where_the_store_does_not_take_it(lost: str) -> None:
    """Also with the policy that executes where the store was never reached."""
    case = Stalled(Books(FOUND if lost == "complete" else "refuse"), "execute")
    await case.begin()
    case.store.away(lost)
    answer = await request(case.app)
    if lost == "complete":
        assert answer.body == b"from the ledger"
        assert NotRecorded(Key("intent-1")) in case.events
    else:
        assert answer.code == "outcome-unknown"
    case.store.away()
    await case.end()
    assert case.handler.executions == 1


async def test_a_ruling_is_recorded_without_what_the_policy_leaves_out() -> None:
    headers = [(b"connection", b"close"), (b"set-cookie", b"a"), (b"x-kept", b"1")]
    case = Stalled(Books(StoredResponse(200, headers, b"")), unrecorded=["set-cookie"])
    await case.begin()
    kept = [(b"x-kept", b"1"), PRIVATE, (b"idempotent-replayed", b"true")]
    assert (await request(case.app)).headers == kept
    await case.end()


async def test_a_ruling_over_the_limit_is_delivered_and_not_kept() -> None:
    limit = Policy().max_response_bytes
    case = Stalled(Books(StoredResponse(200, [], b"x" * (limit + 1))))
    await case.begin()
    assert len((await request(case.app)).body) == limit + 1
    assert (await request(case.app)).code == "not-replayable"
    await case.end()


async def test_a_ruling_about_a_head_has_no_body() -> None:
    headers = [(b"content-length", b"4")]
    for body, answered in ((b"four", 409), (b"", 200)):
        case = Stalled(Books(StoredResponse(200, headers, body)))
        await case.begin(method="HEAD")
        assert (await request(case.app, method="HEAD")).status == answered
        await case.end()


async def test_a_run_that_a_reconciler_allows_is_an_attempt() -> None:
    """Or one payment would buy any number of answers that are not delivered."""

    async def had_not_happened(_: Abandoned) -> Ruling:
        return "execute"

    inner = App(start(404), chunk(b"nothing here"))
    policy = Policy(on_failure="refuse", on_abandoned=had_not_happened, max_attempts=3)
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=policy)
    answers = [await request(app) for _ in range(6)]
    assert [answer.status for answer in answers] == [404, 404, 404, 409, 409, 409]
    assert answers[-1].code == "attempts-exhausted"


class GivenBack(FaultyStore):
    """The reconciler of another request rules while this one's take-over is on its
    way.
    """

    async def take_over(self, key: Key, claim: Claim, /) -> Answer:
        other = claim._replace(owner=a_claim("other").owner)
        assert await self.behind.take_over(key, other) == Claimed()
        assert await self.behind.release(key, other)
        return await super().take_over(key, claim)


async def test_a_key_that_is_given_back_meanwhile_costs_no_attempt() -> None:
    """And nobody is asked about it again."""
    books, store = Books("execute"), GivenBack()
    inner = App(start(404), chunk(b"nothing here"))
    policy = Policy(on_failure="refuse", on_abandoned=books, max_attempts=3)
    app = IdempotencyMiddleware(inner, store=store, policy=policy)
    answers = [await request(app) for _ in range(3)]
    assert [answer.status for answer in answers] == [404, 404, 404]
    assert inner.executions == 3
    assert not books.asked


async def test_a_reconciler_that_does_not_know_is_not_asked_by_all_who_wait() -> None:
    books = Books("refuse")
    case = Stalled(books)
    await case.begin()
    books.gate.clear()
    waiting = [asyncio.create_task(request(case.app)) for _ in range(20)]
    while not books.asked:  # noqa: ASYNC110 - turns of the event loop
        await asyncio.sleep(0)
    for _ in range(50):
        await asyncio.sleep(0)
    books.gate.set()
    answers = await asyncio.gather(*waiting)
    assert {answer.code for answer in answers} == {"outcome-unknown"}
    assert len(books.asked) < 5
    await case.end()
