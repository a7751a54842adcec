"""The README's examples run, and do what the text beside them says."""

import re
import runpy
from pathlib import Path
from typing import Any

import httpx

from origin_middleware import IdempotencyMiddleware, MemoryStore

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


async def test_the_fastapi_example_protects_the_paid_paths_alone(
    tmp_path: Path,
) -> None:
    names = example(0, tmp_path)
    app, sold = names["app"], list[str]()
    (middleware,) = app.user_middleware
    assert middleware.cls is IdempotencyMiddleware
    assert middleware.kwargs["store"] is names["store"]
    middleware.kwargs["store"] = MemoryStore()  # no server runs at the README's address

    async def report(name: str) -> str:
        sold.append(name)
        return name

    app.get("/reports/{name}")(report)
    async with asking(app) as http:
        first = await http.get("/reports/tea", headers=INTENT)
        second = await http.get("/reports/tea", headers=INTENT)
        assert (await http.get("/reports/tea")).status_code == 400
        for free in ("/docs", "/openapi.json"):
            assert (await http.get(free)).status_code == 200
    assert first.content == second.content
    assert second.headers["Idempotent-Replayed"] == "true"
    assert sold == ["tea"]


def statements(code: str) -> int:
    return len([line for line in code.splitlines() if re.match(r"[a-z]", line)])


def test_the_fastapi_example_is_six_statements() -> None:
    assert statements(EXAMPLES[0]) == 6


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
