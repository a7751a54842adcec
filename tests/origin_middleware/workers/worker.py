"""One worker process of a paid API, and the clients that all ask it with one key.

`python -m tests.origin_middleware.workers.worker` says `waiting` when every client but
the one that is served waits. It ends its handler when it reads a line, and says what
clients were told.
"""

import asyncio
import json
import os
import sys
from collections import Counter

from origin_middleware import IdempotencyMiddleware, Policy
from origin_middleware.asgi import Receive, Scope, Send
from origin_middleware.key import Key
from origin_middleware.record import Absent, Finished, Held
from origin_middleware.stores.redis import RedisStore
from tests.support.asgi import Connection, chunk, request, start


class Worker:
    def __init__(self, url: str, ledger: str, lease: float) -> None:
        self._store = RedisStore.from_url(url, budget=min(1.0, lease / 2))
        self._ledger = ledger
        policy = Policy(patience=25, lease=lease)
        self._app = IdempotencyMiddleware(self._sell, store=self._store, policy=policy)
        self._waiting = self._woken = self._executions = 0
        self._another, self._end = asyncio.Event(), asyncio.Event()

    async def serve(self, key: bytes, clients: int) -> dict[str, object]:
        self._count()
        asked = [
            asyncio.create_task(request(self._app, key=key)) for _ in range(clients)
        ]
        while self._waiting + self._executions < clients:
            self._another.clear()
            await self._another.wait()
        print("waiting", flush=True)  # noqa: T201 - to the test
        await asyncio.to_thread(sys.stdin.readline)
        self._end.set()
        answers = await asyncio.gather(*asked)
        await self._store.aclose()
        return {"told": Counter(map(_told, answers)), "woken": self._woken}

    def _count(self) -> None:
        """Who waits, and how often the server wakes this process."""
        store, wait = self._store, self._store.wait
        wake = store._session.waiting.wake

        async def waits(
            key: Key, held: Held, timeout: float, /
        ) -> Absent | Held | Finished:
            self._waiting += 1
            self._another.set()
            return await wait(key, held, timeout)

        def wakes(name: object) -> None:
            self._woken += 1
            wake(name)

        store.wait = waits  # type: ignore[method-assign] # in between, to count
        store._session.waiting.wake = wakes  # type: ignore[method-assign] # as above

    async def _sell(self, scope: Scope, receive: Receive, send: Send) -> None:
        with open(self._ledger, "ab", buffering=0) as ledger:  # noqa: ASYNC230, PTH123 - one write, at its end
            ledger.write(b"%d\n" % os.getpid())
        self._executions += 1
        self._another.set()
        await self._end.wait()
        await send(start())
        await send(chunk(b"by process %d" % os.getpid()))


def _told(answer: Connection) -> str:
    return answer.code if answer.status >= 400 else answer.body.decode()


if __name__ == "__main__":
    at, where, of, how_many, for_seconds = sys.argv[1:]
    serving = Worker(at, where, float(for_seconds)).serve(of.encode(), int(how_many))
    print(json.dumps(asyncio.run(serving)), flush=True)  # noqa: T201 - to the test
