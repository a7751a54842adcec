"""All of a file or nothing."""

from pathlib import Path

import pytest

from edge.whole_file import write_whole


def test_a_file_is_replaced_and_is_its_owners(tmp_path: Path) -> None:
    file = tmp_path / "a.zip"
    file.write_bytes(b"before")
    write_whole(b"after", file)
    assert file.read_bytes() == b"after"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [*tmp_path.iterdir()] == [file]


def test_what_cannot_be_replaced_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "a.zip"
    folder.mkdir()
    with pytest.raises(IsADirectoryError):
        write_whole(b"after", folder)
    assert [*tmp_path.iterdir()] == [folder]
