"""A handler runs in the context of its request, as it does without the middleware."""

import asyncio
import contextvars

import httpx

from origin_middleware import IdempotencyMiddleware, MemoryStore
from origin_middleware.asgi import ASGIApp, Message, Receive, Scope, Send
from tests.support.asgi import (
    App,
    Connection,
    GatedApp,
    finished_alone,
    http_scope,
    request,
)
from tests.support.running import serving

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="")


def tracing(app: ASGIApp) -> ASGIApp:
    """Begins a span, and ends it with its token when the last byte leaves."""

    async def traced(scope: Scope, receive: Receive, send: Send) -> None:
        token = VARIABLE.set("span")

        async def ending(message: Message) -> None:
            last = not message.get("more_body", False)
            if message["type"] == "http.response.body" and last:
                VARIABLE.reset(token)
            await send(message)

        await app(scope, receive, ending)

    return traced


async def test_a_span_outside_can_be_ended_with_its_token() -> None:
    app = tracing(IdempotencyMiddleware(App(), store=MemoryStore()))
    for _ in range(2):
        assert (await request(app)).body == b"done"


async def test_the_same_on_a_server() -> None:
    app = tracing(IdempotencyMiddleware(App(), store=MemoryStore()))
    with serving(app) as url:
        async with httpx.AsyncClient(base_url=url) as http:
            for _ in range(2):
                intent = {"x-settlement-intent-id": "intent-1"}
                assert (await http.get("/", headers=intent)).text == "done"


async def test_a_handler_shares_the_variables_of_its_request() -> None:
    seen: list[str] = []

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(VARIABLE.get())
        VARIABLE.set("from the handler")  # a user, a tenant, bound log fields
        await App()(scope, receive, send)

    app = IdempotencyMiddleware(handler, store=MemoryStore())
    VARIABLE.set("from outside")
    await request(app)
    assert seen == ["from outside"]
    assert VARIABLE.get() == "from the handler"


async def test_a_request_is_not_taken_for_those_who_wait_for_it() -> None:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        VARIABLE.set("from the handler")
        await App()(scope, receive, send)

    app, seen = IdempotencyMiddleware(handler, store=MemoryStore()), list[str]()

    async def server() -> None:
        await request(app)
        seen.append(VARIABLE.get())

    task = asyncio.create_task(server())
    for name in ("one", "two"):  # who waits for a task gives it a context
        theirs = contextvars.copy_context()
        theirs.run(VARIABLE.set, name)
        task.add_done_callback(lambda _: seen.append(VARIABLE.get()), context=theirs)
    await task
    assert seen == ["from the handler", "one", "two"]


async def test_requests_at_once_do_not_see_each_others_variables() -> None:
    inner, seen = GatedApp(), list[str]()

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        VARIABLE.set(scope["path"])
        await inner(scope, receive, send)
        seen.append(VARIABLE.get() + scope["path"])

    app = IdempotencyMiddleware(handler, store=MemoryStore())
    running = [
        asyncio.create_task(request(app, key=path.encode(), path=path))
        for path in ("/a", "/b")
    ]
    await inner.entered.wait()
    inner.gate.set()
    await asyncio.gather(*running)
    assert sorted(seen) == ["/a/a", "/b/b"]
    assert VARIABLE.get() == ""


async def test_a_handler_goes_on_in_its_context_after_its_request_was_cancelled() -> (
    None
):
    inner, seen = GatedApp(), list[str]()

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await inner(scope, receive, send)
        seen.append(VARIABLE.get())

    app = IdempotencyMiddleware(handler, store=MemoryStore())

    async def server() -> None:
        VARIABLE.set("span")
        connection = Connection()
        await app(http_scope(), connection.receive, connection.send)

    await finished_alone(asyncio.create_task(server()), inner, app)
    assert seen == ["span"]


async def test_with_a_task_factory_of_the_sellers_everything_runs() -> None:
    """An eager one would enter the context a second time: it gets a copy."""
    loop = asyncio.get_running_loop()

    def factory(
        loop: asyncio.AbstractEventLoop, coroutine: object, **options: object
    ) -> asyncio.Task[object]:
        return asyncio.Task(coroutine, loop=loop, **options)  # type: ignore[arg-type] # as asyncio calls it

    loop.set_task_factory(factory)  # type: ignore[arg-type] # typeshed wants a protocol
    try:
        app = IdempotencyMiddleware(App(), store=MemoryStore())
        assert (await request(app)).body == b"done"
    finally:
        loop.set_task_factory(None)
