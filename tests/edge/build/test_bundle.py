"""A zip that was damaged on its way: refused in words, whatever zipfile makes of it."""

import zipfile
from contextlib import suppress
from io import BytesIO
from random import Random

import pytest

from edge.build.bundle import opened
from edge.build.environment import Secrets
from edge.build.routes_file import RoutesFile
from edge.build.zip import build
from edge.deploy.keys import keys_in
from edge.errors import Refused
from tests.edge.examples import KEY, ROUTES

CONTENT = build(
    Secrets("https://example.org", KEY), RoutesFile(ROUTES, "delivered")
).content
# How each file is packed, in the directory at the end of a zip.
ENTRY, METHOD = b"PK\x01\x02", 10


def test_a_bundle_is_opened() -> None:
    assert opened(CONTENT).settings.routes == ROUTES
    assert keys_in(CONTENT) is not None


def test_a_packing_that_nobody_knows_is_refused() -> None:
    damaged = bytearray(CONTENT)
    start = 0
    while (start := damaged.find(ENTRY, start + 1)) >= 0:
        damaged[start + METHOD] = 99
    with pytest.raises(Refused, match="Build it again"):
        opened(bytes(damaged))
    assert keys_in(bytes(damaged)) is None


def packed(method: int) -> bytes:
    """By somebody else's zip."""
    stream = BytesIO()
    with (
        zipfile.ZipFile(BytesIO(CONTENT)) as ours,
        zipfile.ZipFile(stream, "w", method) as theirs,
    ):
        for name in ours.namelist():
            theirs.writestr(name, ours.read(name))
    return stream.getvalue()


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    "content",
    [CONTENT, packed(zipfile.ZIP_BZIP2), packed(zipfile.ZIP_LZMA)],
    ids=["deflate", "bzip2", "lzma"],
)
def test_no_damage_is_a_traceback(content: bytes, seed: int) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    settings = content.index(b"settings.json")
    for _ in range(100):
        damaged = bytearray(content)
        damaged[settings + random.randrange(200)] = random.randrange(256)
        for _ in range(3):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        keys_in(bytes(damaged))
        with suppress(Refused):  # some damage is where nobody looks
            opened(bytes(damaged))
