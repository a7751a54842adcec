"""The README's examples run, and do what the text beside them says."""

import asyncio
import re
import runpy
import shlex
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.running import plain_config, serving
from tests.support.servers import running, valkey

README = Path(__file__).parents[2] / "README.md"
FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = FENCED.findall(README.read_text())
INTENT = {"x-settlement-intent-id": "intent-1"}


def example(number: int, tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "example.py"
    file.write_text(EXAMPLES[number])
    return runpy.run_path(str(file))


def asking(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


STORE = 'RedisStore.from_url("redis://localhost:6379")'


@pytest.mark.parametrize("kept", ["in a server", "in memory"])
async def test_the_fastapi_example_and_the_curl_below_it(
    tmp_path: Path, kept: str
) -> None:
    start, ask = commands()
    with running(valkey()) as server:
        # As the README says how to try it without a server.
        memory = "__import__('origin_middleware').MemoryStore()"
        store = (
            memory if kept == "in memory" else f'RedisStore.from_url("{server.url}")'
        )
        assert STORE in EXAMPLES[0]
        file = tmp_path / start[1].replace(":app", ".py")
        file.write_text(EXAMPLES[0].replace(STORE, store))
        app = runpy.run_path(str(file))["app"]
        config = plain_config(app)
        config.lifespan = "on"
        with serving(app, config) as url:
            async with httpx.AsyncClient(base_url=url) as http:
                first, second = [await http.send(asked(ask, http)) for _ in range(2)]
                together = await asyncio.gather(
                    *(http.send(asked(ask, http, "2")) for _ in range(2))
                )
                unpaid = await http.post("/reports/tea")
                free = [await http.get(path) for path in ("/docs", "/openapi.json")]
    assert (first.status_code, first.json()) == (200, {"name": "tea"})
    assert "Idempotent-Replayed" not in first.headers
    assert second.content == first.content
    assert second.headers["Idempotent-Replayed"] == "true"
    assert sum("Idempotent-Replayed" in each.headers for each in together) == 1
    assert unpaid.status_code == 400
    assert [answer.status_code for answer in free] == [200, 200]


def commands() -> tuple[list[str], list[str]]:
    """What is typed to serve the example, and to ask it."""
    (block,) = re.findall(
        r"^```\n(uvicorn .*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL
    )
    start, ask = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert start == ["uvicorn", "shop:app", "--lifespan", "on"]
    assert EXAMPLES[0].startswith("# shop.py\n")
    return start, ask


def asked(curl: list[str], http: httpx.AsyncClient, intent: str = "") -> httpx.Request:
    command, _, _, method, address, _, header = curl
    name, value = header.split(": ")
    path = address.removeprefix("localhost:8000")
    assert (command, path[0]) == ("curl", "/")
    return http.build_request(method, path, headers={name: intent or value})


def statements(code: str) -> int:
    return len([line for line in code.splitlines() if re.match(r"[a-z]", line)])


def test_the_fastapi_example_is_six_statements_and_a_route() -> None:
    assert statements(EXAMPLES[0]) == 7


async def test_the_second_example_does_what_is_said_below_it(tmp_path: Path) -> None:
    names = example(1, tmp_path)
    async with asking(names["app"]) as http:
        first = await http.post("/orders", json={"item": "tea"}, headers=INTENT)
        second = await http.post("/orders", json={"item": "tea"}, headers=INTENT)
        unpaid = await http.post("/orders", json={"item": "tea"})
    assert first.status_code == 201
    assert first.content == second.content
    assert second.headers["Idempotent-Replayed"] == "true"
    assert unpaid.status_code == 400
    assert names["orders"] == ["tea"]


def test_the_second_example_is_twenty_lines() -> None:
    assert len([line for line in EXAMPLES[1].splitlines() if line]) <= 20


def test_every_example_is_tested() -> None:
    assert len(EXAMPLES) == 2


def test_the_figures_of_speed_are_those_of_the_last_run() -> None:
    speed = README.read_text().partition("## Speed")[2].partition("## More")[0]
    told = re.search(
        r"first execution (\S+) %, replay of 1 KiB (\S+) %, of 1 MiB (\S+) %", speed
    )
    page = (README.parent / "docs/speed.md").read_text()
    (row,) = re.findall(r"^\| `origin-middleware` \| (.+)$", page, re.MULTILINE)[:1]
    measured = [float(cell.split()[0]) for cell in row.split(" | ")[:4]]
    expected = [round(100 * ratio - 100) for ratio in measured]
    assert told is not None
    shown = [int(figure.replace("−", "-")) for figure in told.groups()]
    assert shown == [expected[0], expected[1], expected[3]]


def test_nothing_more_than_at_most_once_is_promised() -> None:
    root = README.parent
    for text in [README, *root.glob("*.md"), *root.glob("docs/**/*.md")]:
        assert "exactly once" not in text.read_text().lower()
