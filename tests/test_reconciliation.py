"""An abandoned key, and a seller who can look it up."""

import asyncio

import pytest

from origin_middleware import (
    Abandoned,
    IdempotencyMiddleware,
    Policy,
    StoredResponse,
)
from origin_middleware import observer as seen
from origin_middleware.key import Key
from origin_middleware.lifecycle import Completed, NotReplayable
from origin_middleware.observer import Event
from origin_middleware.reconciler import Ruling
from tests.support.asgi import GatedApp, request
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
        if isinstance(self.ruling, Exception):
            raise self.ruling
        return self.ruling  # type: ignore[return-value] # wrong ones are under test


class Stalled:
    """An app whose first execution is abandoned while it is still running."""

    def __init__(self, books: Books) -> None:
        self.clock = Clock()
        self.store = FaultyStore(self.clock)
        self.handler = GatedApp()
        self.events: list[Event] = []
        self.app = IdempotencyMiddleware(
            self.handler,
            store=self.store,
            policy=Policy(on_abandoned=books),
            observer=self.events.append,
        )

    async def begin(self) -> None:
        self.first = asyncio.create_task(request(self.app))
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
    assert seen.Reconciled(Key("intent-1"), "respond") in case.events
    await case.end()
    assert case.handler.executions == 1
    assert seen.Superseded(Key("intent-1")) in case.events


async def test_execute_runs_the_handler_again() -> None:
    case = Stalled(Books("execute"))
    await case.begin()
    case.handler.entered.clear()
    duplicate = asyncio.create_task(request(case.app))
    await case.handler.entered.wait()
    await case.end()
    assert (await duplicate).status == 200
    assert case.handler.executions == 2


@pytest.mark.parametrize("ruling", ["refuse", ZeroDivisionError(), None, "perhaps"])
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


async def test_a_store_that_is_lost_meanwhile_is_503_and_nothing_runs() -> None:
    case = Stalled(Books(FOUND))
    await case.begin()
    case.store.away("complete")
    assert (await request(case.app)).code == "store-unavailable"
    case.store.away()
    await case.end()
    assert case.handler.executions == 1
    (record,) = case.store.behind._records.values()
    assert isinstance(record.state, Completed)
