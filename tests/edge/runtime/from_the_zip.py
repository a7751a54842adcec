"""The handler out of a built bundle, in this process, beside the sources it is from."""

import sys
import zipfile
from importlib import import_module
from pathlib import Path
from typing import Any

OURS = ("edge", "handler")


def handler_in(bundle: Path) -> Any:
    """Its modules have the names of ours, so ours step aside while it is imported."""
    folder = bundle.with_suffix("")
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(folder)
    aside = {
        name: sys.modules.pop(name) for name in list(sys.modules) if _is_ours(name)
    }
    sys.path.insert(0, str(folder))
    try:
        handler = import_module("handler").handler
    finally:
        sys.path.remove(str(folder))
        for name in filter(_is_ours, list(sys.modules)):
            del sys.modules[name]
        sys.modules.update(aside)
    return handler


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in OURS
