"""The two-line addition, in a FastAPI app and in a Starlette app."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated

import httpx
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from origin_middleware import IdempotencyMiddleware, MemoryStore, Policy
from origin_middleware.asgi import ASGIApp, Receive, Scope, Send

KEY = {"x-settlement-intent-id": "intent-1"}


def fastapi_app(effects: list[str]) -> FastAPI:
    app = FastAPI()
    app.add_middleware(
        IdempotencyMiddleware, store=MemoryStore(), policy=Policy(require_key=True)
    )

    @app.post("/orders", status_code=201)
    async def order(
        body: dict[str, int], background: BackgroundTasks
    ) -> dict[str, int]:
        effects.append("order")
        background.add_task(effects.append, "mail")
        return {"order": len(effects), **body}

    @app.get("/sync")
    def in_a_thread() -> dict[str, int]:
        effects.append("sync")
        return {"effects": len(effects)}

    return app


def starlette_app(effects: list[str]) -> Starlette:
    async def order(request: Request) -> JSONResponse:
        effects.append("order")
        return JSONResponse({"order": len(effects), **await request.json()}, 201)

    async def stream(request: Request) -> StreamingResponse:
        effects.append("stream")
        return StreamingResponse(iter(["a", "b", "c"]), media_type="text/plain")

    app = Starlette(
        routes=[Route("/orders", order, methods=["POST"]), Route("/stream", stream)]
    )
    app.add_middleware(
        IdempotencyMiddleware, store=MemoryStore(), policy=Policy(require_key=True)
    )
    return app


def client(app: FastAPI | Starlette) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize("make", [fastapi_app, starlette_app])
async def test_a_post_is_executed_once(
    make: Callable[[list[str]], FastAPI | Starlette],
) -> None:
    effects: list[str] = []
    async with client(make(effects)) as http:
        first = await http.post("/orders", json={"pages": 3}, headers=KEY)
        second = await http.post("/orders", json={"pages": 3}, headers=KEY)
        unpaid = await http.post("/orders", json={"pages": 3})
    assert (first.status_code, second.status_code, unpaid.status_code) == (
        201,
        201,
        400,
    )
    assert first.content == second.content
    assert second.headers["idempotent-replayed"] == "true"
    assert effects.count("order") == 1


async def test_a_background_task_runs_once() -> None:
    effects: list[str] = []
    async with client(fastapi_app(effects)) as http:
        for _ in range(3):
            await http.post("/orders", json={}, headers=KEY)
    assert effects == ["order", "mail"]


async def test_a_handler_in_a_thread_is_executed_once() -> None:
    effects: list[str] = []
    async with client(fastapi_app(effects)) as http:
        answers = [(await http.get("/sync", headers=KEY)).content for _ in range(3)]
    assert effects == ["sync"]
    assert len(set(answers)) == 1


async def test_a_stream_is_replayed_whole() -> None:
    effects: list[str] = []
    async with client(starlette_app(effects)) as http:
        answers = [(await http.get("/stream", headers=KEY)).text for _ in range(2)]
    assert answers == ["abc", "abc"]
    assert effects == ["stream"]


async def test_a_request_that_the_app_rejects_is_not_recorded() -> None:
    effects: list[str] = []
    async with client(fastapi_app(effects)) as http:
        invalid = [await http.post("/orders", json=[], headers=KEY) for _ in range(2)]
        nowhere = await http.get(
            "/nowhere", headers=KEY | {"x-settlement-intent-id": "other"}
        )
    assert [answer.status_code for answer in invalid] == [422, 422]
    assert "idempotent-replayed" not in invalid[1].headers
    assert nowhere.status_code == 404


async def test_a_commit_in_the_scope_of_the_function_comes_before_the_record() -> None:
    """The form that docs/guarantees.md recommends: a commit that fails is no 200."""
    rows, tries = list[str](), list[int]()

    async def session() -> AsyncIterator[list[str]]:
        pending: list[str] = []
        yield pending
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("serialization failure")
        rows.extend(pending)

    app = FastAPI()

    @app.post("/orders")
    async def order(
        pending: Annotated[list[str], Depends(session, scope="function")],
    ) -> dict[str, bool]:
        pending.append("order")
        return {"ordered": True}

    app.add_middleware(IdempotencyMiddleware, store=MemoryStore())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        answers = [await http.post("/orders", headers=KEY) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [500, 200, 200]
    assert answers[2].headers["idempotent-replayed"] == "true"
    assert rows == ["order"]


async def test_a_session_of_the_task_is_committed_by_a_middleware_inside() -> None:
    """The form that docs/guarantees.md recommends."""
    sessions: dict[asyncio.Task[object] | None, list[str]] = {}
    committed: list[str] = []

    def session() -> list[str]:
        return sessions.setdefault(asyncio.current_task(), [])

    class UnitOfWork:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(scope, receive, send)
            committed.extend(sessions.pop(asyncio.current_task(), []))

    async def order(request: Request) -> JSONResponse:
        session().append("order")
        return JSONResponse({})

    app = Starlette(routes=[Route("/orders", order)])
    app.add_middleware(UnitOfWork)
    app.add_middleware(IdempotencyMiddleware, store=MemoryStore())  # last is outermost
    async with client(app) as http:
        for _ in range(2):
            assert (await http.get("/orders", headers=KEY)).status_code == 200
    assert committed == ["order"]
    assert sessions == {}
