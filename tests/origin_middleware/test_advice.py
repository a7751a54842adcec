"""What docs/guarantees.md advises for apps of which the middleware cannot know."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Host

from origin_middleware import IdempotencyMiddleware, MemoryStore, Policy
from origin_middleware.asgi import Message
from tests.support.asgi import Connection, http_scope
from tests.support.asgi import request as ask


@pytest.mark.parametrize("named", [False, True])
async def test_endless_json_lines_end_at_once_where_their_type_is_named(
    named: bool,
) -> None:
    app, produced = FastAPI(), list[int]()

    @app.get("/lines")
    async def lines() -> AsyncIterator[int]:
        while True:
            produced.append(1)
            yield 1
            await asyncio.sleep(0)

    policy = Policy(
        max_response_bytes=2_000,
        unrecorded_media_types=("application/jsonl",) if named else (),
    )
    protected = IdempotencyMiddleware(app, store=MemoryStore(), policy=policy)
    connection = Connection()

    async def send(message: Message) -> None:
        """As uvicorn: a message to nobody is dropped without a word."""

    connection.leave.set()
    scope = http_scope(method="GET", path="/lines")
    await protected(scope, connection.receive, send)
    assert (len(produced) < 100) is named  # a line has two bytes


@pytest.mark.parametrize("named", [False, True])
async def test_the_host_counts_where_it_is_named(named: bool) -> None:
    hosts = ["a.example", "b.example"]
    app = Starlette(routes=[Host(host, PlainTextResponse(host)) for host in hosts])
    policy = Policy(
        header="idempotency-key", fingerprint_headers=("host",) if named else ()
    )
    protected = IdempotencyMiddleware(app, store=MemoryStore(), policy=policy)
    answers = [
        await ask(
            protected,
            key=None,
            headers=[(b"idempotency-key", b'"mine"'), (b"host", host.encode())],
        )
        for host in hosts
    ]
    assert [each.status for each in answers] == [200, 422 if named else 200]
    assert answers[0].body == b"a.example"
    assert (answers[1].body == b"a.example") is not named
