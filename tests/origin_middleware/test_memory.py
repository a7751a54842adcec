"""Bodies do not have to fit in memory, and waiting is cheap."""

import shutil
import subprocess
import sys
import tempfile

import pytest

from tests.origin_middleware.memory import DUPLICATES

pytestmark = pytest.mark.slow

MIB = 2**20


def growth(case: str) -> int:
    command = [sys.executable, "-m", "tests.origin_middleware.memory", case]
    return int(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.mark.skipif(
    shutil.disk_usage(tempfile.gettempdir()).free < 2**31,
    reason="a large body waits in a temporary file, and there is no room for it",
)
def test_an_upload_of_a_gibibyte_does_not_have_to_fit_in_memory() -> None:
    assert growth("upload") < 16 * MIB


def test_a_download_of_a_gibibyte_does_not_have_to_fit_in_memory() -> None:
    assert growth("download") < 16 * MIB


def test_a_waiting_duplicate_takes_less_than_ten_kibibytes() -> None:
    assert growth("duplicates") / DUPLICATES < 10 * 1024
