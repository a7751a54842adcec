"""A server, as the store sees one: replies, its clock, what it says of itself, restarts
that keep or lose its data, promotions of a replica that is behind.

test_model.py holds its commands and scripts to real servers.
"""

from collections import defaultdict
from functools import cache
from hashlib import sha1
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from .keyspace import CommandError, Keyspace
from .loop import World
from .lua import interpreter

if TYPE_CHECKING:
    from .wire import Link

# Unix time when a schedule begins.
_EPOCH = 1_700_000_000.0

_NOTHING = "0" * 40


class Step(NamedTuple):
    """One script that ran."""

    at: float
    process: int
    script: bytes
    """Its digest."""
    name: bytes
    before: bytes | None
    left: int
    """Time to live of what was there before, in ms."""
    after: bytes | None
    arguments: tuple[bytes, ...]
    error: str


class Loss(NamedTuple):
    """Records that the server no longer has, or has as they were before."""

    at: float
    names: frozenset[bytes]


class Server:
    def __init__(self, world: World) -> None:
        self._world = world
        self.step = 0.0
        """Somebody has set its clock: by so many seconds, all in all."""
        self.keyspace = Keyspace(self.clock)
        self.keyspace.touched = self._note
        self.down = False
        self.stalled_until = 0.0
        self.answers: str = ""
        """An error reply, in place of every other."""
        self.links: dict[Link, None] = {}
        self.subscriptions: dict[bytes, dict[Link, None]] = defaultdict(dict)
        self.steps: list[Step] = []
        self.losses: list[Loss] = []
        self._journal: list[tuple[float, bytes, tuple[bytes, int | None] | None]] = []
        self._scripts: dict[bytes, bytes] = {}
        self._numbers = count(1)
        self._run = self._number()
        self._history = self._number()
        self._continued = _NOTHING
        self._was_replica = False
        self._began = world.now

    def clock(self) -> int:
        """In ms of Unix time."""
        return int((self._world.now + _EPOCH + self.step) * 1000)

    def record(self, name: bytes) -> bytes | None:
        return self.keyspace.get(name)

    def execute(self, command: list[bytes], process: int) -> bytes:
        """The reply, as it goes over the wire."""
        name = command[0].upper()
        if self.answers and name != b"INFO":
            return b"-%b\r\n" % self.answers.encode()
        try:
            reply = self._execute(name, command[1:], process)
        except CommandError as error:
            return b"-%b\r\n" % str(error).encode()
        self._publish()
        return encoded(reply)

    def _execute(self, name: bytes, args: list[bytes], process: int) -> Any:
        match name:
            case b"EVALSHA":
                source = self._scripts.get(args[0])
                if source is None:
                    raise CommandError("NOSCRIPT No matching script. Please use EVAL.")
                return self._evaluate(args[0], source, args[1:], process)
            case b"EVAL":
                digest = _digest(args[0])
                self._scripts[digest] = args[0]
                return self._evaluate(digest, args[0], args[1:], process)
            case b"INFO":
                return self._info()
            case _:
                self.keyspace.wrote = False
                return self.keyspace(name, *args)

    def _evaluate(
        self, digest: bytes, source: bytes, args: list[bytes], process: int
    ) -> Any:
        name, error = args[1], ""
        before = self.keyspace.get(name)
        left = self.keyspace.left(name)
        try:
            return interpreter.run(self.keyspace, source, int(args[0]), *args[1:])
        except CommandError as refused:
            error = str(refused)
            raise
        finally:
            after = self.keyspace.get(name)
            step = Step(
                self._world.now,
                process,
                digest,
                name,
                before,
                left,
                after,
                tuple(args[2:]),
                error,
            )
            self.steps.append(step)

    def _publish(self) -> None:
        published = self.keyspace.published
        if published:
            for channel, message in published:
                for link in list(self.subscriptions.get(channel, ())):
                    link.publish(channel, message)
            published.clear()

    def _info(self) -> bytes:
        up = self._world.now - self._began
        said = {
            "redis_mode": "standalone",
            "run_id": self._run,
            "uptime_in_seconds": int(up),
            "maxmemory_policy": "noeviction",
            "loading": int(self.answers.startswith("LOADING")),
            "aof_enabled": 1,
            "total_net_repl_input_bytes": 1000 if self._was_replica else 0,
            "master_replid": self._history,
            "master_replid2": self._continued,
        }
        if self.keyspace.data:
            said["db0"] = f"keys={len(self.keyspace.data)}"
        return "".join(f"{name}:{value}\r\n" for name, value in said.items()).encode()

    # What happens to it.

    def forget_scripts(self) -> None:
        self._scripts.clear()

    def stop(self) -> None:
        self.down = True
        self._reset_all()

    def start(self, *, empty: bool) -> None:
        """With its append-only file, or without."""
        if empty:
            self._lose(dict[bytes, tuple[bytes, int | None]]())
        self.down = False
        self._scripts.clear()
        self._run, self._began = self._number(), self._world.now
        self._history, self._continued = self._number(), _NOTHING
        self._was_replica = False

    def promote(self, behind: float) -> None:
        """A replica takes over that lacks the last seconds."""
        since = self._world.now - behind
        data = dict(self.keyspace.data)
        for at, name, before in reversed(self._journal):
            if at < since:
                break
            if before is None:
                data.pop(name, None)
            else:
                data[name] = before
        self._lose(data)
        self._scripts.clear()
        self._run = self._number()
        self._continued, self._history = self._history, self._number()
        self._was_replica = True
        self._reset_all()

    def _lose(self, left: dict[bytes, tuple[bytes, int | None]]) -> None:
        before = self.keyspace.data
        names = {name for name in before if left.get(name) != before[name]}
        names |= left.keys() - before.keys()
        self.losses.append(Loss(self._world.now, frozenset(names)))
        self.keyspace.data = left
        self._journal.clear()

    def _reset_all(self) -> None:
        for link in list(self.links):
            link.reset()

    def _note(self, name: bytes) -> None:
        held = self.keyspace.data.get(name)
        self._journal.append((self._world.now, name, held))

    def _number(self) -> str:
        return f"{next(self._numbers):040x}"


def encoded(reply: Any) -> bytes:
    """Protocol 2, which a client of protocol 3 reads as well."""
    match reply:
        case None:
            return b"$-1\r\n"
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(reply), reply)
        case int():
            return b":%d\r\n" % reply
        case str():
            return b"+%b\r\n" % reply.encode()
        case _:
            return b"*%d\r\n%b" % (len(reply), b"".join(map(encoded, reply)))


@cache
def _digest(source: bytes) -> bytes:
    return sha1(source, usedforsecurity=False).hexdigest().encode()
