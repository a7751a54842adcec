"""Keys that are missing, malformed, repeated, or called otherwise."""

from typing import Any

import pytest

from origin_middleware import (
    ConfigurationError,
    IdempotencyMiddleware,
    MemoryStore,
    Policy,
    ProvenKey,
)
from origin_middleware.asgi import Message, Receive, Scope, Send
from tests.support.asgi import App, Connection, http_scope, request
from tests.support.faulty import FaultyStore


async def test_a_key_that_is_not_required_may_be_missing() -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=FaultyStore())
    for _ in range(2):
        assert (await request(app, key=None)).sent == list(inner.messages)
    assert inner.executions == 2


async def test_a_required_key_that_is_missing_is_400() -> None:
    inner = App()
    app = IdempotencyMiddleware(
        inner, store=MemoryStore(), policy=Policy(require_key=True)
    )
    refused = await request(app, key=None)
    assert (refused.status, refused.code) == (400, "key-missing")
    assert b"x-settlement-intent-id" in refused.body
    assert inner.executions == 0


PREFLIGHT = [(b"origin", b"https://a"), (b"access-control-request-method", b"POST")]


async def test_a_preflight_needs_a_key_too_and_is_told_where_cors_belongs() -> None:
    """Two headers that anybody can send must not run a paid handler."""
    inner = App()
    policy = Policy(require_key=True)
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=policy)
    options: dict[str, Any] = {"key": None, "method": "OPTIONS"}
    refused = await request(app, **options, headers=PREFLIGHT)
    assert refused.code == "key-missing"
    assert b"add the CORS middleware outside this one" in refused.body
    assert (await request(app, key=None, headers=PREFLIGHT)).code == "key-missing"
    assert inner.executions == 0


@pytest.mark.parametrize(
    "key", [b"", b"a b", b"x" * 256, "å".encode(), b"\x00", b"a\tb"]
)
async def test_a_malformed_key_is_400(key: bytes) -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    refused = await request(app, key=key)
    assert (refused.status, refused.code) == (400, "key-malformed")
    assert inner.executions == 0


async def test_a_repeated_key_is_400() -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    twice = [(b"x-settlement-intent-id", b"intent-1")]
    assert (await request(app, headers=twice)).code == "key-malformed"
    assert inner.executions == 0


async def test_the_header_can_have_another_name_in_any_case() -> None:
    inner = App()
    app = IdempotencyMiddleware(
        inner, store=MemoryStore(), policy=Policy(header="Idempotency-Key")
    )
    for _ in range(2):
        await request(app, key=None, headers=[(b"idempotency-key", b"k")])
    assert inner.executions == 1


@pytest.mark.parametrize("required", [True, False])
async def test_a_websocket_where_a_key_is_required_is_closed_before_it_is_accepted(
    required: bool,
) -> None:
    served: list[str] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        served.append(scope["path"])

    policies = {"/paid": Policy(require_key=required)}
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=policies)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    for path in ("/paid", "/free"):
        scope: Scope = {"type": "websocket", "path": path, "headers": []}
        await app(scope, Connection().receive, send)
    assert served == (["/free"] if required else ["/paid", "/free"])
    assert sent == ([{"type": "websocket.close", "code": 1008}] if required else [])


async def test_a_policy_function_may_ask_a_websocket_for_its_method() -> None:
    def paid(scope: Scope) -> Policy | None:
        return Policy(require_key=True) if scope["method"] == "GET" else None

    app = IdempotencyMiddleware(App(), store=MemoryStore(), policy=paid)
    scope: Scope = {"type": "websocket", "path": "/", "headers": []}
    connection = Connection()
    await app(scope, connection.receive, connection.send)
    assert connection.sent == [{"type": "websocket.close", "code": 1008}]
    assert "method" not in scope


async def test_headers_may_be_any_iterable() -> None:
    """As the ASGI specification has it; what gives them only once is read only once."""
    seen: list[Any] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope["headers"]))
        await App()(scope, receive, send)

    app = IdempotencyMiddleware(inner, store=MemoryStore())
    for key in (b"intent-1", b"intent-1", None):
        scope, connection = http_scope(key), Connection()
        scope["headers"] = iter([*scope["headers"], (b"x-a", b"1")])
        await app(scope, connection.receive, connection.send)
        assert connection.status == 200
    assert [found[b"x-a"] for found in seen] == [b"1", b"1"]


async def test_a_malformed_key_of_a_function_is_told_by_the_functions_name() -> None:
    app = IdempotencyMiddleware(
        App(), store=MemoryStore(), policy=Policy(key_of=lambda _: "a b")
    )
    refused = await request(app, key=None)
    assert refused.code == "key-malformed"
    assert b"key_of: only visible ASCII" in refused.body


@pytest.mark.parametrize("proof", ["text", b"", None])
async def test_a_proof_that_proves_nothing_is_a_mistake_of_the_function(
    proof: Any,
) -> None:
    policy = Policy(key_of=lambda _: ProvenKey("a", proof))
    app = IdempotencyMiddleware(App(), store=MemoryStore(), policy=policy)
    with pytest.raises(ConfigurationError, match="proof"):
        await request(app, key=None)
