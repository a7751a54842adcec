"""A MemoryStore in a test that runs an app in threads, each with a loop of its own."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from origin_middleware import (
    Absent,
    Finished,
    Held,
    IdempotencyMiddleware,
    Key,
    MemoryStore,
    Policy,
)
from origin_middleware.asgi import Receive, Scope, Send
from tests.support.asgi import App, Connection, request

THREADS = 8


def test_one_executes_and_all_get_the_answer_when_it_is_there() -> None:
    inner, begin = App(), threading.Barrier(THREADS)
    entered, waiting = threading.Event(), threading.Semaphore(0)

    class Noting(MemoryStore):
        async def wait(
            self, key: Key, held: Held, timeout: float, /
        ) -> Absent | Held | Finished:
            waiting.release()
            return await super().wait(key, held, timeout)

    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        for _ in range(THREADS - 1):
            await asyncio.to_thread(waiting.acquire)
        await inner(scope, receive, send)

    app = IdempotencyMiddleware(
        handler, store=Noting(), policy=Policy(patience=50, lease=50)
    )

    def one() -> Connection:
        begin.wait()
        return asyncio.run(request(app))

    with ThreadPoolExecutor(THREADS) as threads:
        answers = [threads.submit(one) for _ in range(THREADS)]
        bodies = [answer.result(timeout=45).body for answer in answers]
    assert bodies == [b"done"] * THREADS
    assert inner.executions == 1
