"""A model of the server: it runs the scripts that the real one runs, with Lua itself.

It knows the commands that the store uses, and has a clock that can be set, an
append-only file or none, a replica that lags, and a script cache that is emptied.
`test_model.py` holds it to real servers.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

import lupa.lua51  # type: ignore[import-untyped] # it ships no types

from .world import World

Reply = bytes | int | None | list[Any] | Exception
Publish = Callable[[bytes, bytes], None]


class ServerError(Exception):
    """An error reply; the text begins with its code."""


@dataclass(slots=True)
class Value:
    data: bytes
    expires: float | None
    """On the server's clock, in ms."""


class Server:
    """One that is up. Its connections belong to the network."""

    def __init__(self, world: World, *, persistent: bool = True) -> None:
        self._world = world
        self._runs = count()
        self._step = 0.0
        """Seconds by which somebody has set the clock."""
        self.persistent = persistent
        self.data: dict[bytes, Value] = {}
        self.channels: dict[bytes, list[Callable[[bytes, bytes], None]]] = {}
        self.written: Callable[[bytes, Value | None, Value | None], None] | None = None
        """Told of every write: the name, what was there, and what is there now."""
        self._history: list[tuple[float, bytes, Value | None]] = []
        """What stood there before each write, for a replica that had not seen it."""
        self._scripts: dict[bytes, str] = {}
        self._replid, self._replid2 = "a" * 40, "0" * 40
        self._was_replica = False
        self._start()

    def _start(self) -> None:
        self.run_id = f"{next(self._runs):040x}"
        self._up_since = self._world.now
        self._scripts.clear()

    # What happens to it

    def restart(self, *, keeps: bool) -> None:
        self._start()
        if not keeps:
            self.data.clear()
            self._replid, self._replid2 = f"{next(self._runs):040x}", "0" * 40
            self._was_replica = False

    def promote(self, lag: float) -> None:
        """Its replica takes over, without the writes of the last `lag` seconds."""
        since = self._world.now - lag
        while self._history and self._history[-1][0] > since:
            _, name, before = self._history.pop()
            if before is None:
                self.data.pop(name, None)
            else:
                self.data[name] = before
        self._replid, self._replid2 = f"{next(self._runs):040x}", self._replid
        self._was_replica = True
        self._start()

    def flush_scripts(self) -> None:
        self._scripts.clear()

    def set_clock(self, seconds: float) -> None:
        self._step += seconds

    # What it is asked

    def execute(self, command: list[bytes]) -> Reply:
        name, *arguments = command
        try:
            if name in (b"EVALSHA", b"EVAL"):
                return self._evaluate(name, *arguments)
            if name == b"INFO":
                return self._info().encode()
            if name == b"PING":
                return b"PONG"
            if name == b"TIME":
                seconds, micro = divmod(int(self.clock() * 1000), 1_000_000)
                return [b"%d" % seconds, b"%d" % micro]
            return self.call(name, arguments)
        except ServerError as error:
            return error

    def clock(self) -> float:
        """In ms."""
        return (self._world.now + self._step) * 1000 + 1_700_000_000_000

    def _info(self) -> str:
        lines = [
            "redis_version:7.0.0",
            "redis_mode:standalone",
            f"run_id:{self.run_id}",
            f"uptime_in_seconds:{int(self._world.now - self._up_since)}",
            f"master_replid:{self._replid}",
            f"master_replid2:{self._replid2}",
            f"total_net_repl_input_bytes:{int(self._was_replica)}",
            "maxmemory_policy:noeviction",
            f"aof_enabled:{int(self.persistent)}",
            "loading:0",
            *(["db0:keys=1"] if self.data else []),
        ]
        return "\r\n".join(lines)

    def _evaluate(
        self, how: bytes, script: bytes, number: bytes, *arguments: bytes
    ) -> Reply:
        if how == b"EVALSHA":
            source = self._scripts.get(script)
            if source is None:
                raise ServerError("NOSCRIPT No matching script.")
        else:
            source = script.decode()
            digest = hashlib.sha1(script, usedforsecurity=False).hexdigest()
            self._scripts[digest.encode()] = source
        keys = int(number)
        return run_script(source, self, arguments[:keys], arguments[keys:])

    def call(self, name: bytes, arguments: "list[Any] | tuple[Any, ...]") -> Reply:
        """A command that scripts may call too. Raises ServerError."""
        try:
            command = _COMMANDS[name]
        except KeyError:
            raise ServerError(f"ERR unknown command {name!r}") from None
        return command(self, *map(_text, arguments))

    def _get(self, key: bytes) -> Value | None:
        value = self.data.get(key)
        if value is None:
            return None
        if value.expires is not None and value.expires <= self.clock():
            del self.data[key]
            return None
        return value

    def _put(self, key: bytes, value: Value | None) -> None:
        before = self.data.get(key)
        self._history.append((self._world.now, key, before))
        if self.written is not None:
            self.written(key, before, value)
        if value is None:
            self.data.pop(key, None)
        else:
            self.data[key] = value

    def get(self, key: bytes) -> bytes | None:
        value = self._get(key)
        return value.data if value else None

    def set(self, key: bytes, data: bytes, *options: bytes) -> bytes:
        expires = None
        if options:
            assert options[0] == b"PX", options
            if int(options[1]) <= 0:
                raise ServerError("ERR invalid expire time in 'set' command")
            expires = self.clock() + int(options[1])
        self._put(key, Value(data, expires))
        return b"OK"

    def getrange(self, key: bytes, start: bytes, end: bytes) -> bytes:
        value = self._get(key)
        if value is None:
            return b""
        size = len(value.data)
        first, last = int(start), int(end)
        first = max(0, first + size) if first < 0 else first
        last = last + size if last < 0 else last
        return value.data[first : last + 1]

    def setrange(self, key: bytes, offset: bytes, data: bytes) -> int:
        value = self._get(key) or Value(b"", None)
        at = int(offset)
        old = value.data.ljust(at, b"\0")
        new = old[:at] + data + old[at + len(data) :]
        if data:
            self._put(key, Value(new, value.expires))
        return len(new)

    def append(self, key: bytes, data: bytes) -> int:
        value = self._get(key) or Value(b"", None)
        self._put(key, Value(value.data + data, value.expires))
        return len(value.data) + len(data)

    def pexpire(self, key: bytes, milliseconds: bytes) -> int:
        value = self._get(key)
        if value is None:
            return 0
        if int(milliseconds) <= 0:
            self._put(key, None)
        else:
            self._put(key, Value(value.data, self.clock() + int(milliseconds)))
        return 1

    def pttl(self, key: bytes) -> int:
        value = self._get(key)
        if value is None:
            return -2
        if value.expires is None:
            return -1
        return round(value.expires - self.clock())

    def delete(self, *keys: bytes) -> int:
        found = [key for key in keys if self._get(key) is not None]
        for key in found:
            self._put(key, None)
        return len(found)

    def publish(self, channel: bytes, message: bytes) -> int:
        told = self.channels.get(channel, [])
        for tell in list(told):
            tell(channel, message)
        return len(told)

    def time(self) -> Reply:
        return self.execute([b"TIME"])


_COMMANDS: dict[bytes, Callable[..., Reply]] = {
    b"GET": Server.get,
    b"SET": Server.set,
    b"GETRANGE": Server.getrange,
    b"SETRANGE": Server.setrange,
    b"APPEND": Server.append,
    b"PEXPIRE": Server.pexpire,
    b"PTTL": Server.pttl,
    b"DEL": Server.delete,
    b"UNLINK": Server.delete,
    b"PUBLISH": Server.publish,
    b"TIME": Server.time,
}


def _text(argument: Any) -> bytes:
    """As Redis takes the numbers of Lua."""
    if isinstance(argument, bytes):
        return argument
    if isinstance(argument, float) and not argument.is_integer():
        return repr(argument).encode()
    return b"%d" % int(argument)


# Lua. One runtime for all servers of this process: compiling is what takes time.

_LUA = lupa.lua51.LuaRuntime(encoding=None, unpack_returned_tuples=True)
_running: list[Server] = []

_SETUP = _LUA.execute(b"""
    return function(call)
      redis = {
        error_reply = function(text) return {err = text} end,
        pcall = function(...) return call(...) end,
        call = function(...)
          local reply = call(...)
          if type(reply) == 'table' and reply.err then error(reply.err, 0) end
          return reply
        end,
      }
    end
""")


def _called(name: bytes, *arguments: Any) -> Any:
    try:
        reply = _running[-1].call(name.upper(), arguments)
    except ServerError as error:
        return _LUA.table_from({b"err": str(error).encode()})
    if reply is None:
        return False
    if isinstance(reply, list):
        return _LUA.table_from(reply)
    return reply


_SETUP(_called)


@cache
def _compiled(source: str) -> Any:
    return _LUA.execute(b"return function(KEYS, ARGV) " + source.encode() + b"\nend")


def run_script(
    source: str, server: Server, keys: tuple[bytes, ...], arguments: tuple[bytes, ...]
) -> Reply:
    _running.append(server)
    try:
        made = _compiled(source)(_LUA.table_from(keys), _LUA.table_from(arguments))
    except lupa.lua51.LuaError as error:
        raise ServerError(str(error)) from None
    finally:
        _running.pop()
    return _reply(made)


def _reply(made: Any) -> Reply:
    if made is None or made is False:
        return None
    if made is True:
        return 1
    if isinstance(made, (int, float)):
        return int(made)
    if isinstance(made, bytes):
        return made
    if b"err" in made:
        raise ServerError(made[b"err"].decode())
    return [_reply(made[n]) for n in range(1, len(made) + 1)]
