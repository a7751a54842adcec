"""A bundle: the zip, and the settings that are inside. Reads one from its file."""

import json
import struct
import zipfile
import zlib
from base64 import b64encode
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

try:
    from lzma import LZMAError
except ImportError:  # a Python without it raises RuntimeError
    LZMAError = RuntimeError  # type: ignore[misc, assignment]

from ..errors import COMMAND, Refused
from ..runtime.settings import Settings, SettingsError, parse

# In the zip, the folder `edge/runtime` is called `edge`. Its modules have only relative
# imports, so they run under both names. A rotation reads the settings of versions that
# were deployed earlier: they must stay where they are.
PACKAGE = "edge"
SETTINGS = f"{PACKAGE}/settings.json"
ENTRY = "handler.py"

_NOT_OURS = f"is not a bundle of this version. Build it again with {COMMAND} build."

# Raised for a zip that is damaged, cut off, or not ours. RuntimeError: it asks
# for a password, or is packed in a way that Python does not know.
DAMAGED = (
    ValueError,
    KeyError,
    EOFError,
    OSError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    LZMAError,
)


class Bundle(NamedTuple):
    content: bytes
    settings: Settings

    @property
    def digest(self) -> bytes:
        return sha256(self.content).digest()

    @property
    def code(self) -> str:
        """The digest as AWS shows it: CodeSha256."""
        return b64encode(self.digest).decode()

    @property
    def files(self) -> tuple[tuple[str, int], ...]:
        """Names and sizes."""
        with zipfile.ZipFile(BytesIO(self.content)) as archive:
            return tuple((file.filename, file.file_size) for file in archive.filelist)

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(route.path for route in self.settings.routes)


def read_bundle(file: Path) -> Bundle:
    """Raises Refused."""
    try:
        return opened(file.read_bytes())
    except OSError as wrong:
        raise Refused(
            f"{file} cannot be read: {wrong.strerror}."
            f" Name the zip that {COMMAND} build wrote."
        ) from wrong
    except Refused as refused:
        raise Refused(f"{file} {refused}") from refused


def opened(content: bytes) -> Bundle:
    try:
        return Bundle(content, parse(document(content)))
    except (SettingsError, *DAMAGED) as wrong:
        raise Refused(_NOT_OURS) from wrong


def document(content: bytes) -> Any:
    """The settings as they were baked in. Raises one of DAMAGED."""
    with zipfile.ZipFile(BytesIO(content)) as archive:
        archive.getinfo(ENTRY)
        return json.loads(archive.read(SETTINGS))
