"""100,000 hostile paths and 10,000 ordinary ones, on six applications.

A path is free only if no server and no proxy in front of it reads it as a gated one.
"""

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from posixpath import normpath
from random import Random
from time import monotonic
from typing import NamedTuple
from urllib.parse import unquote

import pytest
from starlette.types import Message, Scope

from edge.runtime.gate import Ambiguous, Free, Gated, admit
from sample_origin.processes import free_port
from tests.edge.runtime.hostile_paths import hostile, ordinary, seeded
from tests.edge.runtime.paid_origins import PaidOrigin, paid_origins
from tests.support.running import command

pytestmark = pytest.mark.slow

HOSTILE, ORDINARY, SEED = 100_000, 10_000, 20260207


def whole(raw: str) -> str:
    """uvicorn with h11, and Hypercorn."""
    return unquote(raw)


def without_fragment(raw: str) -> str:
    """uvicorn with httptools, and Granian."""
    return unquote(raw.partition("#")[0])


def plain(path: str) -> str:
    """Empty and dot segments removed, as nginx does it before it hands a path on."""
    return normpath("/" + path.lstrip("/")) + ("/" if path.endswith("/") else "")


def made_plain(raw: str) -> str:
    return plain(without_fragment(raw))


def made_plain_by_rfc_3986(raw: str) -> str:
    """Where an empty segment is one that `..` removes."""
    kept: list[str] = []
    for segment in without_fragment(raw).split("/")[1:]:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return plain("/" + "/".join(kept))


def without_parameters(raw: str) -> str:
    """A servlet container: each segment ends at a semicolon."""
    segments = raw.partition("#")[0].split("/")
    return plain(unquote("/".join(each.partition(";")[0] for each in segments)))


def on_windows(raw: str) -> str:
    return plain(without_fragment(raw).replace("\\", "/")).lower()


def read_again(raw: str) -> str:
    """A proxy that hands the decoded path on as it is, to be parsed once more."""
    return re.split("[?#\0]", without_fragment(raw), maxsplit=1)[0]


READINGS = (
    *(whole, without_fragment, made_plain, made_plain_by_rfc_3986),
    *(without_parameters, on_windows, read_again),
)


@pytest.fixture(scope="module")
def origins(tmp_path_factory: pytest.TempPathFactory) -> list[PaidOrigin]:
    return paid_origins(tmp_path_factory.mktemp("origins"))


async def answered(origin: PaidOrigin, path: str) -> str:
    """What the application says to somebody who asks for this decoded path."""
    said: list[bytes] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        said.append(message.get("body", b""))

    scope: Scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"origin")],
    }
    await origin.app(scope, receive, send)
    return b"".join(said).decode()


async def is_paid(origin: PaidOrigin, raw: str) -> bool:
    """Whether anybody reads this path in such a way that it leads to a paid handler."""
    for path in {reading(raw) for reading in READINGS}:
        if await answered(origin, path) == "paid":
            return True
    return False


def is_free(origin: PaidOrigin, raw: str) -> bool:
    return isinstance(admit("GET", raw, origin.routes), Free)


class Tried(NamedTuple):
    """Of so many hostile paths."""

    reached: int
    passed_a_prefix: int
    """A gate that compares the beginning of the path would have let these in free."""
    free: list[str]


async def tried(origin: PaidOrigin, random: Random, count: int) -> Tried:
    candidates = [hostile(random, random.choice(origin.targets)) for _ in range(count)]
    paid = [raw for raw in candidates if await is_paid(origin, raw)]
    prefixes = tuple(path.removesuffix("*") for path in origin.gated)
    return Tried(
        reached=len(paid),
        passed_a_prefix=sum(not raw.startswith(prefixes) for raw in paid),
        free=[raw for raw in paid if is_free(origin, raw)],
    )


async def test_no_hostile_path_reaches_a_paid_handler_free(
    origins: list[PaidOrigin],
) -> None:
    random, each = seeded(SEED), HOSTILE // len(origins) + 1
    results = {origin.name: await tried(origin, random, each) for origin in origins}
    assert {name: result.free for name, result in results.items()} == {
        origin.name: [] for origin in origins
    }
    # Else the paths are too wild, and nothing was tried.
    assert sum(result.reached for result in results.values()) > 0.35 * HOSTILE
    assert sum(result.passed_a_prefix for result in results.values()) > 0.15 * HOSTILE
    assert all(result.reached > each / 4 for result in results.values())


async def test_no_ordinary_path_is_gated(origins: list[PaidOrigin]) -> None:
    random = seeded(SEED)
    for origin in origins:
        for _ in range(ORDINARY // len(origins) + 1):
            path = ordinary(random, origin.gated)
            assert not await is_paid(origin, path)
            assert is_free(origin, path), f"{path} on {origin.name}"


async def test_the_targets_are_paid_and_gated_as_written(
    origins: list[PaidOrigin],
) -> None:
    for origin in origins:
        for path in origin.targets:
            assert await answered(origin, path) == "paid"
            assert isinstance(admit("GET", path, origin.routes), Gated)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("files", "/../static/premium/a.pdf"),
        ("files", "/files/../static/premium/a.pdf"),
        ("files", "/files/%2e%2e%2f..%2fsrv/static/docs/paid/a.pdf"),
        ("mounted", "/v1//x//../..//ask"),
        ("fastapi", "/x%3f/../shop/checkou%74#x"),
    ],
)
async def test_a_path_that_once_was_free(
    origins: list[PaidOrigin], name: str, path: str
) -> None:
    origin = next(each for each in origins if each.name == name)
    assert await is_paid(origin, path)
    assert isinstance(admit("GET", path, origin.routes), Ambiguous)


COMMANDS = {
    "h11": ("uvicorn", "--http", "h11", "--log-level", "critical", "--port"),
    "httptools": (
        "uvicorn",
        "--http",
        "httptools",
        "--log-level",
        "critical",
        "--port",
    ),
    "hypercorn": ("hypercorn", "--bind"),
    "granian": ("granian", "--interface", "asgi", "--loop", "asyncio", "--port"),
}
READS = {
    "h11": whole,
    "hypercorn": whole,
    "httptools": without_fragment,
    "granian": without_fragment,
}


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, int]]:
    """The four, started at once."""
    ports = {name: free_port() for name in COMMANDS}
    with ExitStack() as stack:
        for name, arguments in COMMANDS.items():
            where = (
                f"127.0.0.1:{ports[name]}" if name == "hypercorn" else str(ports[name])
            )
            process = stack.enter_context(
                command("-m", *arguments, where, "tests.edge.runtime.echo:app")
            )
            # Its group as well: a server may have workers, which outlive it.
            stack.callback(os.killpg, process.pid, signal.SIGKILL)
        for port in ports.values():
            wait_for(port)
        yield ports


def wait_for(port: int) -> None:
    deadline = monotonic() + 20
    while monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
    raise TimeoutError(f"nothing listens on port {port}")


def path_read_by(port: int, target: str) -> str | None:
    """None where the server refuses the request."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        lines = (f"GET {target} HTTP/1.1", "Host: a", "Connection: close", "", "")
        connection.sendall("\r\n".join(lines).encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return body.decode() if b" 200 " in head.partition(b"\r\n")[0] else None


@pytest.mark.parametrize("name", COMMANDS)
def test_a_server_reads_a_path_as_is_said_above(
    servers: dict[str, int], name: str
) -> None:
    random, read = seeded(SEED), 0
    for _ in range(400):
        target = hostile(random, "/premium/a.pdf")
        path = path_read_by(servers[name], target.partition("?")[0])
        if path is not None:
            assert path == READS[name](target.partition("?")[0]), target
            read += 1
    assert read > 300
