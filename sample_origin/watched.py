"""Servers that write down what they receive and what they answer."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .messages import Messages, Participant, from_environment

Sender = Callable[[Scope], Participant | None]
"""Who sent a request; None for one that is none of the chain's."""

_PREFIX = "origin_middleware."


def watched(app: ASGIApp, own: Participant, sender: Sender) -> ASGIApp:
    """The app itself, where MESSAGES is not set."""
    messages = from_environment()
    return app if messages is None else Watched(app, messages, own, sender)


class Watched:
    """Around everything else that an app has."""

    def __init__(
        self, app: ASGIApp, messages: Messages, own: Participant, sender: Sender
    ) -> None:
        self._app = app
        self._messages = messages
        self._own = own
        self._sender = sender

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sender = self._sender(scope) if scope["type"] == "http" else None
        if scope["type"] == "lifespan":
            await self._app(scope, receive, self._lifespan(send))
        elif sender is None:
            await self._app(scope, receive, send)
        else:
            exchange = Exchange(self._messages, self._own, sender, scope)
            await exchange.run(self._app, receive, send)

    def _lifespan(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                self._messages.add(self._own, self._own, "starts")

        return sending


class Exchange:
    """A request and its answer."""

    def __init__(
        self, messages: Messages, own: Participant, sender: Participant, scope: Scope
    ) -> None:
        self._messages = messages
        self._own = own
        self._sender = sender
        self._scope = scope
        self._body = b""
        self._received: asyncio.Queue[Message] = asyncio.Queue()
        self._is_added = False
        self._sender_left = False
        self._start: Message = {}
        self._answer = b""

    async def run(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        """The request is written down when it is complete, the answer likewise."""

        async def sending(message: Message) -> None:
            self._sent(message)
            await send(message)

        receiving = asyncio.create_task(self._receive(receive))
        await asyncio.sleep(0)  # what is here already comes before what the app does
        try:
            await app(self._scope, self._received.get, sending)
        finally:
            receiving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await receiving

    async def _receive(self, receive: Receive) -> None:
        # Ahead of the app, to know before it answers whether anybody is there.
        while True:
            message = await receive()
            self._received.put_nowait(message)
            if message["type"] == "http.disconnect":
                self._sender_left = True
                return
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                self._add_request()

    def _add_request(self) -> None:
        """Once: when it is complete, or answered before."""
        if self._is_added:
            return
        self._is_added = True
        path = self._scope["raw_path"].decode("ascii", "replace")
        query = self._scope["query_string"].decode("ascii", "replace")
        target = f"{path}?{query}" if query else path
        self._messages.add(
            self._sender,
            self._own,
            f"{self._scope['method']} {target}",
            headers=_text(self._scope["headers"]),
            body=self._body,
        )

    def _sent(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._add_request()
            self._start = message
        elif message["type"] == "http.response.body":
            self._answer += message.get("body", b"")
            if not message.get("more_body", False):
                self._add_answer()

    def _add_answer(self) -> None:
        headers = _text(self._start["headers"])
        title = str(self._start["status"])
        if ("idempotent-replayed", "true") in headers:
            title += " replayed"
        if self._sender_left:
            title += ", but nobody waits for it any more"
        self._messages.add(
            self._own,
            self._sender,
            title,
            headers=headers,
            body=self._answer,
            failed=self._sender_left or self._start["status"] >= 400,
        )


class Told(logging.Handler):
    """What the middleware and its store say about themselves, from their log."""

    def __init__(self, messages: Messages) -> None:
        super().__init__(logging.DEBUG)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        facts = {
            name.removeprefix(_PREFIX): str(value)
            for name, value in vars(record).items()
            if name.startswith(_PREFIX)
        }
        event = facts.pop("event", None)
        if event == "StoreCalled":
            failure = facts["failure"]
            failed = failure != "None"
            took = f"{float(facts['seconds']) * 1000:.1f} ms"
            title = f"{facts['operation']} {failure if failed else took}"
            self._messages.add(
                "worker", "redis", title, headers=facts.items(), failed=failed
            )
        elif event is not None:
            failed = record.levelno >= logging.WARNING or event == "Refused"
            reason = f": {facts['refusal']}" if event == "Refused" else ""
            self._messages.add(
                "worker",
                "worker",
                event + reason,
                headers=facts.items(),
                failed=failed,
            )


def listen_to_the_middleware() -> None:
    """Where MESSAGES is set. Warnings go to standard error, as they would without."""
    messages = from_environment()
    if messages is None:
        return
    log = logging.getLogger("origin_middleware")
    log.setLevel(logging.DEBUG)
    log.addHandler(Told(messages))
    warnings = logging.StreamHandler()
    warnings.setLevel(logging.WARNING)
    log.addHandler(warnings)


def _text(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in headers
    ]
