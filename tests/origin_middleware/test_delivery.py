"""When the client sees which byte, and what the handler hears of the client."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from origin_middleware import (
    Event,
    Executed,
    FailedAfterRecord,
    IdempotencyMiddleware,
    MemoryStore,
    Policy,
    Undelivered,
    execution,
)
from origin_middleware.asgi import ASGIApp, Message, Receive, Scope, Send
from tests.support.asgi import (
    PRIVATE,
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

AS_IT_CAME = Policy(private=False)


class Panic(BaseException):
    """As pyo3 raises it for a panic in Rust."""


LENGTH_4 = start(200, [(b"content-length", b"4")])


class Journal(FaultyStore):
    """Notes when the record is written, among the messages that reach the client."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self.connection = connection

    def _asked(self, method: str) -> None:
        if method in ("complete", "release"):
            self.connection.sent.append({"type": method})


@pytest.mark.parametrize(
    ("method", "messages", "at_the_record"),
    [
        ("GET", [LENGTH_4, chunk(b"done")], 0),
        ("GET", [LENGTH_4, chunk(b"do", more=True), chunk(b"ne")], 2),
        ("GET", [LENGTH_4, chunk(b"done", more=True), chunk(b"")], 0),
        (
            "GET",
            [LENGTH_4, chunk(b"do", more=True), chunk(b"ne", more=True), chunk(b"")],
            2,
        ),
        ("GET", [start(), chunk(b"done")], 1),
        (
            "GET",
            [start(), chunk(b"do", more=True), chunk(b"ne", more=True), chunk(b"")],
            3,
        ),
        ("GET", [start(204), chunk(b"")], 0),
        ("GET", [start(204), chunk(b"", more=True), chunk(b"")], 0),
        ("HEAD", [LENGTH_4, chunk(b"", more=True), chunk(b"")], 0),
        (
            "GET",
            [
                start(200, [(b"content-length", b"0")]),
                chunk(b"", more=True),
                chunk(b""),
            ],
            0,
        ),
    ],
)
async def test_the_client_cannot_have_the_whole_response_before_it_is_on_record(
    method: str, messages: list[Message], at_the_record: int
) -> None:
    """The number says how many messages have left by then: a stream does not wait."""
    connection = Connection()
    app = IdempotencyMiddleware(
        App(*messages), store=Journal(connection), policy=AS_IT_CAME
    )
    await app(http_scope(method=method), connection.receive, connection.send)
    assert connection.sent.index({"type": "complete"}) == at_the_record
    connection.sent.remove({"type": "complete"})
    is_empty = method == "HEAD" or messages[0]["status"] == 204
    assert connection.sent == [messages[0], messages[-1]] if is_empty else messages


class Endless:
    """A handler that produces a body until it hears that nobody listens."""

    def __init__(self, status: int = 200) -> None:
        self.status = status
        self.heard = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(self.status))
        try:
            while True:
                await send(chunk(b"x" * 50, more=True))
        except OSError:
            self.heard = True


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)]
)
async def test_a_response_without_a_body_does_not_collect_what_a_handler_produces(
    method: str, status: int
) -> None:
    """Starlette runs a GET's handler for a HEAD, whole body and all."""
    endless, connection = Endless(status), Connection()
    policy = Policy(max_response_bytes=100, delivered="below-400")
    app = IdempotencyMiddleware(endless, store=MemoryStore(), policy=policy)
    connection.leave.set()
    with pytest.raises(OSError, match="the client is gone"):
        await app(http_scope(method=method), connection.receive, connection.send)
    assert endless.heard
    again = await request(app, method=method)
    assert (again.status, again.body) == (status, b"")


async def test_a_message_that_is_used_again_has_reached_its_client() -> None:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await send(LENGTH_4)
        message = chunk(b"done", more=True)
        await send(message)
        message.update(body=b"", more_body=False)
        await send(message)

    app = IdempotencyMiddleware(handler, store=MemoryStore())
    for _ in range(2):
        assert (await request(app)).body == b"done"


async def test_a_body_before_its_response_is_started_is_a_failure() -> None:
    app = IdempotencyMiddleware(App(chunk(b"done")), store=MemoryStore())
    for _ in range(2):
        with pytest.raises(RuntimeError, match="was not started"):
            await request(app)


async def test_a_key_is_released_before_the_client_can_retry() -> None:
    connection = Connection()
    app = IdempotencyMiddleware(
        App(start(503), chunk(b"no")), store=Journal(connection), policy=AS_IT_CAME
    )
    await app(http_scope(), connection.receive, connection.send)
    assert connection.sent == [start(503), {"type": "release"}, chunk(b"no")]


async def test_a_stream_is_delivered_as_it_is_produced() -> None:
    produced, taken = asyncio.Event(), asyncio.Event()

    async def slowly(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start())
        await send(chunk(b"first", more=True))
        produced.set()
        await taken.wait()
        await send(chunk(b"last"))

    connection, store = Connection(), FaultyStore()
    app = IdempotencyMiddleware(slowly, store=store, policy=AS_IT_CAME)
    running = asyncio.create_task(
        app(http_scope(), connection.receive, connection.send)
    )
    await produced.wait()
    assert connection.sent == [start(), chunk(b"first", more=True)]
    assert store.calls == ["claim"]  # one round trip is all that came before
    taken.set()
    await running
    assert (await request(app)).body == b"firstlast"


async def test_an_informational_response_is_delivered_at_once_and_not_recorded() -> (
    None
):
    hint = {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]}
    app = IdempotencyMiddleware(App(hint, start(), chunk(b"done")), store=MemoryStore())
    assert (await request(app)).sent[0] == hint
    assert [message["type"] for message in (await request(app)).sent] == [
        "http.response.start",
        "http.response.body",
    ]


async def test_trailers_are_delivered_and_not_replayed() -> None:
    begin = {**start(), "trailers": True}
    trailers = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]}
    inner = App(begin, chunk(b"done"), trailers)
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=AS_IT_CAME)
    assert (await request(app)).sent == [begin, chunk(b"done"), trailers]
    replay = await request(app)
    assert replay.body == b"done"
    assert len(replay.sent) == 2
    assert inner.executions == 1


async def test_a_response_without_headers_is_recorded() -> None:
    inner = App({"type": "http.response.start", "status": 200}, chunk(b"done"))
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=AS_IT_CAME)
    await request(app)
    replay = await request(app)
    assert (replay.status, replay.body) == (200, b"done")
    assert replay.headers == [(b"idempotent-replayed", b"true")]


async def test_thousands_of_tiny_and_empty_chunks_are_one_record() -> None:
    chunks = [chunk(b"x" if n % 3 else b"", more=True) for n in range(9_000)]
    inner = App(start(), *chunks, chunk(b""))
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    assert (await request(app)).body == b"x" * 6_000
    assert (await request(app)).body == b"x" * 6_000
    assert inner.executions == 1


async def test_an_extension_that_cannot_be_recorded_is_delivered_and_not_kept() -> None:
    messages = [start(), {"type": "http.response.zerocopysend", "file": 3}, chunk(b"")]
    inner = App(*messages)
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=AS_IT_CAME)
    assert (await request(app)).sent == messages
    assert (await request(app)).code == "not-replayable"


async def test_a_file_that_the_server_was_asked_to_send_is_recorded(
    tmp_path: Path,
) -> None:
    file = tmp_path / "report.pdf"
    file.write_bytes(b"%PDF" * 100_000)
    inner = App(start(), {"type": "http.response.pathsend", "path": str(file)})
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    for _ in range(2):
        assert (await request(app)).body == b"%PDF" * 100_000
    assert inner.executions == 1


async def test_an_event_stream_is_never_recorded() -> None:
    headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
    messages = [start(200, headers), chunk(b"data: 1\n\n", more=True), chunk(b"")]
    inner = App(*messages)
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=AS_IT_CAME)
    assert (await request(app)).sent == messages
    assert (await request(app)).code == "not-replayable"
    assert inner.executions == 1


async def test_an_event_stream_ends_when_its_client_leaves() -> None:
    headers = [(b"content-type", b"text/event-stream")]
    heard: list[Message] = []

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send(start(200, headers))
        heard.append(await receive())

    connection = Connection()
    app = IdempotencyMiddleware(endless, store=MemoryStore())
    connection.leave.set()
    with pytest.raises(OSError, match="the client is gone"):  # the server's own
        await app(http_scope(), connection.receive, connection.send)
    assert heard == [{"type": "http.disconnect"}]


async def test_a_stream_over_the_limit_ends_when_its_client_leaves() -> None:
    endless, connection = Endless(), Connection()
    app = IdempotencyMiddleware(
        endless, store=MemoryStore(), policy=Policy(max_response_bytes=100)
    )
    connection.leave.set()
    with pytest.raises(OSError, match="the client is gone"):
        await app(http_scope(), connection.receive, connection.send)
    assert endless.heard
    assert (await request(app)).code == "not-replayable"


async def test_a_task_that_a_handler_leaves_behind_hears_of_the_disconnect() -> None:
    connection, left = Connection(), list[asyncio.Future[Message]]()

    async def leaving(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        left.append(asyncio.ensure_future(receive()))
        await asyncio.sleep(0)
        await App()(scope, receive, send)

    app = IdempotencyMiddleware(leaving, store=MemoryStore())
    await app(http_scope(), connection.receive, connection.send)
    connection.leave.set()
    assert await left[0] == {"type": "http.disconnect"}


async def test_a_client_that_leaves_is_not_noticed_while_its_response_is_recorded() -> (
    None
):
    """Starlette would cancel the stream, and the effect would be half done."""
    connection = Connection()

    async def with_listener(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        listener = asyncio.ensure_future(receive())
        connection.leave.set()
        for _ in range(10):  # turns of the event loop, for the news to arrive
            await asyncio.sleep(0)
        await send(start())
        await send(chunk(b"still", more=True))
        assert not listener.done()
        await send(chunk(b" here"))
        assert await listener == {"type": "http.disconnect"}

    app = IdempotencyMiddleware(with_listener, store=MemoryStore())
    with pytest.raises(OSError, match="the client is gone"):
        await app(http_scope(), connection.receive, connection.send)
    assert connection.sent == []
    assert (await request(app)).body == b"still here"


async def test_a_request_that_is_cancelled_still_runs_to_its_record() -> None:
    inner = GatedApp()
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    connection = Connection()
    running = asyncio.create_task(
        app(http_scope(), connection.receive, connection.send)
    )
    await inner.entered.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    inner.gate.set()
    assert (await request(app)).body == b"done"
    assert inner.executions == 1
    assert connection.sent == []


async def test_what_a_handler_raises_after_its_request_was_cancelled_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    inner = GatedApp(ZeroDivisionError())
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    await finished_alone(asyncio.create_task(request(app)), inner, app)
    assert "failed after its request was cancelled" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_a_request_cancelled_during_its_claim_leaves_no_claim_behind() -> None:
    """The claim is in the task that cannot be cancelled, so it is followed by its
    execution.
    """
    inner, connection = App(), Connection()
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    running = asyncio.create_task(
        app(http_scope(), connection.receive, connection.send)
    )
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await request(app)).body == b"done"
    assert inner.executions == 1


async def test_a_client_that_leaves_during_its_upload_claims_nothing() -> None:
    inner, store = App(), FaultyStore()
    app = IdempotencyMiddleware(inner, store=store)
    connection = Connection(b"half", cut_off=True)
    await app(http_scope(), connection.receive, connection.send)
    assert inner.executions == 0
    assert store.calls == []


async def test_a_handler_that_ignores_its_body_is_recorded_all_the_same() -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    for _ in range(2):
        assert (await request(app, b"never", b" read")).status == 200
    assert inner.executions == 1


async def test_a_handler_that_reads_half_of_its_body_is_recorded_all_the_same() -> None:
    executions: list[bytes] = []

    async def reads_half(scope: Scope, receive: Receive, send: Send) -> None:
        executions.append((await receive())["body"])
        await send(start())
        await send(chunk(b"enough"))

    app = IdempotencyMiddleware(reads_half, store=MemoryStore())
    pieces = [b"x" * 1_000_000, b"y" * 1_000_000]
    for _ in range(2):
        assert (await request(app, *pieces)).body == b"enough"
    assert len(executions) == 1


@pytest.mark.parametrize("size", [0, 1, 1_048_576, 1_048_577, 5_000_000])
async def test_the_handler_gets_the_body_that_the_client_sent(size: int) -> None:
    got: list[bytes] = []

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        more = True
        while more:
            message = await receive()
            got.append(message["body"])
            more = message["more_body"]
        await send(start())
        await send(chunk(b""))

    body = bytes(range(256)) * (size // 256 + 1)
    pieces = [body[:size][at : at + 300_000] for at in range(0, size, 300_000)]
    app = IdempotencyMiddleware(reads, store=MemoryStore())
    assert (await request(app, *pieces)).status == 200
    assert b"".join(got) == body[:size]


async def test_shutdown_waits_for_what_runs_and_then_closes_the_store() -> None:
    """What a server cancelled when its grace period ended is recorded all the same."""
    inner, store = GatedApp(), FaultyStore()
    log: list[str] = []

    async def with_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await inner(scope, receive, send)
            return
        assert (await receive())["type"] == "lifespan.startup"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        log.append(f"shut down after {store.calls}")
        await send({"type": "lifespan.shutdown.complete"})

    app = IdempotencyMiddleware(with_lifespan, store=store)
    running = asyncio.create_task(request(app))
    await inner.entered.wait()
    running.cancel()
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Message:
        inner.gate.set()
        return next(messages)

    async def send(message: Message) -> None:
        log.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert log == [
        "lifespan.startup.complete",
        "shut down after ['claim', 'complete']",
        "lifespan.shutdown.complete",
    ]
    assert store.calls[-1] == "aclose"


async def test_a_shutdown_lets_a_handler_that_ends_by_itself_end() -> None:
    """Its server has cancelled the request; a stream would be cut in the middle."""
    inner = GatedApp(start(), chunk(b"do", more=True), chunk(b"ne"))
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    running = asyncio.create_task(request(app))
    await inner.entered.wait()
    running.cancel()
    draining = asyncio.create_task(app._runtime.drain())
    await asyncio.sleep(0)
    inner.gate.set()
    await draining
    assert (await request(app)).body == b"done"
    assert inner.executions == 1


async def lines(scope: Scope, receive: Receive, send: Send) -> None:
    """Endless, and no event stream."""
    await send(start(200, [(b"content-type", b"application/x-ndjson")]))
    while True:
        await send(chunk(b"{}", more=True))
        await asyncio.sleep(0)


async def poll(scope: Scope, receive: Receive, send: Send) -> None:
    """Ends when its client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
    await send(start())
    await send(chunk(b""))


async def starlettes_poll(scope: Scope, receive: Receive, send: Send) -> None:
    """Asks without waiting, and never reads its body."""
    request = Request(scope, receive)
    while not await request.is_disconnected():  # noqa: ASYNC110 - as handlers do
        await asyncio.sleep(0)
    await send(start())
    await send(chunk(b""))


@pytest.mark.parametrize("endless", [lines, poll, starlettes_poll])
async def test_a_shutdown_tells_an_endless_handler_that_its_client_has_left(
    endless: ASGIApp,
) -> None:
    app, connection = IdempotencyMiddleware(endless, store=MemoryStore()), Connection()
    connection.leave.set()
    running = asyncio.create_task(
        app(http_scope(), connection.receive, connection.send)
    )
    for _ in range(10):  # turns of the event loop, to begin
        await asyncio.sleep(0)
    assert not running.done()
    await app._runtime.drain(undisturbed=0)
    assert not app._runtime._tasks
    await asyncio.wait([running])
    assert isinstance(running.exception(), OSError | None)


async def test_a_handler_that_runs_unprotected_hears_that_its_client_left() -> None:
    store, connection = FaultyStore(), Connection()
    store.away("claim")
    policy = Policy(on_store_unavailable="execute")
    app = IdempotencyMiddleware(starlettes_poll, store=store, policy=policy)
    connection.leave.set()
    with pytest.raises(OSError, match="the client is gone"):
        await asyncio.wait_for(
            app(http_scope(), connection.receive, connection.send), 10
        )


@pytest.mark.parametrize("endless", [lines, poll, starlettes_poll])
async def test_a_handler_that_ends_because_its_client_has_left_is_not_run_again(
    endless: ASGIApp,
) -> None:
    """It has reported no failure: its effect may have happened before it heard."""
    app, connection = IdempotencyMiddleware(endless, store=MemoryStore()), Connection()
    connection.leave.set()
    app._runtime._draining = True
    with pytest.raises(OSError, match="the client is gone"):
        await app(http_scope(), connection.receive, connection.send)
    app._runtime._draining = False
    assert (await request(app)).code == "outcome-unknown"


async def test_a_handler_that_begins_during_a_shutdown_hears_it_at_once() -> None:
    app, connection = IdempotencyMiddleware(poll, store=MemoryStore()), Connection()
    app._runtime._draining = True
    connection.leave.set()
    with pytest.raises(OSError, match="the client is gone"):
        await app(http_scope(), connection.receive, connection.send)


async def test_headers_from_an_iterator_reach_the_first_client_and_the_record() -> None:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        headers = iter([(b"x-a", b"1"), (b"x-b", b"2")])
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send(chunk(b"done"))

    app = IdempotencyMiddleware(handler, store=MemoryStore(), policy=AS_IT_CAME)
    first, again = await request(app), await request(app)
    assert first.headers == again.headers[:-1] == [(b"x-a", b"1"), (b"x-b", b"2")]


@pytest.mark.parametrize("value", [b"a ", b" a", b"a\t", b"a\x0bb", b"a\x01", b"\x7f"])
async def test_a_header_that_no_server_sends_is_a_failure_and_not_recorded(
    value: bytes,
) -> None:
    inner = App(start(200, [(b"x-name", value)]), chunk(b""))
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    with pytest.raises(ValueError, match="The value of the header b'x-name'") as told:
        await request(app)
    assert repr(value) not in str(told.value)
    inner.messages = (start(200, [(b"x-name", b"a\tb c\xe6")]), chunk(b""))
    for _ in range(2):
        assert (await request(app)).status == 200
    assert inner.executions == 2


@pytest.mark.parametrize(
    ("sent", "cache_control"),
    [
        ([], b"private"),
        ([b"public, max-age=60"], b"max-age=60, private"),
        ([b"PUBLIC", b"s-maxage=60, max-age=5"], b"max-age=5, private"),
        ([b"no-store"], b"no-store, private"),
        ([b'private="x-a, x-b", no-cache="set-cookie, x-c"'], None),
    ],
)
async def test_an_answer_under_a_key_is_private(
    sent: list[bytes], cache_control: bytes | None
) -> None:
    headers = [(b"Cache-Control", value) for value in sent]
    app = IdempotencyMiddleware(
        App(start(200, headers), chunk(b"")), store=MemoryStore()
    )
    expected = cache_control or b'no-cache="set-cookie, x-c", private'
    for _ in range(2):
        answer = dict((await request(app)).headers)
        assert answer[b"cache-control"] == expected


@pytest.mark.parametrize(
    "name",
    [
        b"CDN-Cache-Control",
        b"Cloudflare-CDN-Cache-Control",
        b"Surrogate-Control",
        b"Edge-Control",
        b"X-Accel-Expires",
    ],
)
async def test_what_only_shared_caches_obey_does_not_reach_them(name: bytes) -> None:
    inner = App(start(200, [(name, b"max-age=60"), (b"x-a", b"1")]), chunk(b""))
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    for _ in range(2):
        assert (await request(app)).headers[:2] == [(b"x-a", b"1"), PRIVATE]
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=AS_IT_CAME)
    assert (name, b"max-age=60") in (await request(app)).headers


async def test_a_204_is_recorded_without_a_body() -> None:
    """With one, the replay would break the connection."""
    inner = App(start(204, [(b"content-length", b"2")]), chunk(b"{}"))
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    await request(app)
    again = await request(app)
    assert (again.status, again.body, inner.executions) == (204, b"", 1)


@pytest.mark.parametrize(
    ("declared", "kept"),
    [
        (b"multipart/x-mixed-replace; boundary=frame", False),
        (b"Text/Event-Stream", False),
        (b"application/json", True),
    ],
)
async def test_a_type_that_may_be_endless_is_not_recorded(
    declared: bytes, kept: bool
) -> None:
    inner = App(start(200, [(b"content-type", declared)]), chunk(b"done"))
    app = IdempotencyMiddleware(inner, store=MemoryStore())
    assert (await request(app)).body == b"done"
    assert (await request(app)).status == (200 if kept else 409)


async def test_another_type_can_be_left_out_of_the_record() -> None:
    inner = App(start(200, [(b"content-type", b"application/x-ndjson")]), chunk(b""))
    policy = Policy(unrecorded_media_types=["application/x-ndjson"])
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy=policy)
    await request(app)
    assert (await request(app)).code == "not-replayable"


async def test_an_answer_that_nobody_took_is_told() -> None:
    """The gate never heard of it, so nobody is charged."""
    inner, events = GatedApp(), list[Event]()
    app = IdempotencyMiddleware(inner, store=MemoryStore(), observer=endings(events))
    await finished_alone(asyncio.create_task(request(app)), inner, app)
    assert [type(event) for event in events] == [Executed, Undelivered]


@pytest.mark.parametrize("left", [True, False])
async def test_a_slow_answer_asks_whether_its_client_is_still_there(
    left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers do not say it when they are given a message."""
    monkeypatch.setattr(execution, "_SLOW", -1.0)  # as if every answer were slow
    inner, events, connection = GatedApp(), list[Event](), Connection()
    app = IdempotencyMiddleware(inner, store=MemoryStore(), observer=endings(events))

    async def send(message: Message) -> None:
        """As uvicorn: a message to nobody is dropped without a word."""

    running = asyncio.create_task(app(http_scope(), connection.receive, send))
    await inner.entered.wait()
    if left:
        connection.leave.set()
    inner.gate.set()
    await running
    expected = [Executed, Undelivered] if left else [Executed]
    assert [type(event) for event in events] == expected


async def test_a_server_that_fails_when_it_is_asked_for_the_client_fails_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execution, "_SLOW", -1.0)
    events, connection, asked = list[Event](), Connection(), list[int]()
    app = IdempotencyMiddleware(App(), store=MemoryStore(), observer=endings(events))

    async def receive() -> Message:
        asked.append(1)
        if len(asked) > 1:
            raise RuntimeError("no more messages")
        return await connection.receive()

    await app(http_scope(), receive, connection.send)
    assert [type(event) for event in events] == [Executed, Undelivered]
    assert (await request(app)).body == b"done"


def streaming(gate: asyncio.Event) -> ASGIApp:
    """An endless stream, as Starlette has it."""

    async def events() -> AsyncIterator[bytes]:
        while True:
            yield b"data: 1\n\n"
            await asyncio.sleep(0)

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        response = StreamingResponse(events(), media_type="text/event-stream")
        await response(scope, receive, send)

    return handler


async def test_a_stream_whose_client_left_before_it_began_is_no_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(execution, "_SLOW", -1.0)
    events, connection, gate = list[Event](), Connection(), asyncio.Event()
    app = IdempotencyMiddleware(
        streaming(gate), store=MemoryStore(), observer=endings(events)
    )

    async def send(message: Message) -> None:
        """As uvicorn: a message to nobody is dropped without a word."""
        await asyncio.sleep(0)

    running = asyncio.create_task(app(http_scope(), connection.receive, send))
    connection.leave.set()
    gate.set()
    await asyncio.wait_for(running, 10)
    assert [type(event) for event in events] == [Executed, Undelivered]


async def test_a_stream_that_ends_because_its_request_was_cancelled_is_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As at every deployment."""
    events, connection, gate = list[Event](), Connection(), asyncio.Event()
    gate.set()
    app = IdempotencyMiddleware(
        streaming(gate), store=MemoryStore(), observer=endings(events)
    )
    begun = asyncio.Event()

    async def send(message: Message) -> None:
        begun.set()
        await asyncio.sleep(0)

    running = asyncio.create_task(app(http_scope(), connection.receive, send))
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await app._runtime.drain()
    assert [type(event) for event in events] == [Executed]
    assert "failed" not in caplog.text


async def test_a_background_task_that_fails_when_its_client_has_left_is_told() -> None:
    """It did not end because of that."""
    inner, events = (
        GatedApp(start(), chunk(b"done"), ZeroDivisionError()),
        list[Event](),
    )
    app = IdempotencyMiddleware(inner, store=MemoryStore(), observer=endings(events))
    await finished_alone(asyncio.create_task(request(app)), inner, app)
    assert [type(event) for event in events] == [
        Executed,
        FailedAfterRecord,
        Undelivered,
    ]


@pytest.mark.parametrize("version", ["2.3", "2.4"])
async def test_a_stream_that_ends_because_its_client_left_is_no_anomaly(
    version: str,
) -> None:
    """Where the server speaks ASGI 2.4, Starlette raises an error of its own."""

    async def ticks() -> AsyncIterator[bytes]:
        while True:
            yield b"data: tick\n\n"
            await asyncio.sleep(0)

    events = list[Event]()
    stream = StreamingResponse(ticks(), media_type="text/event-stream")
    app = IdempotencyMiddleware(stream, store=MemoryStore(), observer=endings(events))
    connection = Connection()
    scope = {**http_scope(), "asgi": {"version": "3.0", "spec_version": version}}
    running = asyncio.create_task(app(scope, connection.receive, connection.send))
    while len(connection.sent) < 5:  # noqa: ASYNC110 - turns of the event loop
        await asyncio.sleep(0)
    connection.leave.set()
    await asyncio.wait([running])
    assert running.exception() is not None
    assert FailedAfterRecord not in map(type, events)


async def test_a_second_start_after_the_record_does_not_reach_the_client() -> None:
    """It would be delivered and settled, and another response is on record, or none."""

    async def fallback(scope: Scope, receive: Receive, send: Send) -> None:
        await send(start(503))
        await send(chunk(b"no"))
        await send(start(200))
        await send(chunk(b"instead"))

    connection = Connection()
    app = IdempotencyMiddleware(fallback, store=MemoryStore())
    with pytest.raises(RuntimeError, match="a second time"):
        await app(http_scope(), connection.receive, connection.send)
    assert (connection.status, connection.body) == (503, b"no")


@pytest.mark.parametrize("raised", [asyncio.CancelledError(), KeyError("x"), Panic()])
async def test_whatever_a_server_raises_is_no_failure_of_the_handler(
    raised: BaseException,
) -> None:
    inner = App(start(), chunk(b"do", more=True), chunk(b"ne"))
    app, connection = IdempotencyMiddleware(inner, store=MemoryStore()), Connection()

    async def send(message: Message) -> None:
        raise raised

    with pytest.raises(type(raised)):
        await app(http_scope(), connection.receive, send)
    assert (await request(app)).body == b"done"
    assert inner.executions == 1


async def test_an_outer_middleware_gets_its_own_error_from_a_stream_too() -> None:
    headers = [(b"content-type", b"text/event-stream")]
    inner = App(start(200, headers), chunk(b"data: 1", more=True), chunk(b""))
    app, connection = IdempotencyMiddleware(inner, store=MemoryStore()), Connection()

    async def send(message: Message) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await app(http_scope(), connection.receive, send)
