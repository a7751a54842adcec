"""What the documentation names exists."""

import ast
import re
from pathlib import Path

import pytest

from origin_middleware.decision import Refusal
from origin_middleware.events import ALARMS

ROOT = Path(__file__).parents[2]
RULES = ROOT / "docs" / "dashboards" / "prometheus.rules.yaml"
OPERATIONS = ROOT / "docs" / "operations.md"
GUARANTEES = (ROOT / "docs" / "guarantees.md").read_text()
FLOW = (ROOT / "docs" / "flow.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]


_FUNCTION = re.compile(r"^ *(?:async )?def (\w+)\(", re.MULTILINE)


def names_of_tests() -> set[str]:
    names: set[str] = set()
    for file in ROOT.glob("tests/**/test_*.py"):
        names.update(_FUNCTION.findall(file.read_text()))
    return names


def test_every_test_that_a_page_names_exists() -> None:
    text = "".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"`(test_\w+)`", text))
    assert len(named) > 200
    assert named - names_of_tests() == set()


def test_every_target_of_make_is_listed_for_contributors() -> None:
    makefile = (ROOT / "Makefile").read_text()
    listed = re.findall(
        r"^make ([\w-]+) +# ", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE
    )
    (targets,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert sorted([*listed, "demo-page"]) == sorted(targets.split())


def test_every_row_of_the_guarantees_names_what_shows_it() -> None:
    body = GUARANTEES.partition("## What can break")[0]
    rows = [line for line in body.splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith("| what fails")]
    assert all("`test_" in row or "the table below" in row for row in rows)


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_is_in_the_table_of_outcomes(refusal: Refusal) -> None:
    assert f"`{refusal.value}`" in FLOW


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_a_page_lead_to_a_heading(page: Path) -> None:
    for file, place in re.findall(r"\]\(([\w./-]*)#([\w-]+)\)", page.read_text()):
        assert place in headings(page.parent / file if file else page), place


def headings(page: Path) -> set[str]:
    """As they are linked to."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_table_has_a_head_and_rows_of_one_length(page: Path) -> None:
    for table in re.findall(r"(?:^\|.*\|\n)+", page.read_text(), re.MULTILINE):
        rows = re.sub(r"`[^`\n]*`", "", table).splitlines()
        assert set(rows[1]) <= set("|-: "), rows[0]
        assert len({row.count("|") for row in rows}) == 1, rows[0]


def test_the_events_that_are_said_to_be_warnings_are() -> None:
    page = OPERATIONS.read_text()
    table = page.partition("| event | meaning | action |")[2].partition("\n\n")[0]
    rows = [re.findall(r"`(\w+)", row.split("|")[1]) for row in table.splitlines()[2:]]
    warnings = {alarm.__name__ for alarm in ALARMS}
    assert {names[0] for names in rows[: len(ALARMS)]} == warnings
    assert len(ALARMS) == 7  # the page says "the first seven"
    assert "the first seven to the log" in page


def test_an_alert_leads_to_a_heading() -> None:
    places = re.findall(r"docs/operations\.md#([\w-]+)", RULES.read_text())
    assert len(places) == 10
    assert set(places) <= headings(OPERATIONS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_documentation_is_python(page: Path) -> None:
    for code in re.findall(
        r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL
    ):
        ast.parse(code)
