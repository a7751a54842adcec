"""The seller's code: a handler that ends as planned, and a reconciler that reads the
books.
"""

import asyncio
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from origin_middleware import attempt_of
from origin_middleware.asgi import Message, Receive, Scope, Send
from origin_middleware.attempt import Abandoned, Attempt
from origin_middleware.errors import ClaimLost, StoreError
from origin_middleware.response import StoredResponse

from .books import Asked, Books, Started
from .loop import World
from .plan import Plan, Run
from .server import Server

if TYPE_CHECKING:
    from .process import Process

_BY_PROBES = Run("ok", 0.0, 0.01)


class HandlerFailed(Exception):
    pass


class Doubted(Exception):
    """Of a reconciler that does not know."""


class Handler:
    def __init__(self, plan: Plan, world: World, books: Books, server: Server) -> None:
        self._plan = plan
        self._world = world
        self._books = books
        self._server = server
        self._responses: dict[int, StoredResponse] = {}

    async def handle(
        self, process: "Process", scope: Scope, receive: Receive, send: Send
    ) -> None:
        run = self._begun(process, scope)
        try:
            await self._work(process, run, attempt_of(scope), receive, send)
        except GeneratorExit:
            raise
        except (StoreError, ClaimLost):  # its effects do not begin
            self._fails(run)
            run.may_run_again = run.plan.statement != "outcome unknown"
            raise
        except BaseException:
            gone_on = run.failed is None and run.delivering is None
            if gone_on and not process.exiting:
                # It was told that its client has left, which is no failure.
                run.failed = self._world.now
                run.may_run_again = run.plan.statement == "nothing happened"
            raise
        finally:
            if process.alive and not process.exiting:
                run.ended = self._world.now

    def _begun(self, process: "Process", scope: Scope) -> Started:
        books, plan = self._books, self._plan
        asked: Asked = scope["simulation"]
        before = books.runs_of(asked.request.key)
        attempt = attempt_of(scope)
        runs = (_BY_PROBES,) if asked.is_probe else plan.runs
        run = Started(
            len(books.started),
            asked,
            runs[len(before) % len(runs)],
            self._world.now,
            process.number,
            protected=attempt is not None,
            owner=asked.claims[-1][2] if asked.claims and attempt else None,
            record=self._server.record(record_name(asked.request.key)),
        )
        run.body = b"%d/%d/%d|" % (run.key, asked.request.variant, run.number)
        run.body += b"." * run.plan.size
        books.started.append(run)
        match run.plan.statement:
            case "nothing happened" if attempt is not None:
                attempt.nothing_happened()
            case "outcome unknown" if attempt is not None:
                attempt.outcome_unknown()
        return run

    def _fails(self, run: Started) -> None:
        run.failed = self._world.now
        said = run.plan.statement
        released = said == "" and self._plan.options.on_failure == "release"
        run.may_run_again = said == "nothing happened" or released

    async def _work(
        self,
        process: "Process",
        run: Started,
        attempt: Attempt | None,
        receive: Receive,
        send: Send,
    ) -> None:
        plan = run.plan
        await receive()
        await asyncio.sleep(plan.before)
        if self._plan.options.declares and attempt is not None:
            run.declared = self._world.now
            await attempt.effects_begin()
        run.effect = self._world.now
        if plan.ends == "dies":
            self._books.disturb(self._world.now, process.number, "death")
            process.kill()
            await process.loop.create_future()
        if plan.ends in ("stream", "half", "endless"):
            await self._stream(run, send)
        else:
            await asyncio.sleep(plan.after)
            await self._end(run, send)
        await asyncio.sleep(plan.background)

    async def _stream(self, run: Started, send: Send) -> None:
        endless = run.plan.ends == "endless"
        if endless:  # it is never kept: its first byte is its outcome
            run.delivering = self._world.now
        kind = b"text/event-stream" if endless else b"text/plain"
        await send(_start(200, [(b"content-type", kind)]))
        await send(_chunk(run.body[:4], more=True))
        await asyncio.sleep(run.plan.after)
        if run.plan.ends == "half":
            self._fails(run)
            return
        run.delivering = run.delivering or self._world.now
        await send(_chunk(run.body[4:]))

    async def _end(self, run: Started, send: Send) -> None:
        headers = [(b"content-length", b"%d" % len(run.body))]
        if run.plan.ends == "ok":
            run.delivering = self._world.now
            await send(_start(200, headers))
            await send(_chunk(run.body))
            return
        self._fails(run)
        match run.plan.ends:
            case "404" | "500":
                await send(_start(int(run.plan.ends), headers))
                await send(_chunk(run.body))
            case "raises":
                raise HandlerFailed
            case "cancels itself":
                raise asyncio.CancelledError
            case "exits":
                raise SystemExit(3)
            case "broken":
                await send(_start(200, [(b"x", b"a\nb")]))

    async def reconcile(self, abandoned: Abandoned) -> Any:
        """Knows what has happened so far, as a seller's books do."""
        key = int(abandoned.intent.rpartition("-")[2])
        seed, knows = self._plan.seed, self._plan.options.on_abandoned
        await asyncio.sleep(seed % 4 * 0.5)
        if knows == "raises":
            raise Doubted
        if knows == "nonsense":
            return 42
        done = [run for run in self._books.runs_of(key) if run.effect is not None]
        done = [run for run in done if not (run.failed and run.may_run_again)]
        ruling: Any = "execute"
        if key in self._responses:
            ruling = self._responses[key]
        elif done and (seed + len(done)) % 2:
            headers = [(b"content-length", b"%d" % len(done[0].body))]
            ruling = StoredResponse(200, headers, done[0].body)
            self._responses[key] = ruling
        elif done:
            ruling = "refuse"
        name = ruling if isinstance(ruling, str) else "respond"
        self._books.ruled.append((self._world.now, key, name))
        return ruling


def record_name(key: int) -> bytes:
    digest = sha256(b"intent-%d" % key).hexdigest()
    return f"idem:{{{digest}}}".encode()


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def _chunk(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}
