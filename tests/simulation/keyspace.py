"""The commands that the store's scripts and bodies need, on a dictionary."""

from collections.abc import Callable
from typing import Any

_FULL_STOPS = {b"SET", b"APPEND", b"SETRANGE"}


class CommandError(Exception):
    """An error reply."""


class Keyspace:
    """Strings with expiry. Times are in ms, on the server's clock."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self.data: dict[bytes, tuple[bytes, int | None]] = {}
        """Values, and when they expire."""
        self.full = False
        self.wrote = False
        """Since somebody has set this to False."""
        self.published: list[tuple[bytes, bytes]] = []
        self.touched: Callable[[bytes], None] = lambda _: None
        """Told of a name before it changes."""
        self._commands: dict[bytes, Callable[..., Any]] = {
            b"APPEND": self._append,
            b"DEL": self._del,
            b"GET": self.get,
            b"GETRANGE": self._getrange,
            b"PEXPIRE": self._pexpire,
            b"PING": lambda: "PONG",
            b"PTTL": self.left,
            b"PUBLISH": self._publish,
            b"SET": self._set,
            b"SETRANGE": self._setrange,
            b"STRLEN": lambda name: len(self.get(name) or b""),
            b"TIME": self._time,
            b"UNLINK": self._del,
        }

    def __call__(self, name: bytes, *args: bytes) -> Any:
        """Raises CommandError."""
        command = self._commands.get(name)
        if command is None:
            raise CommandError(f"ERR unknown command '{name.decode()}'")
        if self.full and name in _FULL_STOPS and not self.wrote:
            raise CommandError(
                "OOM command not allowed when used memory > 'maxmemory'."
            )
        return command(*args)

    def get(self, name: bytes) -> bytes | None:
        held = self.data.get(name)
        if held is None:
            return None
        if held[1] is not None and self._clock() > held[1]:
            self.touched(name)
            del self.data[name]
            return None
        return held[0]

    def _write(self, name: bytes, value: bytes, expires: int | None) -> None:
        self.touched(name)
        self.data[name] = value, expires
        self.wrote = True

    def _set(self, name: bytes, value: bytes, *options: bytes) -> str:
        if len(options) != 2 or options[0].upper() != b"PX":
            raise CommandError("ERR the model knows SET with PX only")
        left = int(options[1])
        if left <= 0:
            raise CommandError("ERR invalid expire time in 'set' command")
        self._write(name, value, self._clock() + left)
        return "OK"

    def _getrange(self, name: bytes, start: bytes, end: bytes) -> bytes:
        value = self.get(name) or b""
        first, last = int(start), int(end)
        if first < 0:
            first = max(len(value) + first, 0)
        if last < 0:
            last = max(len(value) + last, 0)
        return value[first : last + 1]

    def _setrange(self, name: bytes, offset: bytes, value: bytes) -> int:
        old, at = self.get(name) or b"", int(offset)
        if not value:
            return len(old)
        new = old[:at].ljust(at, b"\0") + value + old[at + len(value) :]
        self._write(name, new, self._expires(name))
        return len(new)

    def _append(self, name: bytes, value: bytes) -> int:
        new = (self.get(name) or b"") + value
        self._write(name, new, self._expires(name))
        return len(new)

    def _expires(self, name: bytes) -> int | None:
        return self.data[name][1] if name in self.data else None

    def _pexpire(self, name: bytes, left: bytes) -> int:
        value = self.get(name)
        if value is None:
            return 0
        if int(left) <= 0:
            return self._del(name)
        self._write(name, value, self._clock() + int(left))
        return 1

    def left(self, name: bytes) -> int:
        """Its time to live."""
        held = self.data.get(name) if self.get(name) is not None else None
        if held is None:
            return -2
        return -1 if held[1] is None else max(0, held[1] - self._clock())

    def _del(self, *names: bytes) -> int:
        gone = 0
        for name in names:
            if self.get(name) is not None:
                self.touched(name)
                del self.data[name]
                self.wrote = True
                gone += 1
        return gone

    def _publish(self, channel: bytes, message: bytes) -> int:
        self.published.append((channel, message))
        return 0

    def _time(self) -> list[bytes]:
        now = self._clock()
        return [b"%d" % (now // 1000), b"%d" % (now % 1000 * 1000)]
