"""A worker: an event loop, a store, a middleware, and the requests that it serves."""

import asyncio
import json
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from redis.asyncio import Redis

from origin_middleware import IdempotencyMiddleware
from origin_middleware.asgi import Message, Receive, Scope, Send
from origin_middleware.events import Event
from origin_middleware.key import Key
from origin_middleware.record import Answer, Claim
from origin_middleware.stores.redis import RedisStore, scripts

from .books import Asked, Told
from .loop import Loop
from .plan import Plan
from .wire import Client, Faults, Wire

if TYPE_CHECKING:
    from .play import Play

# What it takes to write an outcome, in seconds; a shutdown may be over meanwhile.
_WRITES = 0.1

_DIGESTS = {
    script.name: script.digest
    for script in vars(scripts).values()
    if isinstance(script, scripts.Script)
}

_asked: ContextVar[Asked | None] = ContextVar("asked", default=None)


class Process:
    """A worker: an event loop, a store, a middleware."""

    def __init__(self, play: "Play", slot: int, number: int) -> None:
        self.play = play
        self.number = number
        plan, world = play.plan, play.world
        self.loop = Loop(world, plan.skews[slot] + 50.0 * number)
        self.accepts = True
        self.exiting = False
        faults = Faults({}, {})
        if not play.books.quiet:
            faults = _faults(plan, slot)
        seed = plan.seed * 31 + number
        self.wire = Wire(
            world, play.server, self.loop, number, faults, play.disturbed, seed
        )
        options = plan.options
        self.store = Noting(
            self,
            cast("Redis", Client(self.wire)),
            budget=options.budget,
            quarantine=options.quarantine,
        )
        self.app = IdempotencyMiddleware(
            self._app, store=self.store, policy=play.policy, observer=self._observe
        )
        self.requests: dict[asyncio.Task[None], None] = {}
        self._shutdown = self.loop.create_future()
        self.loop.call_soon(self._begin)

    @property
    def alive(self) -> bool:
        return not self.loop.dead

    def kill(self) -> None:
        """kill -9: what it has sent is on its way, and nothing else happens."""
        self.accepts = False
        self.loop.die()
        self.play.books.died[self.number] = self.play.world.now
        for link in list(self.play.server.links):
            if link.is_held_by(self.wire):
                link.give_up()

    def stop(self, grace: float) -> None:
        """As uvicorn does: requests have so long, then they are cancelled."""
        self.accepts = False
        self.play.books.stopped.setdefault(self.number, self.play.world.now)
        self.loop.call_later(grace, self._stop_requests)

    def _stop_requests(self) -> None:
        for task in self.requests:
            task.cancel()
        self.loop.call_soon(self._end_lifespan)

    def _end_lifespan(self) -> None:
        if not self._shutdown.done():
            self._shutdown.set_result(None)

    def _begin(self) -> None:
        self.lifespan = self.loop.create_task(self._live())

    async def _live(self) -> None:
        begun = False

        async def receive() -> Message:
            nonlocal begun
            if not begun:
                begun = True
                return {"type": "lifespan.startup"}
            await self._shutdown
            return {"type": "lifespan.shutdown"}

        async def send(message: Message) -> None:
            pass

        await self.app({"type": "lifespan"}, receive, send)
        self.loop.call_soon(self._exit)

    def _exit(self) -> None:
        """As asyncio.run does: what runs longer than a shutdown waits is cancelled, and
        nothing that begins then gets any further.
        """
        play, now = self.play, self.play.world.now
        running = [run for run in play.books.started if run.process == self.number]
        left = self._left()
        if any(
            run.ended is None or (left and run.ended > now - _WRITES) for run in running
        ):
            play.books.died[self.number] = now
            play.books.disturb(now, self.number, "exit")
        else:
            play.books.left += [(self.number, each) for each in left]
        self.exiting = True
        pending = self.loop.pending()
        for task in pending:
            task.cancel()
        last = self.loop.create_task(asyncio.wait(pending)) if pending else None
        if last is None:
            self.loop.die()
        else:
            last.add_done_callback(lambda _: self.loop.die())

    def _left(self) -> list[str]:
        """What it leaves behind when it exits."""
        tasks = [task for task in self.loop.pending() if task is not self.lifespan]
        left = [f"{task!r}"[:300] for task in tasks]
        left += [f"waiting {key}" for key in self.app._runtime.waiting]
        for session in self.store._sessions.values():
            left += [f"in doubt {each!r}" for each in session.claims._in_doubt]
            ghosts = session.claims._ghosts._ghosts
            left += [f"ghost {each.ghost.name!r}" for each in ghosts]
            left += [f"waiter {each!r}" for each in session.waiting._waiters]
        links = self.play.server.links
        left += ["a connection" for each in links if each.is_held_by(self.wire)]
        return left

    def ask(self, asked: Asked) -> None:
        task = self.loop.create_task(self._ask(asked))
        self.requests[task] = None
        task.add_done_callback(lambda task: self.requests.pop(task, None))
        if asked.request.cancelled is not None:
            self.loop.call_later(asked.request.cancelled, task.cancel)

    async def _ask(self, asked: Asked) -> None:
        connection = _Connection(self, asked)
        key = asked.request.key
        headers = [] if key < 0 else [(b"x-settlement-intent-id", b"intent-%d" % key)]
        scope: Scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": headers,
            "simulation": asked,
        }
        _asked.set(asked)
        try:
            await self.app(scope, connection.receive, connection.send)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                asked.cancelled = True
            else:
                asked.raised = error
        except GeneratorExit:
            raise
        except BaseException as error:
            asked.raised = error
        asked.over = True
        connection.close()

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        await self.play.handler.handle(self, scope, receive, send)

    def _observe(self, event: Event) -> None:
        if self.alive:
            told = Told(self.play.world.now, self.number, event, _asked.get())
            self.play.books.told.append(told)


def _faults(plan: Plan, slot: int) -> Faults:
    return Faults(
        {nth: fault for of, nth, fault in plan.faults if of == slot},
        {
            (_DIGESTS[script], nth): fault
            for of, script, nth, fault in plan.aimed
            if of == slot
        },
    )


class Noting(RedisStore):
    """Notes which request has which owner token."""

    def __init__(self, process: Process, client: Redis, **options: Any) -> None:
        super().__init__(client, **options)
        self._process = process

    async def claim(self, key: Key, claim: Claim, /) -> Answer:
        self._note("claim", claim)
        return await super().claim(key, claim)

    async def take_over(self, key: Key, claim: Claim, /) -> Answer:
        self._note("take over", claim)
        return await super().take_over(key, claim)

    def _note(self, kind: str, claim: Claim) -> None:
        asked = _asked.get()
        if asked is not None:
            now = self._process.play.world.now
            asked.claims.append((now, kind, bytes(claim.owner)))


class _Connection:
    """One client."""

    def __init__(self, process: Process, asked: Asked) -> None:
        self._process = process
        self._asked = asked
        self._world = process.play.world
        self._read = False
        self._gone = False
        self._listening: list[asyncio.Future[None]] = []
        if asked.request.leaves is not None:
            process.loop.call_later(asked.request.leaves, self._leave)

    def _leave(self) -> None:
        if self._asked.answered is None:
            self._asked.gone = True
        self.close()

    def close(self) -> None:
        self._gone = True
        for listening in self._listening:
            if not listening.done():
                listening.set_result(None)

    async def receive(self) -> Message:
        if not self._read:
            self._read = True
            body = b"%d" % self._asked.request.variant
            return {"type": "http.request", "body": body, "more_body": False}
        if not self._gone:
            listening = self._process.loop.create_future()
            self._listening.append(listening)
            await listening
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        asked = self._asked
        if asked.request.slow:
            await asyncio.sleep(asked.request.slow)
        if asked.gone or asked.cancelled or asked.over:
            if asked.number % 2:
                raise OSError("the client has left")
            return
        if message["type"] == "http.response.start":
            asked.status = message["status"]
            asked.headers = dict(message["headers"])
            return
        asked.body += message.get("body", b"")
        if not message.get("more_body", False):
            asked.answered = self._world.now
            if asked.headers.get(b"content-type") == b"application/problem+json":
                asked.code = json.loads(asked.body)["code"]
            self.close()
