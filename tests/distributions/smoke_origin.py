"""What is installed protects a FastAPI app on a real server. It runs in an empty
folder, with FastAPI, uvicorn and the wheel, and imports nothing of this repository.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from importlib.metadata import metadata
from importlib.resources import files
from pathlib import Path

import uvicorn
from fastapi import FastAPI

import origin_middleware
from origin_middleware import IdempotencyMiddleware, MemoryStore, Policy
from origin_middleware.openapi import document
from origin_middleware.stores.redis import RedisStore

INTENT = {"x-settlement-intent-id": "intent-1"}

sold: list[str] = []
app = FastAPI()
app.add_middleware(
    IdempotencyMiddleware,
    store=MemoryStore(),
    policy={"/reports/*": Policy(require_key=True)},
)
document(app)


@app.post("/reports/{name}")
async def report(name: str) -> dict[str, int]:
    sold.append(name)
    return {"number": len(sold)}


def comes_from_the_wheel() -> None:
    assert "site-packages" in Path(origin_middleware.__file__).parts
    package = files("origin_middleware")
    assert package.joinpath("py.typed").is_file()
    RedisStore.from_url("redis://127.0.0.1:1")  # redis and our Lua are there
    assert metadata("origin-middleware")["Name"] == "origin-middleware"


def sells_once() -> None:
    with serving() as port:
        first, second = (post(port, INTENT) for _ in range(2))
        assert first[0] == second[0] == 200
        assert first[2] == second[2] == {"number": 1}
        assert (first[1], second[1]) == (None, "true")
        status, _, problem = post(port, {})
    assert (status, problem["code"]) == (400, "key-missing")
    assert sold == ["tea"]


def documents_its_answers() -> None:
    described = app.openapi()["paths"]["/reports/{name}"]["post"]["responses"]
    assert "application/problem+json" in described["409"]["content"]


@contextmanager
def serving() -> Iterator[int]:
    config = uvicorn.Config(app, port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def post(
    port: int, headers: dict[str, str]
) -> tuple[int, str | None, dict[str, object]]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/reports/tea", headers=headers)
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, response.headers["Idempotent-Replayed"], body


if __name__ == "__main__":
    for step in (comes_from_the_wheel, sells_once, documents_its_answers):
        step()
        print(f"origin-middleware {step.__name__.replace('_', ' ')}")
