"""Ratios: taken inside a round, because only there the conditions were the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from benchmarks.measures import NO_KEY, Measure
from benchmarks.results import Results


class Spread(NamedTuple):
    """The median, and the range."""

    middle: float
    least: float
    most: float


def spread(figures: list[float]) -> Spread:
    return Spread(median(figures), min(figures), max(figures))


def figure(results: Results, measure: Measure, row: str) -> Spread | None:
    figures = results["rounds"].get(measure.name, {}).get(row)
    return spread(figures) if figures else None


def ratio(results: Results, measure: Measure, row: str) -> Spread | None:
    """To the control of the same framework and the same rounds."""
    figures = results["rounds"].get(measure.name, {})
    own, theirs = figures.get(row), figures.get(control(results, measure, row))
    if not own or not theirs:
        return None
    return spread([a / b for a, b in zip(own, theirs, strict=True)])


def control(results: Results, measure: Measure, row: str) -> str:
    """Without a key nothing is asked of Redis: the bare app is the control."""
    info = results["rows"][row]
    return info["bare"] if measure == NO_KEY else info["floor"]


def failure(results: Results, what: str, row: str) -> str:
    """Why there is no figure; empty where there is one."""
    failures = results["failures"]
    return failures.get("start", {}).get(row) or failures.get(what, {}).get(row, "")


def span(figures: Spread) -> str:
    return f"{figures.least:.2f}–{figures.most:.2f}"


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
