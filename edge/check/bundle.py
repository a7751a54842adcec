"""The bundle on this machine, which the deployed version is compared with."""

from pathlib import Path

from ..deploy.bundle import Bundle, BundleRefused, opened

__all__ = ["Bundle", "BundleRefused", "read_bundle"]


def read_bundle(file: Path) -> Bundle:
    """Raises BundleRefused."""
    try:
        return opened(file.read_bytes())
    except OSError as wrong:
        raise BundleRefused(
            f"{file} cannot be read: {wrong.strerror}."
            " Name the zip that python -m edge build wrote."
        ) from wrong
    except BundleRefused as refused:
        raise BundleRefused(f"{file} {refused}") from refused
