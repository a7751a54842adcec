"""A table, for a terminal or in Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def as_text(table: Table) -> str:
    """Figures to the right; the first column and the last one have words."""
    columns = list(zip(table.head, *table.rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    lines = [table.title, *([table.note] if table.note else [])]
    for first, *figures, last in (table.head, *table.rows):
        cells = [first.ljust(widths[0])]
        between = zip(figures, widths[1:-1], strict=True)
        cells += [cell.rjust(width) for cell, width in between]
        lines.append("  ".join(["", *cells, last]).rstrip())
    return "\n".join(lines)


def as_markdown(table: Table) -> str:
    lines = [table.head, ["---", *["--:" for _ in table.head[1:]]], *table.rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
