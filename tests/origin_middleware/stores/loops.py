"""A program whose every request has an event loop of its own, as Starlette's TestClient
does it, unless it is used in a `with`.

A process apart, because a loop that ends takes its connections along, and Python says
so whenever it collects them.
"""

import asyncio
import sys

import fakeredis

from origin_middleware import IdempotencyMiddleware, MemoryStore, Store
from origin_middleware.stores.redis import RedisStore
from tests.support.asgi import App, request
from tests.support.stores import PATIENT, a_key


def main(kind: str) -> None:
    app = App()
    guarded = IdempotencyMiddleware(app, store=_store(kind))
    keys = [a_key().encode() for _ in range(2)] * 2
    statuses = [asyncio.run(request(guarded, key=key)).status for key in keys]
    print(*statuses, "executions:", app.executions)  # noqa: T201 - to the test


def _store(kind: str) -> Store:
    match kind:
        case "memory":
            return MemoryStore()
        case "fakeredis":
            return RedisStore(fakeredis.FakeAsyncRedis(), budget=PATIENT)
        case url:
            return RedisStore.from_url(url, budget=PATIENT)


if __name__ == "__main__":
    main(sys.argv[1])
