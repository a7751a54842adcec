"""The model of a server is held to real ones: the same commands, the same replies."""

import socket
from collections.abc import Iterator
from random import Random
from typing import Any

import hiredis
import pytest

from origin_middleware.record import Completed, NotReplayable
from origin_middleware.stores import codec
from origin_middleware.stores.redis import scripts
from origin_middleware.stores.redis.scripts import Script
from tests.support.servers import RedisServer
from tests.support.stores import a_claim

from .loop import World
from .server import Server

_SEQUENCES, _LENGTH = 60, 40

# In ms. Nothing lapses by chance: a lease is over at once, or not in this test.
_RETENTION = 1_000_000_000
_LEASES = (0.0, 100_000.0)
_NOT_AFTER = (0, 4_000_000_000_000)


class Line:
    """To a real server, without a client that reads anything into the replies."""

    def __init__(self, server: RedisServer) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port), timeout=10)
        self._reader = hiredis.Reader()

    def ask(self, *command: Any) -> Any:
        self._socket.sendall(hiredis.pack_command(command))
        while (reply := self._reader.gets()) is False:
            self._reader.feed(self._socket.recv(65_536))
        return reply

    def close(self) -> None:
        self._socket.close()


class Model:
    def __init__(self) -> None:
        self._server = Server(World())
        self._reader = hiredis.Reader()

    def ask(self, *command: Any) -> Any:
        packed = hiredis.Reader()
        packed.feed(hiredis.pack_command(command))
        self._reader.feed(self._server.execute(packed.gets(), 0))
        return self._reader.gets()


@pytest.fixture(params=["valkey_server", "redis_6_2_server", "redis_7_server"])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    line = Line(request.getfixturevalue(request.param))
    yield line
    line.close()


def test_the_model_answers_as_a_server_does(line: Line) -> None:
    found = set()
    for seed in range(_SEQUENCES):
        rng, model, names = Random(seed), Model(), _names(seed)
        line.ask("DEL", *names)
        line.ask("SCRIPT", "FLUSH")
        said: list[object] = []
        for _ in range(_LENGTH):
            command = _command(rng, names)
            there, here = line.ask(*command), model.ask(*command)
            said.append((command, there, here))
            assert _blurred(here) == _blurred(there), (seed, said)
            found.add(_kind(command, here))
    assert len(found) > 60, "the sequences reach most of what scripts can answer"


def _names(seed: int) -> list[bytes]:
    return [b"model-%d:{a}" % seed, b"model-%d:{a}:body" % seed]


def _command(rng: Random, names: list[bytes]) -> tuple[Any, ...]:
    name, body = names
    if rng.random() < 0.25:
        return _plain(rng, name, body)
    script, keys, arguments = _script(rng, name, body)
    if rng.random() < 0.3:
        return ("EVALSHA", script.sha, len(keys), *keys, *arguments)
    return ("EVAL", script.source, len(keys), *keys, *arguments)


def _plain(rng: Random, name: bytes, body: bytes) -> tuple[Any, ...]:
    commands: list[tuple[Any, ...]] = [
        ("GET", name),
        ("PTTL", name),
        ("GETRANGE", body, rng.choice((0, 1, -3, 50)), rng.choice((-1, 0, 17, 59))),
        ("SET", body, b"a large body", "PX", _RETENTION),
        ("UNLINK", body),
        ("GET", body),
        ("DEL", name),
        ("PEXPIRE", body, _RETENTION // 2),
        ("APPEND", body, b"."),
        ("SETRANGE", body, rng.choice((0, 5, 20)), b"xyz"),
        ("PUBLISH", "nobody", "listens"),
        ("PING",),
        ("PEXPIRE", body, _RETENTION),
        ("NOTHING", "we know"),
    ]
    return rng.choice(commands)


def _script(
    rng: Random, name: bytes, body: bytes
) -> tuple[Script, list[bytes], list[Any]]:
    claim = a_claim(
        rng.choice("abc"),
        rng.choice("ffg"),
        lease=rng.choice(_LEASES),
        retention=_RETENTION / 1000,
        declares=rng.random() < 0.5,
    )
    owned, lease = codec.header(b"P", claim.owner), codec.lease(claim)
    takes = rng.choice((b"", b"", a_claim("a").owner))
    limits = [rng.choice(_NOT_AFTER), rng.choice((1, 2, 20)), rng.randrange(2), takes]
    outcome = rng.choice((Completed(b"\x00response\xff"), NotReplayable()))
    undone: list[Any] = [[], [0], [1]][rng.randrange(3)]
    in_progress = codec.in_progress(claim)
    finished = codec.finished(claim, outcome, 200)
    elsewhere = codec.finished_elsewhere(claim, 200)
    kinds: list[tuple[Script, list[bytes], list[Any]]] = [
        (scripts.CLAIM, [name], [in_progress, _RETENTION, *limits]),
        (scripts.CLAIM, [name], [in_progress, _RETENTION, *limits]),
        (scripts.TAKE_OVER, [name], [in_progress, _RETENTION, *limits]),
        (scripts.WATCH, [name], [rng.choice((b"", b"idem:wake:1", b"idem:wake:2"))]),
        (scripts.LOOK, [name], [codec.LOOKED_AT - 1]),
        (scripts.RENEW, [name], [owned, _RETENTION, lease, *rng.choice(([], ["1"]))]),
        (scripts.COMPLETE, [name], [finished, _RETENTION, b"\x00response\xff"]),
        (scripts.COMPLETE, [name, body], [elsewhere, _RETENTION, b""]),
        (scripts.RELEASE, [name], [owned, *undone]),
        (scripts.ABANDON, [name], [owned, *undone]),
        (scripts.BODY_GONE, [name, body], [codec.header(b"B", claim.owner)]),
        (scripts.MARK, [body], [b"m" * 32, _RETENTION]),
    ]
    return rng.choice(kinds)


def _blurred(reply: Any) -> Any:
    """The clocks of the two differ, and a real one moves."""
    if isinstance(reply, hiredis.ReplyError):
        return str(reply).split()[0]
    if isinstance(reply, bytes):
        times = {b"P": slice(105, 118), b"R": slice(8, 21)}
        both = slice(84, 110)  # the first claim, and the end
        clock = times.get(reply[1:2], both if len(reply) > 109 else slice(0))
        if reply[:1] != b"\x02":
            return reply
        return reply[: clock.start] + reply[clock.stop :]
    if isinstance(reply, list):
        return [_blurred(each) for each in reply]
    return round(reply / 100_000) if isinstance(reply, int) and reply > 100 else reply


def _kind(command: tuple[Any, ...], reply: Any) -> tuple[Any, ...]:
    """Of what a command was answered."""
    what = command[1][:40] if command[0] == "EVAL" else command[0]
    if isinstance(reply, list):
        return what, "list", _blurred(reply[0])[:2]
    return what, type(reply), _blurred(reply)[:2] if isinstance(reply, bytes) else reply
