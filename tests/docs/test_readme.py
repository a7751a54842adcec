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


def test_nothing_more_than_at_most_once_is_promised() -> None:
    root = README.parent
    for text in [README, *root.glob("*.md"), *root.glob("docs/**/*.md")]:
        assert "exactly once" not in text.read_text().lower()
