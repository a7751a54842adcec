"""The README's examples run, and do what the text beside them says."""

import re
import runpy
from pathlib import Path
from typing import Any

import httpx

README = Path(__file__).parents[2] / "README.md"
FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = FENCED.findall(README.read_text())


def example(number: int, tmp_path: Path) -> dict[str, Any]:
    file = tmp_path / "example.py"
    file.write_text(EXAMPLES[number])
    return runpy.run_path(str(file))


async def test_the_first_example_does_what_is_said_below_it(tmp_path: Path) -> None:
    names = example(0, tmp_path)
    transport = httpx.ASGITransport(names["app"])
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        key = {"x-settlement-intent-id": "intent-1"}
        first = await http.post("/orders", json={"item": "tea"}, headers=key)
        second = await http.post("/orders", json={"item": "tea"}, headers=key)
        unpaid = await http.post("/orders", json={"item": "tea"})
    assert first.status_code == 201
    assert first.content == second.content
    assert second.headers["Idempotent-Replayed"] == "true"
    assert unpaid.status_code == 400
    assert names["orders"] == ["tea"]


def test_the_first_example_is_twenty_lines() -> None:
    assert len([line for line in EXAMPLES[0].splitlines() if line]) <= 20


def test_the_fastapi_example_runs(tmp_path: Path) -> None:
    names = example(1, tmp_path)
    assert names["app"].user_middleware[0].kwargs["store"] is names["store"]


def test_the_policy_example_runs(tmp_path: Path) -> None:
    names = example(2, tmp_path)
    assert names["policy_of"]({"path": "/health"}) is None
    assert names["policy_of"]({"path": "/orders"}).require_key


def test_every_example_is_tested() -> None:
    assert len(EXAMPLES) == 3


def rows(table: str) -> dict[str, list[str]]:
    """By their first cell; of the others, what is in front of the range."""
    found = [line.strip("| ").split(" | ") for line in table.splitlines()]
    cells = [[re.sub(r" \(.*\)", "", cell) for cell in row] for row in found]
    return {row[0].strip("`"): row[1:] for row in cells if len(row) in (8, 9)}


def test_the_figures_of_speed_are_those_of_the_last_run() -> None:
    speed = README.read_text().partition("## Speed")[2].partition("## More")[0]
    ours, measured = rows(speed), rows((README.parent / "docs/speed.md").read_text())
    for name, row in ours.items():
        there = name.replace(
            "origin-middleware, on FastAPI", "origin-middleware-fastapi"
        )
        figures = measured[there.removesuffix(", on FastAPI")]
        assert row[:6] == [*figures[:2], *figures[3:7]], name
    assert len(ours) >= 9


def test_nothing_more_than_at_most_once_is_promised() -> None:
    root = README.parent
    for text in [README, *root.glob("*.md"), *root.glob("docs/**/*.md")]:
        assert "exactly once" not in text.read_text().lower()
