"""Writes all of a file or nothing: nobody must ever find half a zip."""

import os
import tempfile
from pathlib import Path


def write_whole(content: bytes, file: Path) -> None:
    """For its owner only, because of what may be in it. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=file.name, suffix="~")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        temporary.replace(file)
    except BaseException:  # an interruption, too, leaves nothing behind
        temporary.unlink(missing_ok=True)
        raise
