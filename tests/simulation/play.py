"""Plays a plan: processes with the real middleware and the real store, clients, and
what goes wrong. What happened is written down for the oracles.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from origin_middleware import (
    Abandoned,
    Attempt,
    IdempotencyMiddleware,
    StoredResponse,
    attempt_of,
    persistence,
)
from origin_middleware.asgi import Receive, Scope, Send
from origin_middleware.attempt import Ruling
from origin_middleware.events import Event
from origin_middleware.execution import Execution
from origin_middleware.record import Claim
from origin_middleware.stores.redis import RedisStore
from origin_middleware.stores.redis.safety import Safety
from tests.support.asgi import Connection, chunk, http_scope, start

from .network import Client, Faults, Network
from .plan import ENDS, Ask, Fault, Plan, Run
from .server import Server, Value
from .world import BEGAN, Loop, StuckError, World

QUARANTINE = 40.0
"""Longer than clients try again, as it has to be."""

NOTICED = 70.0
"""Then every process connects: a quarantine begins when one learns of a promotion."""

SETTLED = 115.0
"""Then leases, withdrawals and a quarantine are over, and everybody is asked again."""

OVER = 170.0

LARGE, TOO_LARGE = 140_000, 210_000


@dataclass(slots=True)
class Started:
    """One run of the handler."""

    worker: "Worker"
    key: int
    body: int
    number: int
    does: Run
    at: float
    owner: bytes
    fingerprint: bytes
    found: bytes
    """What stood under the key as it started."""
    attempt: Attempt | None
    final: bool
    effect_at: float | None = None
    ended_at: float | None = None
    failed_at: float | None = None
    """It raised, or answered what is not delivered."""

    @property
    def delivers(self) -> bool:
        kinds = ("answer", "stream", "large", "too large")
        return self.ended_at is not None and self.does.kind in kinds


@dataclass(slots=True)
class Asked:
    """One request, and what came of it."""

    ask: Ask
    final: bool
    worker: "Worker"
    begun: float
    connection: Connection
    ended: float | None = None
    error: BaseException | None = None

    @property
    def told(self) -> str:
        """The status; the code of a refusal."""
        sent = self.connection.sent
        if not sent:
            return "nothing"
        if sent[0]["status"] == 200:
            return "200" if self.connection.complete and len(sent) > 1 else "part"
        if self.is_refusal:
            code: str = json.loads(self.connection.body)["code"]
            return code
        return str(sent[0]["status"])

    @property
    def is_refusal(self) -> bool:
        headers = dict(self.connection.sent[0]["headers"])
        return headers.get(b"content-type") == b"application/problem+json"

    @property
    def is_replay(self) -> bool:
        sent = self.connection.sent
        return bool(sent) and (b"idempotent-replayed", b"true") in sent[0]["headers"]


@dataclass(slots=True)
class History:
    """What the oracles judge."""

    plan: Plan
    asked: list[Asked] = field(default_factory=list)
    started: list[Started] = field(default_factory=list)
    events: list[tuple[float, "Worker", Event]] = field(default_factory=list)
    rulings: list[tuple[float, int, str]] = field(default_factory=list)
    """When, of which key."""
    writes: list[tuple[float, bytes, bytes | None, bytes | None]] = field(
        default_factory=list
    )
    """When, under which name, what was there, and what is there now."""
    lost_at: list[float] = field(default_factory=list)
    """When the server lost what it had acknowledged."""
    clock_set_at: list[float] = field(default_factory=list)
    trouble: list[tuple[float, str]] = field(default_factory=list)
    """All that went wrong, whatever it was."""
    wrong: list[str] = field(default_factory=list)
    """What was seen to be wrong while the schedule ran."""


class Worker:
    """A process."""

    def __init__(self, game: "Game", number: int) -> None:
        self.number = number
        self.game = game
        self.loop = Loop(game.world, f"worker {number}")
        self.first_met: float | None = None
        """When it first knew which server it talks to."""
        self.killed_at: float | None = None
        self.stalls: list[tuple[float, float]] = []
        self.drained = False
        self.closing: asyncio.Task[None] | None = None
        store = RedisStore(  # built outside the loop, as an app does
            Client(game.network, self.loop),  # type: ignore[arg-type] # in place of redis-py's
            budget=game.plan.budget,
            quarantine=QUARANTINE,
        )
        self.store = store
        self.app = IdempotencyMiddleware(
            self._handle,
            store=store,
            policy=game.plan.make_policy(self._rule),
            observer=self._observe,
        )
        self.runtime = self.app._runtime

    def __repr__(self) -> str:
        return f"worker {self.number}"

    def _observe(self, event: Event) -> None:
        self.game.history.events.append((self.game.world.now, self, event))

    def spawn(self, work: Callable[[], Awaitable[None]]) -> None:
        """As something that comes from outside."""

        def begin() -> None:
            self.loop.create_task(_awaited(work))

        self.loop.call_soon(begin)

    def stall(self, seconds: float) -> None:
        now = self.game.world.now
        self.stalls.append((now, now + seconds))
        self.loop.stall(seconds)

    def kill(self) -> None:
        if self.killed_at is None:
            self.killed_at = self.game.world.now
            self.game.network.process_died(self.loop)
            self.loop.kill()

    async def drain(self) -> None:
        self.drained = True
        await self.runtime.drain()
        await self.store.aclose()

    async def _rule(self, abandoned: Abandoned) -> Ruling:
        """The seller looks into the books, and tells the truth about them."""
        game = self.game
        key = int(abandoned.intent.removeprefix("intent-"))
        if game.plan.thinks:
            await asyncio.sleep(game.plan.thinks)
        same = [
            run
            for run in game.history.started
            if run.key == key and run.fingerprint == abandoned.fingerprint
        ]
        done = next((run for run in same if run.effect_at is not None), None)
        say: Ruling = "execute" if done is None else _answer(done)
        if game.world.random.random() < 0.15:
            say = "refuse"
        word = say if isinstance(say, str) else "respond"
        game.history.rulings.append((game.world.now, key, word))
        return say

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        game, attempt = self.game, attempt_of(scope)
        message = await receive()
        key, body = json.loads(message["body"])
        before = [run for run in game.history.started if run.key == key]
        does = game.plan.run(key, len(before))
        claim = game.claims.get(id(attempt)) if attempt else None
        run = Started(
            worker=self,
            key=key,
            body=body,
            number=len(before),
            does=does,
            at=game.world.now,
            owner=claim.owner if claim else b"",
            fingerprint=claim.fingerprint if claim else b"",
            found=game.server.get(game.name_of(key)) or b"",
            attempt=attempt,
            final=game.world.now >= game.began + SETTLED,
        )
        game.history.started.append(run)
        self._die(does, "at once")
        if does.before:
            await asyncio.sleep(does.before)
        self._die(does, "before")
        if does.kind == "nothing happened":
            if attempt is not None:
                attempt.nothing_happened()
        else:
            run.effect_at = game.world.now
        self._die(does, "after")
        if does.after and does.kind != "stream":
            await asyncio.sleep(does.after)
        try:
            await _finish(does, attempt, run, send, game.world.now)
        finally:
            run.ended_at = game.world.now

    def _die(self, does: Run, when: str) -> None:
        if does.dies == when and self.game.world.now < self.game.began + ENDS:
            self.kill()


async def _awaited(work: Callable[[], Awaitable[None]]) -> None:
    await work()


async def _finish(
    does: Run, attempt: Attempt | None, run: Started, send: Send, now: float
) -> None:
    match does.kind:
        case "raises" | "nothing happened":
            run.failed_at = now
            raise ValueError("the handler fails")
        case "outcome unknown":
            run.failed_at = now
            if attempt is not None:
                attempt.outcome_unknown()
            raise ValueError("the handler does not know")
        case "is cancelled":
            run.failed_at = now
            raise asyncio.CancelledError
        case "fails":
            run.failed_at = now
            await send(start(500))
            await send(chunk(b"no"))
        case "stream":
            await send(start(200))
            body = _body(run)
            await send(chunk(body[:5], more=True))
            await asyncio.sleep(does.after)
            await send(chunk(body[5:]))
        case _:
            await send(start(200))
            await send(chunk(_body(run)))


def _body(run: Started) -> bytes:
    """It tells which run made it, and for which request."""
    text = json.dumps([run.key, run.body, run.number])
    size = {"large": LARGE, "too large": TOO_LARGE}.get(run.does.kind, 0)
    return text.ljust(size).encode()


def _answer(run: Started) -> StoredResponse:
    return StoredResponse(200, [], _body(run))


class Game:
    """One schedule."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.world = World(plan.seed)
        self.began = BEGAN
        self.history = History(plan)
        self.server = Server(self.world)
        self.faults = Faults(plan.slow, plan.lost, plan.reset, plan.suppressed)
        self.network = Network(self.world, self.server, self.faults)
        self.server.written = self._written
        self.claims: dict[int, Claim] = {}
        """Of each attempt."""
        persistence._backlog = (
            persistence._Backlog()
        )  # of a process, and this is a new one
        self.workers = [Worker(self, number) for number in range(plan.workers)]
        self._running = 0

    def play(self) -> History:
        world, plan = self.world, self.plan
        for ask in plan.asks:
            world.at(self.began + ask.at, self._ask, ask)
        for fault in plan.faults:
            world.at(self.began + fault.at, self._fault, fault)
        world.at(self.began + ENDS, self._calm)
        world.at(self.began + NOTICED, self._notice)
        world.at(self.began + SETTLED, self._ask_again)
        self._over = False
        world.at(self.began + OVER, self._end)
        with _Noting(self):
            try:
                world.run_until(self._is_over)
            except StuckError as stuck:
                self.history.wrong.append(str(stuck))
            self._look_for_leftovers()
            self._bury()
        self.history.wrong += world.complaints
        return self.history

    def name_of(self, key: int) -> bytes:
        return self.workers[0].store._name(f"intent-{key}")  # type: ignore[arg-type] # a Key

    def _is_over(self) -> bool:
        return self._over

    def _end(self) -> None:
        """Everybody shuts down in good order."""
        living = [each for each in self.workers if each.killed_at is None]
        self._running = len(living)
        for worker in living:
            worker.spawn(lambda worker=worker: self._close(worker))  # type: ignore[misc] # bound now

        if not living:
            self._over = True

    async def _close(self, worker: Worker) -> None:
        await worker.drain()
        self._running -= 1
        self._over = not self._running

    def _calm(self) -> None:
        self.faults.slow = self.faults.lost = self.faults.reset = 0.0

    def _ask(self, ask: Ask, *, final: bool = False) -> None:
        worker = self.workers[ask.worker]
        if worker.killed_at is not None or worker.drained:
            living = [w for w in self.workers if w.killed_at is None and not w.drained]
            if not living:
                living = [self._replace(worker)]
            worker = living[ask.key % len(living)]
        connection = Connection(json.dumps([ask.key, ask.body]).encode())
        asked = Asked(ask, final, worker, self.world.now, connection)
        self.history.asked.append(asked)
        worker.spawn(lambda: self._request(asked))

    def _replace(self, worker: Worker) -> Worker:
        """By a new process, which knows nothing."""
        new = Worker(self, len(self.workers))
        self.workers.append(new)
        return new

    async def _request(self, asked: Asked) -> None:
        loop, ask, connection = asked.worker.loop, asked.ask, asked.connection
        key = f"intent-{ask.key}".encode()
        work = loop.create_task(
            asked.worker.app(http_scope(key=key), connection.receive, connection.send)
        )
        if ask.leaves_after is not None:
            leave = connection.leave
            loop.call_later(ask.leaves_after, leave.set)
        if ask.cancelled_after is not None:
            loop.call_later(ask.cancelled_after, work.cancel)
        await asyncio.wait([work])
        asked.ended = self.world.now
        if work.cancelled():
            asked.error = asyncio.CancelledError()
        else:
            asked.error = work.exception()

    def _notice(self) -> None:
        for worker in self.workers:
            if worker.killed_at is None and not worker.drained:
                worker.spawn(worker.store.check)

    def _ask_again(self) -> None:
        pairs = sorted({(ask.key, ask.body) for ask in self.plan.asks})
        for key, body in pairs:
            self._ask(Ask(0.0, key % self.plan.workers, key, body), final=True)

    def _fault(self, fault: Fault) -> None:
        worker, now = self.workers[fault.worker], self.world.now
        self.history.trouble.append((now, fault.kind))
        match fault.kind:
            case "stall":
                if worker.killed_at is None:
                    worker.stall(fault.seconds)
            case "kill":
                worker.kill()
            case "drain":
                if worker.killed_at is None and not worker.drained:
                    worker.spawn(worker.drain)
            case "restart" | "lose" | "promote":
                self._take_down(fault)
            case "flush":
                self.server.flush_scripts()
            case "clock":
                self.history.clock_set_at.append(now)
                self.server.set_clock(fault.seconds)
            case "reset":
                self.network.break_all()

    def _take_down(self, fault: Fault) -> None:
        now = self.world.now
        self.network.up = False
        self.network.break_all()
        match fault.kind:
            case "lose":
                self.history.lost_at.append(now)
                self.server.restart(keeps=False)
            case "promote":
                self.history.lost_at.append(now)
                self.server.promote(lag=0.5)
            case _:
                self.server.restart(keeps=True)

        def come_back() -> None:
            self.network.up = True

        self.world.at(now + fault.seconds, come_back)

    def _written(self, name: bytes, before: Value | None, after: Value | None) -> None:
        old = before.data if before else None
        new = after.data if after else None
        if b":mark:" not in name:
            self.history.writes.append((self.world.now, name, old, new))

    def _look_for_leftovers(self) -> None:
        wrong = self.history.wrong
        for name, value in self.server.data.items():
            if value.expires is None:
                wrong.append(f"I10: {name!r} does not expire")
        for worker in self.workers:
            if worker.killed_at is not None:
                continue
            ours = [
                task
                for task in asyncio.all_tasks(worker.loop)
                if task.get_coro().__qualname__ != "_awaited"  # type: ignore[union-attr] # a coroutine
            ]
            if ours:
                wrong.append(f"I10: {worker} leaves {ours[0].get_coro()!r} behind")
            if worker.runtime.waiting:
                wrong.append(f"I10: somebody waits for ever at {worker}")

    def _bury(self) -> None:
        """Tasks of processes that were killed would complain when they are freed."""
        self.network.up = False
        self.network.break_all()
        self.server.written = None
        self.history.writes = list(self.history.writes)
        complaints = list(self.world.complaints)
        for worker in self.workers:
            worker.loop.raise_from_the_dead()
        for _ in range(200):
            # First let everything begin: what has not would never be awaited.
            until = self.world.now + 0.3
            self.world.at(until, lambda: None)
            self.world.run_until(lambda until=until: self.world.now >= until)  # type: ignore[misc] # bound now
            tasks = [
                task
                for worker in self.workers
                for task in asyncio.all_tasks(worker.loop)
            ]
            if not tasks:
                break
            for task in tasks:
                task.cancel()
        for worker in self.workers:
            worker.loop.kill()
        self.world.complaints[:] = complaints


class _Noting:
    """What nobody tells, and the oracles need: under which claim a handler runs, and
    when a process has learned which server it talks to.
    """

    def __init__(self, game: Game) -> None:
        self._game = game
        self._run, self._greet = Execution.run, Safety.greet

    def __enter__(self) -> None:
        game, run_before, greet_before = self._game, self._run, self._greet

        async def run(execution: Execution, body: Any) -> None:
            game.claims[id(execution._attempt)] = execution._claim
            await run_before(execution, body)

        async def greet(safety: Safety, endpoint: Any, line: Any) -> None:
            await greet_before(safety, endpoint, line)
            loop = asyncio.get_running_loop()
            (worker,) = (each for each in game.workers if each.loop is loop)
            if worker.first_met is None:
                worker.first_met = game.world.now

        Execution.run, Safety.greet = run, greet  # type: ignore[method-assign,assignment] # put back

    def __exit__(self, *_: object) -> None:
        Execution.run, Safety.greet = self._run, self._greet  # type: ignore[method-assign] # as they were


def play(plan: Plan) -> History:
    return Game(plan).play()
