"""A command that prints tables, section by section, of a server that is chosen."""

import argparse
import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.table import Row, table
from tests.support.servers import SERVERS

Section = Callable[[Path], Coroutine[Any, Any, list[Row]]]


def arguments(
    description: str | None, sections: Sequence[str]
) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("sections", nargs="*", default=sections)
    parser.add_argument("--server", default="valkey-9", choices=SERVERS)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    return parser


def run(options: argparse.Namespace, sections: Mapping[str, Section]) -> None:
    binary = SERVERS[options.server]()
    if binary is None:
        raise SystemExit(f"{options.server} is not on this machine.")
    found = {}
    for name in options.sections:
        found[name] = asyncio.run(sections[name](binary))
        print(f"\n{name}, {options.server}\n\n{table(found[name])}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2))
