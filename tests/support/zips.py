"""Zips that are like another one but for a file."""

import warnings
import zipfile
from io import BytesIO


def rewritten(content: bytes, name: str, new: bytes | None) -> bytes:
    """With other bytes in this file, with this file as well, or without it."""
    files = _files(content)
    kept = [(each, old) for each, old in files if each != name]
    return _zipped(kept if new is None else [*kept, (name, new)])


def doubled(content: bytes, name: str, first: bytes) -> bytes:
    """With a second file of this name, before the one that Python reads."""
    return _zipped([(name, first), *_files(content)])


def _files(content: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return [(each.filename, archive.read(each)) for each in archive.filelist]


def _zipped(files: list[tuple[str, bytes]]) -> bytes:
    stream = BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # zipfile says so when a name comes twice
        for name, content in files:
            archive.writestr(name, content)
    return stream.getvalue()
