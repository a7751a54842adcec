"""Runs the store's own Lua files, as a server does, on a keyspace in Python."""

from collections.abc import Callable
from functools import cache
from typing import Any

from lupa import lua51

from .keyspace import CommandError, Keyspace

_PRELUDE = b"""
redis = {}
function redis.pcall(...)
  local done, reply = pcall(redis.call, ...)
  if done then return reply end
  return {err = tostring(reply)}
end
function redis.error_reply(text) -- as since Redis 7
  return {err = string.find(text, ' ', 1, true) and text or 'ERR ' .. text}
end
function redis.status_reply(text) return {ok = text} end
return function(script, keys, ...)
  local KEYS, ARGV = {}, {}
  for i, value in ipairs({...}) do
    if i <= keys then KEYS[i] = value else ARGV[i - keys] = value end
  end
  return script(KEYS, ARGV)
end
"""


class _Interpreter:
    """One for all servers: to compile a script takes longer than to run it."""

    def __init__(self) -> None:
        self._lua = lua51.LuaRuntime(encoding=None, register_eval=False)
        self._run: Callable[..., Any] = self._lua.execute(_PRELUDE)
        self._lua.globals()[b"redis"][b"call"] = self._call
        self._compile: Callable[[bytes], Any] = cache(self._compiled)
        self._keyspace: Keyspace | None = None

    def run(self, keyspace: Keyspace, source: bytes, keys: int, *args: bytes) -> Any:
        """The reply, in Python's types. Raises CommandError."""
        self._keyspace = keyspace
        keyspace.wrote = False
        try:
            return self._reply(self._run(self._compile(source), keys, *args))
        except lua51.LuaError as error:
            raise CommandError(f"ERR Error running script: {error}") from error

    def _compiled(self, source: bytes) -> Any:
        return self._lua.execute(b"return function(KEYS, ARGV) %b\nend" % source)

    def _call(self, name: bytes, *args: Any) -> Any:
        assert self._keyspace is not None
        given = [arg if type(arg) is bytes else b"%.17g" % arg for arg in args]
        reply = self._keyspace(name, *given)
        if type(reply) is bytes or type(reply) is int:
            return reply
        if reply is None:
            return False
        if type(reply) is list:
            return self._lua.table_from(reply)
        return self._lua.table_from({b"ok": reply.encode()})

    def _reply(self, reply: Any) -> Any:
        if reply is None or reply is False:
            return None
        if reply is True:
            return 1
        if type(reply) is bytes:
            return reply
        if isinstance(reply, (int, float)):
            return int(reply)
        error, status = reply[b"err"], reply[b"ok"]
        if error is not None:
            raise CommandError(error.decode())
        if status is not None:
            return status.decode()
        found: list[Any] = []
        while (item := reply[len(found) + 1]) is not None:
            found.append(self._reply(item))
        return found


interpreter = _Interpreter()
