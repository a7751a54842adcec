"""A bug that is planted: text of the code, replaced."""

from pathlib import Path
from typing import NamedTuple


class Change(NamedTuple):
    file: str
    old: str
    new: str


class Bug(NamedTuple):
    name: str
    changes: tuple[Change, ...]

    def plant(self, root: Path) -> None:
        """Raises ValueError where the text is not there, or not once."""
        for change in self.changes:
            file = root / change.file
            text = file.read_text(encoding="utf-8")
            if text.count(change.old) != 1:
                raise ValueError(
                    f"{self.name}: {change.old!r} is {text.count(change.old)} times "
                    f"in {change.file}, and has to be there once"
                )
            file.write_text(text.replace(change.old, change.new), encoding="utf-8")
