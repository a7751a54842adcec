"""Rows of figures, as Markdown."""

Row = dict[str, str | int]


def table(rows: list[Row]) -> str:
    """With the keys of the first row as its head."""
    head = [list(rows[0]), ["---"] * len(rows[0])]
    body = [[_cell(value) for value in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in head + body)


def _cell(value: str | int) -> str:
    return value if isinstance(value, str) else f"{value:,}"
