"""Plays one plan: what happens outside the processes, and when."""

import gc
import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any
from unittest.mock import patch

from origin_middleware import Policy, persistence, runtime
from origin_middleware.stores.redis import store

from .books import Asked, Books
from .handler import Handler
from .loop import World
from .plan import LARGE, MOST, Plan, Request, Trouble
from .process import Process
from .server import Server
from .wire import Fault, Faults

# How long outcomes are written late, in seconds, and some more.
_PERSISTED = 35.0

# The longest handler, in leases, and what a client may take for its answer.
_HANDLED, _ANSWERED = 5, 15.0

# A handler that a shutdown waits for in vain.
_STOPPING = 80.0

_STOPPED = 90.0

_ANSWERS = {
    "loading": "LOADING Redis is loading the dataset in memory",
    "readonly": "READONLY You can't write against a read only replica.",
}


class Play:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.world = World()
        self.books = Books(plan)
        self.server = Server(self.world)
        self.handler = Handler(plan, self.world, self.books, self.server)
        self._numbers = 0
        self.all: list[Process] = []
        self.policy = self._policy()
        self._slots = [self._process(slot) for slot in range(plan.processes)]

    def run(self) -> Books:
        plan, world, books = self.plan, self.world, self.books
        for number, request in enumerate(plan.requests):
            world.call_at(request.at, self._ask, number, request)
        for stall in plan.stalls:
            world.call_at(stall.at, self._stall, stall.process, stall.seconds)
        for death in plan.deaths:
            world.call_at(death.at, self._kill, death.process)
        for stop in plan.stops:
            world.call_at(stop.at, self._stop, stop.process, stop.grace)
        for trouble in plan.troubles:
            world.call_at(trouble.at, self._trouble, trouble)
        world.run(plan.ends + 1.0)
        books.quiet = world.now
        for process in self.all:
            process.wire.faults = Faults({}, {})
        world.run(books.quiet + self._quiet())
        for turn in (0, 1):
            self._probe(turn)
            world.run(world.now + plan.options.patience + _ANSWERED)
        for process in self.all:
            if process.alive and process.accepts:
                process.stop(0.0)
        world.run(world.now + _STOPPED)
        self._look_around()
        return books

    def _quiet(self) -> float:
        """So long it takes until all that goes on by itself has come to its end."""
        options = self.plan.options
        kinds = {trouble.kind for trouble in self.plan.troubles}
        lost = kinds & {"lost", "promoted"}
        late = options.patience + _HANDLED * options.lease + _PERSISTED
        late += _STOPPING if self.plan.stops else 0.0
        return late + (options.quarantine if lost else 0.0)

    def end(self) -> None:
        for process in self.all:
            process.loop.bury()

    # The world outside.

    def _process(self, slot: int) -> Process:
        process = Process(self, slot, self._numbers)
        self.books.connected[self._numbers] = self.world.now
        self._numbers += 1
        self.all.append(process)
        return process

    def _ask(self, number: int, request: Request, *, is_probe: bool = False) -> None:
        slot = request.process % self.plan.processes
        process = self._slots[slot]
        if not process.accepts:
            process = self._slots[slot] = self._process(slot)
        asked = Asked(number, request, self.world.now, process.number, is_probe)
        self.books.asked.append(asked)
        process.loop.call_soon(process.ask, asked)

    def _probe(self, turn: int) -> None:
        """The same requests again, when everything has been quiet."""
        first: dict[int, Request] = {}
        for request in self.plan.requests:
            if request.key >= 0:
                first.setdefault(request.key, request)
        for key, request in sorted(first.items()):
            probe = Request(
                self.world.now, request.process + turn, key, request.variant
            )
            self._ask(1000 + 10 * turn + key, probe, is_probe=True)

    def _stall(self, slot: int, seconds: float) -> None:
        process = self._slots[slot]
        if process.alive:
            self.books.disturb(self.world.now, process.number, "stall", seconds)
            process.loop.stall(seconds)

    def _kill(self, slot: int) -> None:
        process = self._slots[slot]
        if process.alive:
            self.books.disturb(self.world.now, process.number, "death")
            process.kill()

    def _stop(self, slot: int, grace: float) -> None:
        process = self._slots[slot]
        if process.alive and process.accepts:
            process.stop(grace)

    def _trouble(self, trouble: Trouble) -> None:
        server, seconds = self.server, trouble.seconds
        now, then = self.world.now, self.world.now + trouble.seconds
        lasts = seconds
        match trouble.kind:
            case "stall":
                server.stalled_until = max(server.stalled_until, then)
            case "restart" | "lost" if not server.down:
                server.stop()
                empty = trouble.kind == "lost"
                self.world.call_at(then, partial(server.start, empty=empty))
            case "promoted" if not server.down:
                server.promote(seconds)
                lasts = 0.0
            case "clock":
                server.step += seconds
                lasts = 0.0
            case "scripts":
                server.forget_scripts()
                lasts = 0.0
            case "full":
                server.keyspace.full = True
                self.world.call_at(then, self._recover)
            case "loading" | "readonly":
                server.answers = _ANSWERS[trouble.kind]
                self.world.call_at(then, self._recover)
        self.books.disturb(now, -1, trouble.kind, lasts)

    def _recover(self) -> None:
        self.server.keyspace.full = False
        self.server.answers = ""

    def disturbed(self, process: int, fault: Fault) -> None:
        self.books.fault(self.world.now, process, fault)

    def _policy(self) -> Policy:
        options = self.plan.options
        on_abandoned: Any = options.on_abandoned
        if on_abandoned not in ("refuse", "execute"):
            on_abandoned = self.handler.reconcile
        on_failure: Any = options.on_failure
        unavailable: Any = options.on_store_unavailable
        return Policy(
            require_key=options.require_key,
            lease=options.lease,
            patience=options.patience,
            max_attempts=options.max_attempts,
            max_response_bytes=MOST,
            effects="declared" if options.declares else "any time",
            on_abandoned=on_abandoned,
            on_failure=on_failure,
            on_store_unavailable=unavailable,
        )

    def _look_around(self) -> None:
        """When all have exited."""
        for process in self.all:
            self.books.escaped += [repr(each) for each in process.loop.escaped]
            if process.alive:
                self.books.escaped.append(f"process {process.number} does not stop")
        for name, (_, expires) in self.server.keyspace.data.items():
            if expires is None:
                self.books.escaped.append(f"{name!r} without an expiry")


def play(plan: Plan) -> tuple[Books, Server]:
    """Raises Livelock."""
    with _seeded(plan.seed):
        played = Play(plan)
        try:
            return played.run(), played.server
        finally:
            played.end()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """What the code takes from the machine, it gets from the seed, and bodies above
    LARGE are kept apart."""
    rng = Random(seed ^ 0x5EED)
    persistence._backlog = persistence._Backlog()
    with (
        patch.object(os, "urandom", rng.randbytes),
        patch.object(secrets, "token_hex", lambda size: rng.randbytes(size).hex()),
        patch.object(store, "LARGE", LARGE),
        patch.object(runtime, "_check_room", lambda: None),
    ):
        yield


@contextmanager
def quietly() -> Iterator[None]:
    """No log, and no collector."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        logging.disable(before)
