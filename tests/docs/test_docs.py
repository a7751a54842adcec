"""What the documentation names exists."""

import ast
import re
from pathlib import Path

import pytest

from origin_middleware.decision import Refusal

ROOT = Path(__file__).parents[2]
GUARANTEES = (ROOT / "docs" / "guarantees.md").read_text()
FLOW = (ROOT / "docs" / "flow.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")]


_FUNCTION = re.compile(r"^ *(?:async )?def (\w+)\(", re.MULTILINE)


def names_of_tests() -> set[str]:
    names: set[str] = set()
    for file in ROOT.glob("tests/**/test_*.py"):
        names.update(_FUNCTION.findall(file.read_text()))
    return names


@pytest.mark.parametrize(
    ("page", "fewest"),
    [
        ("guarantees.md", 30),
        ("deploying-the-edge.md", 30),
        ("production-checklist.md", 30),
        ("proof.md", 5),
    ],
)
def test_every_test_that_a_page_names_exists(page: str, fewest: int) -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs" / page).read_text()))
    assert len(named) > fewest
    assert named - names_of_tests() == set()


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
def test_python_in_the_documentation_is_python(page: Path) -> None:
    for code in re.findall(
        r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL
    ):
        ast.parse(code)
