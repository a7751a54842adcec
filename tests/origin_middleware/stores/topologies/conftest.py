"""Every topology on every server that can do it, started once and ended together."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path

import pytest

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


class Started:
    """What has been asked for so far. A kind is started on all servers at once, because
    starting is waiting.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._running: dict[tuple[str, str], Topology | None] = {}

    def get(self, kind: str, server: str) -> Topology:
        if (kind, server) not in self._running:
            self._start(kind)
        found = self._running[kind, server]
        if found is None:
            pytest.skip(f"{server} is not on this machine, or cannot do {kind}")
        return found

    def _start(self, kind: str) -> None:
        servers = [server for one, server in EVERYWHERE if one == kind]
        with ThreadPoolExecutor() as pool:
            started = pool.map(partial(self._started, kind), servers)
        for server, topology in zip(servers, started, strict=True):
            self._running[kind, server] = topology

    def _started(self, kind: str, server: str) -> Topology | None:
        binary = SERVERS[server]()
        if binary is None:
            return None
        try:
            return self._stack.enter_context(KINDS[kind](binary))
        except NoTlsError:
            return None


@pytest.fixture(scope="package")
def started() -> Iterator[Started]:
    with ExitStack() as stack:
        yield Started(stack)


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
def watched(started: Started, server: str) -> Iterator[Sentinels]:
    """By sentinels; afterwards everybody is back in his place."""
    found = started.get("sentinel", server)
    assert isinstance(found, Sentinels)
    yield found
    found.heal()


@pytest.fixture
def sharded(started: Started, server: str) -> Iterator[Cluster]:
    found = started.get("cluster", server)
    assert isinstance(found, Cluster)
    yield found
    found.heal()
