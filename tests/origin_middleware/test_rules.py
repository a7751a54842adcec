"""Rules of a policy that replace the ordinary ones."""

from typing import Any

import pytest

from origin_middleware import (
    Abandoned,
    Attempt,
    ConfigurationError,
    IdempotencyMiddleware,
    MemoryStore,
    Policy,
    attempt_of,
)
from origin_middleware.asgi import Receive, Scope, Send
from tests.support.asgi import App, chunk, request, start
from tests.support.stores import a_claim


def header(scope: Scope, name: bytes) -> str | None:
    found = [value.decode() for key, value in scope["headers"] if key == name]
    return found[0] if found else None


def protected(inner: App, policy: Policy) -> IdempotencyMiddleware:
    return IdempotencyMiddleware(inner, store=MemoryStore(), policy=policy)


async def test_the_key_can_come_from_anywhere_in_the_scope() -> None:
    inner = App()
    app = protected(
        inner, Policy(key_of=lambda scope: scope["query_string"].decode() or None)
    )
    for query in (b"order=1", b"order=1", b"order=2"):
        await request(app, key=None, query=query)
    assert inner.executions == 2
    assert (await request(app, key=None, query=b"a b")).code == "key-malformed"


async def test_a_function_that_finds_no_key_leaves_the_request_unprotected() -> None:
    inner = App()
    app = protected(inner, Policy(key_of=lambda _: None))
    for _ in range(2):
        await request(app)
    assert inner.executions == 2


@pytest.mark.parametrize("value", [b'"abc"', b"abc"])
async def test_idempotency_key_may_be_quoted(value: bytes) -> None:
    inner = App()
    app = protected(inner, Policy(header="Idempotency-Key"))
    for sent in (b'"abc"', value):
        await request(app, key=None, headers=[(b"idempotency-key", sent)])
    assert inner.executions == 1


@pytest.mark.parametrize("value", [b'""', b'"', b'"a b"'])
async def test_a_quoted_key_has_to_be_well_formed_too(value: bytes) -> None:
    inner = App()
    app = protected(inner, Policy(header="Idempotency-Key"))
    sent = [(b"idempotency-key", value)]
    answer = await request(app, key=None, headers=sent)
    assert answer.status == (200 if value == b'"' else 400)


async def test_quotes_belong_to_an_intent() -> None:
    inner = App()
    app = protected(inner, Policy())
    await request(app, key=b'"a"')
    await request(app, key=b"a")
    assert inner.executions == 2


def tenant_of(scope: Scope) -> str:
    return header(scope, b"x-tenant") or ""


def sent(key: bytes, tenant: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"idempotency-key", key), (b"x-tenant", tenant)]


async def test_the_same_key_of_two_tenants_is_two_keys() -> None:
    inner = App()
    app = protected(inner, Policy(header="idempotency-key", tenant_of=tenant_of))
    for tenant in (b"one", b"two", b"one"):
        await request(app, key=None, headers=sent(b"key", tenant))
    assert inner.executions == 2


async def test_a_tenant_that_is_no_text_is_one_all_the_same() -> None:
    """A client sends what it likes; another request then has a record to quote."""
    inner = App()
    policy = Policy(
        header="idempotency-key",
        tenant_of=lambda scope: dict(scope["headers"])[b"x-tenant"].decode(
            errors="surrogateescape"
        ),
    )
    app = protected(inner, policy)
    for query, status in ((b"", 200), (b"", 200), (b"a=1", 422)):
        headers = sent(b"key", b"\xff")
        answer = await request(app, key=None, query=query, headers=headers)
        assert answer.status == status
    assert inner.executions == 1


async def test_a_settlement_intent_is_one_payment_for_all_tenants() -> None:
    inner = App()
    app = protected(inner, Policy(tenant_of=tenant_of))
    answers = [
        await request(app, headers=[(b"x-tenant", tenant)])
        for tenant in (b"one", b"two", b"one")
    ]
    assert [answer.status for answer in answers] == [200, 422, 200]
    assert inner.executions == 1


async def test_no_tenant_ends_where_anothers_key_begins() -> None:
    inner = App()
    app = protected(inner, Policy(header="idempotency-key", tenant_of=tenant_of))
    await request(app, key=None, headers=sent(b"1", b"a:1"))
    await request(app, key=None, headers=sent(b"1:1", b"a"))
    assert inner.executions == 2


async def test_the_intent_is_what_was_sent_whoever_the_tenant_is() -> None:
    attempts: list[Attempt] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        attempt = attempt_of(scope)
        assert attempt is not None
        attempts.append(attempt)
        await App()(scope, receive, send)

    policy = Policy(header="idempotency-key", tenant_of=lambda _: "acme\0inc")
    app = IdempotencyMiddleware(handler, store=MemoryStore(), policy=policy)
    await request(app, key=None, headers=sent(b"intent-1", b""))
    (attempt,) = attempts
    assert attempt.key != attempt.intent == "intent-1"
    assert Abandoned(attempt.key, a_claim().fingerprint).intent == "intent-1"


@pytest.mark.parametrize("answer", [True, "refuse", Policy])
async def test_a_policy_function_that_returns_no_policy_runs_nothing(
    answer: Any,
) -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=lambda _: answer)
    with pytest.raises(ConfigurationError, match="has to return a Policy, or None"):
        await request(app)
    assert inner.executions == 0


@pytest.mark.parametrize("option", ["key_of", "tenant_of"])
@pytest.mark.parametrize("answer", [b"one", 1])
async def test_a_function_that_returns_no_string_runs_nothing(
    option: str, answer: Any
) -> None:
    inner = App()
    options: dict[str, Any] = {option: lambda _: answer}
    with pytest.raises(ConfigurationError, match=f"{option}=.*return a string"):
        await request(protected(inner, Policy(**options)))
    assert inner.executions == 0


async def test_what_counts_as_delivered_can_be_replaced() -> None:
    inner = App(start(404), chunk(b"nothing"))
    app = protected(inner, Policy(delivered=lambda _, status: status == 404))
    for _ in range(2):
        assert (await request(app)).status == 404
    assert inner.executions == 1


async def test_headers_can_be_left_out_of_the_record() -> None:
    headers = [(b"Set-Cookie", b"sid=1"), (b"x-kept", b"1")]
    app = protected(
        App(start(200, headers), chunk(b"")),
        Policy(unrecorded_headers=["set-cookie"], private=False),
    )
    assert (await request(app)).headers == headers
    assert (await request(app)).headers == [
        (b"x-kept", b"1"),
        (b"idempotent-replayed", b"true"),
    ]


async def test_a_policy_can_be_chosen_by_scope() -> None:
    inner = App()
    paid = Policy(require_key=True)
    app = IdempotencyMiddleware(
        inner,
        store=MemoryStore(),
        policy=lambda scope: None if scope["path"] == "/health" else paid,
    )
    assert (await request(app, key=None, path="/health")).status == 200
    assert (await request(app, path="/health")).status == 200
    assert inner.executions == 2
    assert (await request(app, key=None, path="/other")).code == "key-missing"
