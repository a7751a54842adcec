"""One server process of a topology, with a hand on it."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from sample_origin.processes import RedisServer, free_port

# What a topology takes to settle is seconds, on a busy machine some more; longer means
# that it never will.
_SETTLES_WITHIN = 40.0
_LOOK_EVERY = 0.01

# So many times the longest of a few answers is too long for somebody who is well.
_PATIENCE, _HEARD = 30, 10

NOT_PERSISTENT = ("--save", "", "--appendonly", "no")

# A replica that comes gets its copy at once: nobody else is expected.
REPLICATED = (*NOT_PERSISTENT, "--repl-diskless-sync-delay", "0")


class Node:
    """Commands to it are sent at once, past every client under test."""

    def __init__(
        self,
        binary: Path,
        directory: Path,
        *options: str,
        password: str | None = None,
    ) -> None:
        directory.mkdir(exist_ok=True)
        self.process = RedisServer(binary, directory, options=options, port=free_port())
        self._password = password

    @property
    def port(self) -> int:
        return self.process.port

    @property
    def alive(self) -> bool:
        return self.process.alive

    def ask(self, *command: str | int | bytes) -> Any:
        """On a connection of its own: sentinels end those of a node they demote."""
        with self._admin() as admin:
            return admin.execute_command(*command)

    def info(self, section: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("INFO", section)
        return found

    def reaches(self, replicas: int, name: str = "settled") -> bool:
        """A write of this name. One that is connected may yet have to be sent any."""
        with self._admin() as admin:
            admin.set(name, "", px=1)
            return bool(admin.wait(replicas, 100) == replicas)

    def clients(self) -> list[dict[str, str]]:
        """The connections to it, this one left out."""
        with self._admin() as admin:
            own = admin.client_id()
            listed = admin.client_list()
        return [one for one in listed if int(one["id"]) != own]

    def _admin(self) -> Redis:
        return Redis(
            port=self.port,
            password=self._password,
            retry=Retry(NoBackoff(), 0),
            socket_timeout=5,
        )


@contextmanager
def nodes() -> Iterator[tuple[Path, list[Node]]]:
    """A directory, and a list: what is put there is ended with it."""
    with ExitStack() as stack:
        place = tempfile.TemporaryDirectory(prefix="origin-middleware-test-")
        directory = Path(stack.enter_context(place))
        started: list[Node] = []
        stack.callback(_kill, started)
        yield directory, started


def _kill(started: Sequence[Node]) -> None:
    for node in started:
        node.process.kill()


def revive(members: Sequence[Node]) -> None:
    """Whoever was paused or killed runs again."""
    for node in members:
        node.process.resume()
    start([node for node in members if not node.alive])


def start(started: Sequence[Node]) -> None:
    """All at once."""
    for node in started:
        node.process.launch()
    for node in started:
        node.process.await_answer()


def silence(members: Sequence[Node], least: int) -> int:
    """How long those who are well may be silent here and now, in ms. On a machine that
    has nothing else to do an answer takes one or two.
    """
    longest = 0.0
    for node in [*members] * _HEARD:
        begun = time.monotonic()
        node.ask("PING")
        longest = max(longest, time.monotonic() - begun)
    return max(least, round(_PATIENCE * longest * 1000))


def until(fact: Callable[[], bool], what: str) -> None:
    """Returns once it is so. Other processes decide when; they can only be asked."""
    give_up = time.monotonic() + _SETTLES_WITHIN
    while not holds(fact):
        if time.monotonic() > give_up:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(_LOOK_EVERY)


def holds(fact: Callable[[], bool]) -> bool:
    try:
        return fact()
    except (RedisError, OSError):  # not up, or not yet what it is going to be
        return False
