"""Hundreds of clients with one key, on several worker processes at once."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from redis import Redis

from origin_middleware import IdempotencyMiddleware
from origin_middleware.stores.redis import RedisStore, scripts
from tests.origin_middleware.stores.topologies.names import record_name
from tests.support.asgi import App, request
from tests.support.servers import RedisServer, running, valkey
from tests.support.stores import PATIENT
from tests.support.topologies import until

pytestmark = pytest.mark.slow

WORKERS, CLIENTS = 4, 300
LEASE = 10.0

# One for all requests, one that is woken, and one for large responses.
MOST_CONNECTIONS = 3


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running(valkey()) as server:
        yield server


@pytest.fixture
def admin(server: RedisServer) -> Iterator[Redis]:
    with Redis(port=server.port) as admin:
        for script in (scripts.CLAIM, scripts.WATCH, scripts.COMPLETE):
            admin.script_load(script.source)
        yield admin


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    """One line for every execution: the process that began it."""
    path = tmp_path / "ledger"
    path.touch()
    return path


@dataclass(frozen=True)
class Worker:
    name: str
    process: subprocess.Popen[str]

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end_handlers(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("end\n")
        self.process.stdin.flush()


@contextmanager
def storm(
    server: RedisServer, ledger: Path, key: str, lease: float = LEASE
) -> Iterator[list[Worker]]:
    """All ask at once, and all but one wait: they are registered to be woken."""
    with ExitStack() as stack, Redis(port=server.port) as admin:
        workers = []
        for name in (f"worker-{n}" for n in range(WORKERS)):
            url = f"{server.url}?client_name={name}"
            what = (url, str(ledger), key, str(CLIENTS), str(lease))
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.origin_middleware.workers.worker", *what],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            workers.append(Worker(name, process))
        assert [worker.says() for worker in workers] == ["waiting"] * WORKERS
        until(lambda: _waiting_processes(admin, key) == WORKERS, "all are registered")
        yield workers


def _waiting_processes(admin: Redis, key: str) -> int:
    """A record in progress ends with their channels."""
    record: Any = admin.get(record_name(key))
    return int(record[118:].count(b","))


def calls(admin: Redis, *commands: str) -> int:
    stats: Any = admin.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in commands)


def test_a_storm_executes_once_and_costs_the_server_little(
    server: RedisServer, admin: Redis, ledger: Path
) -> None:
    with storm(server, ledger, token_hex(8)) as workers:
        clients: Any = admin.client_list()
        connections = Counter(client["name"] for client in clients)
        for worker in workers:
            worker.end_handlers()
        said = [json.loads(worker.says()) for worker in workers]
    (executed_by,) = ledger.read_text().split()
    told = sum((Counter(one["told"]) for one in said), Counter[str]())
    assert told == {f"by process {executed_by}": WORKERS * CLIENTS}
    assert [one["woken"] for one in said] == [1] * WORKERS
    assert calls(admin, "publish") == WORKERS
    assert calls(admin, "evalsha", "eval") <= 2 * WORKERS * CLIENTS
    for worker in workers:
        assert 1 <= connections[worker.name] <= MOST_CONNECTIONS


def test_when_the_process_that_executes_dies_nobody_else_executes(
    server: RedisServer, ledger: Path
) -> None:
    key = token_hex(8)
    with storm(server, ledger, key, lease=1.0) as workers:
        (executing,) = ledger.read_text().split()
        for worker in workers:
            if worker.process.pid == int(executing):
                worker.process.kill()
            else:
                worker.end_handlers()
        alive = [worker for worker in workers if worker.process.pid != int(executing)]
        said = [json.loads(worker.says()) for worker in alive]
    assert [one["told"] for one in said] == [{"outcome-unknown": CLIENTS}] * 3
    assert asyncio.run(asked_again(server, key)) == "outcome-unknown"
    assert len(ledger.read_text().split()) == 1


async def asked_again(server: RedisServer, key: str) -> str:
    """By somebody who comes later, in a process that knows of nothing."""
    store, app = RedisStore.from_url(server.url, budget=PATIENT), App()
    guarded = IdempotencyMiddleware(app, store=store)
    answer = await request(guarded, key=key.encode())
    await store.aclose()
    assert not app.executions
    return answer.code
