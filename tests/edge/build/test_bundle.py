"""A zip that was damaged on its way: refused in words, whatever zipfile makes of it."""

from contextlib import suppress
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


@pytest.mark.parametrize("seed", range(10))
def test_no_damage_is_a_traceback(seed: int) -> None:
    random = Random(seed)  # noqa: S311 - no secret
    for _ in range(100):
        damaged = bytearray(CONTENT)
        for _ in range(3):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        keys_in(bytes(damaged))
        with suppress(Refused):  # some damage is where nobody looks
            opened(bytes(damaged))
