"""Every topology on every server that can do it, and well when a test gets it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from sample_origin.processes import NoServerError
from tests.origin_middleware.stores.conftest import UVLOOP
from tests.support.servers import SERVERS
from tests.support.topologies import (
    Cluster,
    NoTlsError,
    Sentinels,
    Single,
    Topology,
    access_control,
    cluster,
    password,
    sentinels,
    standalone,
    tls,
    unix_socket,
)

KINDS: dict[str, Callable[[Path], AbstractContextManager[Topology]]] = {
    "standalone": standalone,
    "tls": tls,
    "unix-socket": unix_socket,
    "password": password,
    "access-control": access_control,
    "sentinel": sentinels,
    "cluster": cluster,
}
# The servers of the wheels are built without TLS.
EVERYWHERE = [(k, s) for k in KINDS for s in SERVERS if k != "tls" or s == "redis-7"]

# Cheap, so that a store that is not reached over TCP is met in the fast tier.
FAST = ("unix-socket", "valkey-9")


# What uvicorn runs on, and uvicorn[standard].
LOOPS = pytest.mark.parametrize(
    "anyio_backend",
    ["asyncio", UVLOOP],
    ids=["asyncio", "uvloop"],
)


class Started:
    """What has been asked for so far, healed for each test. A kind is started on all
    servers at once, because starting is waiting.
    """

    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        self._failed = 0
        self._running: dict[tuple[str, str], _Running | None] = {}

    def get(self, kind: str, server: str) -> Topology:
        if self._session.testsfailed > self._failed:
            self.end()  # and what the failed test has left behind
            self._failed = self._session.testsfailed
        if (kind, server) not in self._running:
            self._start(kind)
        found = self._running[kind, server]
        if found is None:
            pytest.skip(f"{server} is not on this machine, or cannot do {kind}")
        try:
            found.topology.heal()
        except (TimeoutError, NoServerError):
            found.end()
            self._running[kind, server] = found = _run(kind, server)
            assert found is not None, "it has run before"
        return found.topology

    def end(self) -> None:
        for running in filter(None, self._running.values()):
            running.end()
        self._running.clear()

    def _start(self, kind: str) -> None:
        servers = [server for one, server in EVERYWHERE if one == kind]
        with ThreadPoolExecutor() as pool:
            started = pool.map(partial(_run, kind), servers)
        for server, running in zip(servers, started, strict=True):
            self._running[kind, server] = running


@dataclass(frozen=True)
class _Running:
    topology: Topology
    end: Callable[[], None]


def _run(kind: str, server: str) -> _Running | None:
    binary = SERVERS[server]()
    if binary is None:
        return None
    with ExitStack() as stack, suppress(NoTlsError):
        topology = stack.enter_context(KINDS[kind](binary))
        return _Running(topology, stack.pop_all().close)
    return None


@pytest.fixture(scope="package")
def started(request: pytest.FixtureRequest) -> Iterator[Started]:
    started = Started(request.session)
    yield started
    started.end()


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(
    params=[
        pytest.param(one, id="-".join(one), marks=[pytest.mark.slow] * (one != FAST))
        for one in EVERYWHERE
    ]
)
def topology(request: pytest.FixtureRequest, started: Started) -> Topology:
    kind, server = request.param
    return started.get(kind, server)


@pytest.fixture
def single_server(started: Started, server: str) -> Single:
    found = started.get("standalone", server)
    assert isinstance(found, Single)
    return found


@pytest.fixture
def watched(started: Started, server: str) -> Sentinels:
    """By sentinels."""
    found = started.get("sentinel", server)
    assert isinstance(found, Sentinels)
    return found


@pytest.fixture
def sharded(started: Started, server: str) -> Cluster:
    found = started.get("cluster", server)
    assert isinstance(found, Cluster)
    return found
