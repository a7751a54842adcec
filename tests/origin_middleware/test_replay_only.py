"""A request whose payment is used is answered from the record, or refused."""

import asyncio

import pytest

from origin_middleware import IdempotencyMiddleware, MemoryStore, Policy, Store
from origin_middleware.asgi import ASGIApp
from origin_middleware.key import Key
from origin_middleware.record import Absent, Finished, Held
from tests.support.asgi import App, Connection, GatedApp, chunk, request, start
from tests.support.faulty import FaultyStore

REPLAY = b"x-settlement-replay-id"


async def replayed(
    app: ASGIApp, *body: bytes, intent: bytes = b"intent-1", proof: bytes = b"p"
) -> Connection:
    headers = [(REPLAY, intent), (b"x-settlement-proof", proof)]
    return await request(app, *body, key=None, headers=headers)


async def paid(app: ASGIApp, *body: bytes, proof: bytes = b"p") -> Connection:
    return await request(app, *body, headers=[(b"x-settlement-proof", proof)])


def protected(inner: ASGIApp, store: Store, policy: Policy | None = None) -> ASGIApp:
    policy = policy or Policy(require_key=True)
    return IdempotencyMiddleware(inner, store=store, policy=policy)


async def test_a_used_payment_gets_its_recorded_response() -> None:
    inner = App(start(201), chunk(b"order 1"))
    app = protected(inner, MemoryStore())
    await paid(app, b"order")
    answer = await replayed(app, b"order")
    assert (answer.status, answer.body) == (201, b"order 1")
    assert (b"idempotent-replayed", b"true") in answer.headers
    assert inner.executions == 1


async def test_nothing_runs_where_nothing_is_on_record() -> None:
    inner = App()
    app = protected(inner, MemoryStore())
    for _ in range(2):
        refused = await replayed(app)
        assert (refused.status, refused.code) == (409, "not-on-record")
    assert inner.executions == 0


async def test_nothing_runs_after_an_attempt_that_failed() -> None:
    inner = App(start(500), chunk(b"failed"))
    app = protected(inner, MemoryStore())
    await paid(app)
    assert (await replayed(app)).code == "not-on-record"
    assert inner.executions == 1


@pytest.mark.parametrize("differs", ["body", "proof"])
async def test_another_request_does_not_get_the_response(differs: str) -> None:
    app = protected(App(), MemoryStore())
    await paid(app, b"a")
    other = b"b" if differs == "body" else b"a"
    refused = await replayed(app, other, proof=b"q" if differs == "proof" else b"p")
    assert (refused.status, refused.code) == (422, "different-request")


async def test_a_proof_belongs_to_a_request_that_may_run_too() -> None:
    inner = App()
    app = protected(inner, MemoryStore())
    await paid(app)
    assert (await paid(app, proof=b"q")).code == "different-request"
    assert inner.executions == 1


async def test_it_waits_for_the_attempt_that_is_running() -> None:
    inner = GatedApp()
    app = protected(inner, MemoryStore())
    first = asyncio.create_task(paid(app))
    await inner.entered.wait()
    waiting = asyncio.create_task(replayed(app))
    await asyncio.sleep(0)
    inner.gate.set()
    assert (await waiting).body == (await first).body == b"done"
    assert inner.executions == 1


async def test_an_attempt_whose_outcome_is_unknown_is_not_taken_over() -> None:
    inner, store = App(start(500), chunk(b"failed")), MemoryStore()
    await paid(protected(inner, store, Policy(on_failure="refuse")))
    app = protected(inner, store, Policy(on_abandoned="execute"))
    assert (await replayed(app)).code == "outcome-unknown"
    assert inner.executions == 1


@pytest.mark.parametrize("policy", ["refuse", "execute"])
async def test_nothing_runs_where_the_store_is_away(policy: str) -> None:
    inner, store = App(), FaultyStore()
    rules = Policy(on_store_unavailable="execute" if policy == "execute" else "refuse")
    app = protected(inner, store, rules)
    store.away("look", "claim")
    assert (await replayed(app)).code == "store-unavailable"
    assert inner.executions == 0


async def test_a_recorded_response_is_read_without_patience_too() -> None:
    app = protected(App(), SlowStore(), Policy(patience=0))
    await paid(app)
    assert (await replayed(app)).status == 200


class SlowStore(FaultyStore):
    """Some turns of the loop go by before it answers a wait, as with a server."""

    async def wait(
        self, key: Key, held: Held, timeout: float, /
    ) -> Absent | Held | Finished:
        if timeout > 0:
            return await super().wait(key, held, timeout)
        return held


async def test_a_malformed_replay_is_refused() -> None:
    app = protected(App(), MemoryStore())
    refused = await replayed(app, intent=b"a b")
    assert (refused.status, refused.code) == (400, "key-malformed")
    assert b"x-settlement-replay-id" in refused.body
    twice = await request(app, key=None, headers=[(REPLAY, b"a"), (REPLAY, b"a")])
    assert twice.code == "key-malformed"


async def test_it_means_nothing_where_the_key_is_another_header() -> None:
    inner = App()
    app = protected(inner, MemoryStore(), Policy(header="idempotency-key"))
    assert (await replayed(app)).status == 200
    assert inner.executions == 1


async def test_another_request_is_refused_at_once_while_the_first_runs() -> None:
    inner = GatedApp()
    app = protected(inner, MemoryStore())
    running = asyncio.create_task(paid(app, b"order"))
    await inner.entered.wait()
    assert (await replayed(app, b"another")).code == "different-request"
    inner.gate.set()
    await running


async def test_no_more_wait_than_for_an_intent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("origin_middleware.claimant._MOST_WAITING", 2)
    inner = GatedApp()
    app = protected(inner, MemoryStore())
    running = [asyncio.create_task(paid(app, b"order"))]
    await inner.entered.wait()
    for _ in range(4):
        running.append(asyncio.create_task(replayed(app, b"order")))
        for _ in range(10):
            await asyncio.sleep(0)
    inner.gate.set()
    answers = await asyncio.gather(*running)
    assert [answer.status for answer in answers] == [200, 200, 200, 409, 409]
