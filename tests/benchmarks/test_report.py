"""What is said about a run: ratios of one round, and failures with their reason."""

from pathlib import Path

from benchmarks.measures import FIRST, NO_KEY, REPLAY
from benchmarks.report import markdown, terminal
from benchmarks.report.figures import Spread, Table, control, failure, ratio
from benchmarks.report.markdown import as_markdown
from benchmarks.report.terminal import as_text
from benchmarks.rows import ROWS
from tests.benchmarks.examples import results

SPEED = Path(__file__).parents[2] / "docs/speed.md"


def test_ratios_are_taken_inside_a_round() -> None:
    found = ratio(results(), FIRST, "ours")
    assert found is not None
    assert [round(figure, 6) for figure in found] == [1.1, 1.0, 2.0]


def test_the_floor_has_the_ratio_one() -> None:
    assert ratio(results(), FIRST, "floor") == Spread(1.0, 1.0, 1.0)


def test_without_a_key_the_bare_app_is_the_control() -> None:
    assert control(results(), NO_KEY, "ours") == "bare"
    assert control(results(), FIRST, "ours") == "floor"


def test_what_was_not_measured_has_no_ratio() -> None:
    assert ratio(results(), REPLAY, "slow") is None
    assert failure(results(), REPLAY.name, "slow") == "does not replay"


def test_a_row_that_did_not_start_failed_in_everything() -> None:
    assert failure(results(), REPLAY.name, "missing") == "No module named 'missing'"


def test_the_terminal_shows_failures_with_their_reason() -> None:
    lines = terminal.text(results()).splitlines()
    begun = lines.index("Replay of 1 KiB")
    section = lines[begun : lines.index("", begun)]
    assert any("slow" in line and "does not replay" in line for line in section)
    assert any("missing" in line and "No module" in line for line in section)
    assert "    replays a 204: no" in lines


def test_the_worst_storm_is_shown() -> None:
    line = next(x for x in terminal.text(results()).splitlines() if "1 × 409" in x)
    assert line.split() == ["ours", "2", "299", "70", "1", "×", "409"]


def test_markdown_has_a_row_for_everybody_and_every_reason() -> None:
    text = markdown.text(results())
    head, _, *rows = text.split("\n\n")[0].splitlines()
    assert head.startswith("|  | first execution | replay, 1 KiB |")
    cells = {row.split(" | ")[0]: row.split(" | ")[1:3] for row in rows}
    assert cells == {
        "| `floor-again`": ["1.00 (1.00–1.00)", "1.00 (1.00–1.00)"],
        "| `ours`": ["1.10 (1.00–2.00)", "1.10 (1.00–2.00)"],
        "| `slow`": ["4.00 (4.00–4.00)", "fails"],
        "| `missing`": ["fails", "fails"],
    }
    assert "`slow` fails (replay, 1 KiB): does not replay." in text
    assert "| 2 | 299 | 409 | 70 ms | 4.0 |" in text
    assert "**no**" in text


def test_the_page_of_speed_has_every_row_and_every_column() -> None:
    head = markdown.text(results()).splitlines()[0]
    table = SPEED.read_text().partition(f"{head}\n")[2].partition("\n\n")[0]
    shown = [line.split("`")[1] for line in table.splitlines()[1:]]
    measured = [row.name for row in ROWS if row.kind != "control"]
    assert shown == [*markdown.SHOWN_CONTROLS, *measured]


def test_a_table_is_aligned() -> None:
    table = Table("Title", ["", "µs", ""], [["a", "1", ""], ["bcd", "100", "why"]])
    assert as_text(table).splitlines() == [
        "Title",
        "        µs",
        "  a      1",
        "  bcd  100  why",
    ]
    assert as_markdown(table).splitlines()[1] == "| --- | --: | --: |"
