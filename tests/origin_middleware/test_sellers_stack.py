"""An app as a seller would build it: FastAPI on `uvicorn[standard]`, SQLAlchemy,
structlog, OpenTelemetry and CORS. First requests are served, committed, logged and
traced as they are without the middleware, and a retry runs nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
import structlog
import uvicorn
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Depends,
    FastAPI,
    HTTPException,
    Request,
)
from fastapi.responses import StreamingResponse
from opentelemetry import trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from starlette.middleware.cors import CORSMiddleware

from origin_middleware import IdempotencyMiddleware, Policy
from origin_middleware.asgi import ASGIApp, Receive, Scope, Send
from origin_middleware.stores.redis import RedisStore
from tests.support.asgi import PRIVATE
from tests.support.running import serving
from tests.support.servers import RedisServer

SHOP = "https://shop.example"


Line = MutableMapping[str, Any]


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    item: Mapped[str]


class Seen(NamedTuple):
    """What the outside world and the operator get to see."""

    answers: list[tuple[object, ...]]
    rows: list[str]
    logs: list[Line]
    spans: list[tuple[object, ...]]


class AccessLog:
    """Binds the request's name, and logs what was bound inside when it has ended."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(path=scope["path"])
        try:
            await self.app(scope, receive, send)
        finally:
            structlog.get_logger().info("access")


def shop(database: Path, tracer: trace.Tracer) -> FastAPI:
    engine = create_async_engine(f"sqlite+aiosqlite:///{database}")
    sessions = async_sessionmaker(engine)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield
        await engine.dispose()

    async def session() -> AsyncIterator[AsyncSession]:
        async with sessions() as found, found.begin():
            yield found

    app = FastAPI(lifespan=lifespan)
    app.include_router(writing(Depends(session, scope="function"), tracer))
    app.include_router(reading())
    return app


def writing(session: Any, tracer: trace.Tracer) -> APIRouter:
    router, log = APIRouter(), structlog.get_logger()

    @router.post("/paid/orders", status_code=201)
    async def order(
        body: dict[str, str],
        background: BackgroundTasks,
        found: AsyncSession = session,
    ) -> dict[str, int | None]:
        structlog.contextvars.bind_contextvars(user="ann")
        with tracer.start_as_current_span("ship"):
            placed = Order(item=body["item"])
            found.add(placed)
            await found.flush()
        log.info("ordered", item=placed.item)
        background.add_task(log.info, "mailed")
        return {"order": placed.id}

    @router.post("/paid/refused")
    async def refused(found: AsyncSession = session) -> None:
        found.add(Order(item="never"))
        await found.flush()
        raise HTTPException(503, "later")

    @router.post("/paid/broken")
    async def broken(found: AsyncSession = session) -> None:
        found.add(Order(item="never"))
        await found.flush()
        raise ZeroDivisionError

    return router


def reading() -> APIRouter:
    router, log = APIRouter(), structlog.get_logger()

    @router.get("/paid/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[str]:
            for part in ("a", "b", "c"):
                log.info("part", part=part)
                yield part

        return StreamingResponse(parts(), media_type="text/plain")

    @router.get("/paid/thread")
    def in_a_thread(request: Request) -> str:
        log.info("in a thread")
        return request.headers["origin"]

    @router.get("/free")
    async def free() -> str:
        return "free"

    return router


REQUESTS = [
    ("POST", "/paid/orders", {"item": "tea"}),
    ("POST", "/paid/orders", {"item": "milk"}),
    ("POST", "/paid/orders", ["no", "object"]),
    ("POST", "/paid/refused", None),
    ("POST", "/paid/broken", None),
    ("GET", "/paid/stream", None),
    ("GET", "/paid/thread", None),
    ("GET", "/paid/missing", None),
    ("GET", "/free", None),
]
KEPT = [0, 1, 5, 6]  # what counts as delivered, and so is replayed


async def asked(url: str, logs: list[Line]) -> list[httpx.Response]:
    """One after the other, each with what it does in the background."""
    alone = httpx.Limits(max_keepalive_connections=0)  # a failure closes its connection
    options: dict[str, Any] = {"headers": {"origin": SHOP}, "limits": alone}
    async with httpx.AsyncClient(base_url=url, **options) as http:
        answers = []
        for number, (method, path, body) in enumerate(REQUESTS):
            intent = {"x-settlement-intent-id": f"intent-{number}"}
            answers.append(await http.request(method, path, json=body, headers=intent))
            while [line["event"] for line in logs].count("access") <= number:  # noqa: ASYNC110 - another thread logs
                await asyncio.sleep(0.001)
        return answers


def told(answer: httpx.Response) -> tuple[object, ...]:
    varying = (b"date", PRIVATE[0])
    headers = [(n, v) for n, v in answer.headers.raw if n.lower() not in varying]
    return answer.status_code, answer.content, sorted(headers)


def shown(exporter: InMemorySpanExporter) -> list[tuple[object, ...]]:
    """Name, status, route and parent of each span, in a fixed order. Not the receiving
    of ASGI messages: the middleware asks for the body also where the handler does not.
    """
    finished = exporter.get_finished_spans()
    spans = [span for span in finished if not span.name.endswith(" http receive")]
    names = {span.context.span_id: span.name for span in spans if span.context}
    return sorted(
        (
            span.name,
            span.status.status_code.name,
            str((span.attributes or {}).get("http.route")),
            names.get(span.parent.span_id, "") if span.parent else "",
        )
        for span in spans
    )


async def rows(database: Path) -> list[str]:
    engine = create_async_engine(f"sqlite+aiosqlite:///{database}")
    async with AsyncSession(engine) as session:
        items = list(await session.scalars(select(Order.item).order_by(Order.id)))
    await engine.dispose()
    return items


@pytest.fixture
def logs() -> Iterator[list[Line]]:
    captured = structlog.testing.LogCapture()
    merge = structlog.contextvars.merge_contextvars
    structlog.configure(processors=[merge, captured], cache_logger_on_first_use=False)
    yield captured.entries
    structlog.reset_defaults()


EXPORTER, PROVIDER = InMemorySpanExporter(), TracerProvider()
PROVIDER.add_span_processor(SimpleSpanProcessor(EXPORTER))


def seen(
    tmp_path: Path, logs: list[Line], store: RedisStore | None, times: int = 1
) -> list[Seen]:
    """Each round of requests, on a server that has ended all of them."""
    database = tmp_path / ("plain.db" if store is None else "protected.db")
    app = shop(database, PROVIDER.get_tracer("shop"))
    if store is not None:
        policies = {"/paid/*": Policy(require_key=True)}
        app.add_middleware(IdempotencyMiddleware, store=store, policy=policies)
    app.add_middleware(AccessLog)
    app.add_middleware(CORSMiddleware, allow_origins=[SHOP])
    FastAPIInstrumentor.instrument_app(app, tracer_provider=PROVIDER)
    rounds = []
    for _ in range(times):
        config = uvicorn.Config(
            app, loop="uvloop", http="httptools", log_level="critical", lifespan="on"
        )
        with serving(app, config) as url:
            answers = [told(answer) for answer in asyncio.run(asked(url, logs))]
        committed = asyncio.run(rows(database))
        rounds.append(Seen(answers, committed, list(logs), shown(EXPORTER)))
        logs.clear()
        EXPORTER.clear()
    return rounds


def test_first_requests_are_as_without_the_middleware_and_retries_run_nothing(
    tmp_path: Path, logs: list[Line], valkey_server: RedisServer
) -> None:
    store = RedisStore.from_url(valkey_server.url, namespace="sellers-stack")
    (plain,) = seen(tmp_path, logs, None)
    first, again = seen(tmp_path, logs, store, times=2)
    assert first.answers == plain.answers
    assert first.rows == plain.rows == ["tea", "milk"]
    assert first.logs == plain.logs
    assert first.spans == plain.spans
    assert {"user": "ann", "path": "/paid/orders"}.items() <= first.logs[2].items()

    assert again.rows == first.rows
    for number in KEPT:
        status, body, headers = again.answers[number]
        assert (status, body) == first.answers[number][:2]
        assert (b"idempotent-replayed", b"true") in headers  # type: ignore[operator] # a list
    handlers = [line["event"] for line in again.logs if line["event"] != "access"]
    assert handlers == []
    assert "ship" not in [span[0] for span in again.spans]
