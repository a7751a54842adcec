"""The examples of docs/flow.md and docs/metrics.md run as they are pasted."""

import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from fastapi import FastAPI, Request

from origin_middleware import IdempotencyMiddleware, MemoryStore, Policy, attempt_of

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FLOW = BLOCK.findall((ROOT / "docs" / "flow.md").read_text())
METRICS = BLOCK.findall((ROOT / "docs" / "metrics.md").read_text())
INTENT = {"x-settlement-intent-id": "intent-1"}

# What the examples call of a seller's own.
SELLER = """
from typing import Any

shipped: list[object] = []
ledger: Any = None


async def printer_is_ready() -> bool:
    return True


async def ship(body: object = None, idempotency_key: str = "") -> None:
    shipped.append(body or idempotency_key)

"""


def names_of(code: str, folder: Path) -> dict[str, Any]:
    file = folder / "example.py"
    file.write_text(SELLER + code)
    return runpy.run_path(str(file))


def selling(handler: Callable[..., Any], policy: Policy) -> httpx.AsyncClient:
    app = FastAPI()
    app.add_middleware(IdempotencyMiddleware, store=MemoryStore(), policy=policy)
    app.post("/orders")(handler)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers=INTENT
    )


@pytest.mark.parametrize(
    ("said", "shipped"), [("effects", {"item": "tea"}), ("outcome", "intent-1")]
)
async def test_what_a_handler_says_works_as_a_route_of_fastapi(
    tmp_path: Path, said: str, shipped: object
) -> None:
    (code,) = [each for each in FLOW if "async def order" in each and said in each]
    names = names_of(code, tmp_path)
    policy = names.get("PAID", Policy(require_key=True))
    async with selling(names["order"], policy) as http:
        answers = [await http.post("/orders", json={"item": "tea"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert names["shipped"] == [shipped]


async def test_a_handler_that_is_not_async_says_that_its_effects_begin() -> None:
    begun: list[bool] = []

    def order(request: Request) -> None:
        attempt = attempt_of(request.scope)
        assert attempt is not None
        anyio.from_thread.run(attempt.effects_begin)
        begun.append(not attempt.did_nothing())

    line = "`anyio.from_thread.run(attempt.effects_begin)`"
    assert line in (ROOT / "docs" / "flow.md").read_text()
    policy = Policy(require_key=True, effects="declared")
    async with selling(order, policy) as http:
        assert (await http.post("/orders")).status_code == 200
    assert begun == [True]


def test_the_example_with_a_schema_can_be_pasted(tmp_path: Path) -> None:
    (code,) = [each for each in FLOW if "document(app)" in each]
    paths = names_of(code, tmp_path)["app"].openapi()["paths"]
    assert paths == {}


def test_the_example_of_opentelemetry_can_be_pasted(tmp_path: Path) -> None:
    assert names_of(METRICS[1], tmp_path)["telemetry"] is not None


READ = """
import asyncio
import httpx


async def read() -> None:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        print((await http.get("/reports/tea")).status_code)
        print((await http.get("/metrics/")).text)


asyncio.run(read())
"""


def test_the_example_of_prometheus_can_be_pasted_and_read_without_a_key(
    tmp_path: Path,
) -> None:
    """In a process of its own, because the registry is one for all of it."""
    (tmp_path / "example.py").write_text(METRICS[0] + READ)
    read = subprocess.run(
        [sys.executable, str(tmp_path / "example.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert read.stdout.startswith("400\n"), read.stderr
    assert 'reason="key-missing"' in read.stdout
    assert 'policy="reports"' in read.stdout


@pytest.mark.slow
def test_the_examples_are_typed(tmp_path: Path) -> None:
    for number, code in enumerate([*FLOW, *METRICS]):
        (tmp_path / f"example_{number}.py").write_text(SELLER + code)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
