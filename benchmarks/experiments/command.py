"""The command of an experiment: it prints one table for each section."""

import argparse
import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.servers import SERVERS

Cells = dict[str, str | int]
"""One line of a table, by column."""
Section = Callable[[Path], Coroutine[Any, Any, list[Cells]]]


def arguments(
    description: str | None, sections: Sequence[str]
) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("sections", nargs="*", default=sections)
    parser.add_argument("--server", default="valkey-9", choices=SERVERS)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    return parser


def run(options: argparse.Namespace, sections: Mapping[str, Section]) -> None:
    binary = SERVERS[options.server]()
    if binary is None:
        raise SystemExit(f"{options.server} is not on this machine.")
    found = {}
    for name in options.sections:
        found[name] = asyncio.run(sections[name](binary))
        print(f"\n{name}, {options.server}\n\n{_table(found[name])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))


def _table(lines: list[Cells]) -> str:
    """In Markdown, with the keys of the first line as its head."""
    head = [list(lines[0]), ["---"] * len(lines[0])]
    body = [[_shown(value) for value in line.values()] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in head + body)


def _shown(value: str | int) -> str:
    return value if isinstance(value, str) else f"{value:,}"
