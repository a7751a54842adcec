"""A bundle out of a function in a test: handler.py, and settings as in a real one."""

import inspect
import json
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from edge.build.bundle import ENTRY, SETTINGS

Event: TypeAlias = dict[str, Any]
Handler: TypeAlias = Callable[[Event, Any], Any]

NO_ROUTES: dict[str, object] = {
    "facilitatorUrl": "http://127.0.0.1:1/x402",
    "apiKey": "nf_test_bundle",
    "settle": "delivered",
    "routes": [],
    "signing": [],
}

# A handler leaves its test, so what it uses besides its arguments has to be here.
PRELUDE = """\
from __future__ import annotations
import json, os, re, sys, time
from importlib.util import find_spec
from pathlib import Path
"""


def log(text: str) -> None:
    """For handlers: a line in the function's log."""
    print(text)  # noqa: T201 - standard output is the log of a Lambda function


def pass_through(event: Event, context: Any) -> Any:
    """A handler that changes nothing."""
    cf = event["Records"][0]["cf"]
    return cf.get("response", cf["request"])


def bundle(folder: Path, handler: Handler | str) -> Path:
    """A zip whose `handler.handler` is this function; or whose module is this text."""
    module = handler if isinstance(handler, str) else _module(handler)
    path = folder / "function.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(ENTRY, module)
        archive.writestr(SETTINGS, json.dumps(NO_ROUTES))
    return path


def _module(handler: Handler) -> str:
    name = f"handler = {handler.__name__}\n"
    return "\n".join((PRELUDE, _source(log), _source(handler), name))


def _source(function: Callable[..., Any]) -> str:
    return textwrap.dedent(inspect.getsource(function))
