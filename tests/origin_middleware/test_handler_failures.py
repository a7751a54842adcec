"""However a handler fails, the request ends, the observer hears of it, and a retry may
run.
"""

import asyncio
from contextlib import suppress
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from origin_middleware import (
    Event,
    Executed,
    Failed,
    FailedAfterRecord,
    IdempotencyMiddleware,
    MemoryStore,
    Policy,
)
from origin_middleware.asgi import Receive, Scope, Send
from tests.support.asgi import (
    App,
    Connection,
    GatedApp,
    chunk,
    endings,
    finished_alone,
    http_scope,
    request,
    start,
)
from tests.support.faulty import FaultyStore
from tests.support.running import serving


class Panic(BaseException):
    """As pyo3 raises it for a panic in Rust."""


FAILURES = [
    RuntimeError("an ordinary one"),
    Panic(),
    BaseExceptionGroup("several", [Panic()]),
    SystemExit(1),
    KeyboardInterrupt(),
    asyncio.CancelledError(),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("before", [0, 1, 2])
async def test_a_handler_that_raises_anything_gives_its_key_back(
    before: int, failure: BaseException
) -> None:
    messages: list[Any] = [start(), chunk(b"half", more=True)]
    inner, events = App(*messages[:before], failure), list[Event]()
    app = IdempotencyMiddleware(inner, store=MemoryStore(), observer=endings(events))
    for _ in range(2):
        with pytest.raises(type(failure)):
            await request(app)
    assert inner.executions == 2
    assert [type(event) for event in events] == [Failed, Failed]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
async def test_what_is_raised_after_the_record_is_told(failure: BaseException) -> None:
    inner, events = App(start(), chunk(b"done"), failure), list[Event]()
    app = IdempotencyMiddleware(inner, store=MemoryStore(), observer=endings(events))
    with pytest.raises(type(failure)):
        await request(app)
    assert [type(event) for event in events] == [Executed, FailedAfterRecord]
    assert (await request(app)).body == b"done"


@pytest.mark.parametrize("failure", FAILURES, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("swallowed", [False, True])
async def test_where_nobody_can_say_whether_a_response_counts_it_has_failed(
    swallowed: bool, failure: BaseException
) -> None:
    runs: list[int] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        runs.append(1)
        try:
            await App()(scope, receive, send)
        except type(failure):
            if not swallowed:
                raise

    def delivered(_: str, __: int) -> bool:
        raise failure

    events, policy = list[Event](), Policy(delivered=delivered)
    app = IdempotencyMiddleware(
        handler, store=MemoryStore(), policy=policy, observer=endings(events)
    )
    for _ in range(2):
        with suppress(type(failure)):
            await request(app)
    assert len(runs) == 2
    assert [type(event) for event in events] == [Failed, Failed]


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_a_handler_that_raises_generator_exit_has_failed(before: int) -> None:
    """It leaves as another: thrown into a coroutine that waits, it would close it."""
    messages: list[Any] = [start(), chunk(b"half", more=True)]
    inner, events = App(*messages[:before], GeneratorExit()), list[Event]()
    app = IdempotencyMiddleware(inner, store=MemoryStore(), observer=endings(events))
    for _ in range(2):
        with pytest.raises(RuntimeError, match="raised GeneratorExit") as told:
            await asyncio.wait_for(request(app), 10)
        assert isinstance(told.value.__cause__, GeneratorExit)
    assert inner.executions == 2
    assert [type(event) for event in events] == [Failed, Failed]


def test_a_handler_whose_loop_is_gone_awaits_nothing_any_more() -> None:
    store, inner = FaultyStore(), GatedApp()
    app = IdempotencyMiddleware(inner, store=store)
    loop = asyncio.new_event_loop()
    running = loop.create_task(request(app))
    loop.run_until_complete(inner.entered.wait())
    loop.close()
    (task,) = app._runtime._tasks
    coroutine: Any = task.get_coro()
    coroutine.close()  # as the garbage collector does
    assert "release" not in store.calls
    assert not running.done()


async def test_a_handler_whose_own_task_was_cancelled_has_failed() -> None:
    executions: list[int] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        executions.append(1)
        if len(executions) == 1:
            job = asyncio.ensure_future(asyncio.Event().wait())
            job.cancel()
            await job
        await App()(scope, receive, send)

    app = IdempotencyMiddleware(handler, store=MemoryStore())
    with pytest.raises(asyncio.CancelledError):
        await request(app)
    assert (await request(app)).status == 200
    assert len(executions) == 2


async def test_of_a_handler_whose_task_was_cancelled_the_outcome_is_unknown() -> None:
    """Nobody knows how far it came."""
    events: list[Event] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    app = IdempotencyMiddleware(
        handler,
        store=MemoryStore(),
        observer=endings(events),
        policy=Policy(patience=0),
    )
    with pytest.raises(asyncio.CancelledError):
        await request(app)
    (failed,) = events
    assert isinstance(failed, Failed)
    assert (failed.status, failed.released) == (None, False)
    assert (await request(app)).code == "in-progress"


@pytest.mark.parametrize("failure", [SystemExit(1), KeyboardInterrupt(), Panic()])
async def test_a_failure_after_the_request_was_cancelled_does_not_end_the_loop(
    failure: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    inner = GatedApp(failure)
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    await finished_alone(asyncio.create_task(request(app)), inner, app)
    assert "failed after its request was cancelled" in caplog.text


@pytest.mark.parametrize("polls", [True, False])
async def test_a_task_of_a_handler_that_failed_hears_that_the_client_has_left(
    polls: bool,
) -> None:
    """It would run for ever."""
    watching = asyncio.Event()

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        asked = Request(scope, receive)
        await asked.body()

        async def watch() -> None:
            watching.set()
            while polls and not await asked.is_disconnected():  # noqa: ASYNC110 - as sellers do
                await asyncio.sleep(0)
            if not polls:
                assert (await receive())["type"] == "http.disconnect"

        tasks.append(asyncio.create_task(watch()))
        await watching.wait()
        raise ZeroDivisionError

    tasks: list[asyncio.Task[None]] = []
    app = IdempotencyMiddleware(handle, store=MemoryStore())
    client = Connection()
    with pytest.raises(ZeroDivisionError):
        await app(http_scope(), client.receive, client.send)
    client.leave.set()
    async with asyncio.timeout(30):
        await tasks[0]


def failing_app(runs: list[str]) -> Starlette:
    """Every place in which the code of a seller may fail, on a real server."""

    async def panic() -> None:
        raise Panic

    def plainly(_: Request) -> Response:
        runs.append("in a thread")
        raise Panic

    async def stream(_: Request) -> Response:
        async def parts() -> Any:
            yield "one"
            raise Panic

        runs.append("in a stream")
        return StreamingResponse(parts())

    async def background(_: Request) -> Response:
        runs.append("in a background task")
        return PlainTextResponse("done", background=BackgroundTask(panic))

    async def exits(_: Request) -> Response:
        runs.append("with sys.exit")
        raise SystemExit(3)

    async def fine(_: Request) -> Response:
        return PlainTextResponse("alive")

    return Starlette(
        routes=[
            Route("/thread", plainly),
            Route("/stream", stream),
            Route("/background", background),
            Route("/exits", exits),
            Route("/fine", fine),
        ]
    )


@pytest.mark.parametrize("protected", [False, True])
async def test_on_a_server_it_is_as_without_the_middleware(protected: bool) -> None:
    """Status or broken answer, and the server lives."""
    runs: list[str] = []
    app: Any = failing_app(runs)
    if protected:
        app = IdempotencyMiddleware(app, store=MemoryStore())
    seen = []
    with serving(app) as url:
        alone = httpx.Limits(max_keepalive_connections=0)  # a failure closes its own
        async with httpx.AsyncClient(base_url=url, limits=alone) as http:
            for path in ("thread", "stream", "background", "exits"):
                intent = {"x-settlement-intent-id": path}
                for _ in range(2):
                    try:
                        answer = await http.get(f"/{path}", headers=intent)
                        seen.append(answer.status_code)
                    except httpx.TransportError:
                        seen.append(0)
            assert (await http.get("/fine")).text == "alive"
    assert seen == [500, 500, 0, 0, 200, 200, 500, 500]
    assert runs.count("in a background task") == (1 if protected else 2)
