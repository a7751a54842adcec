"""What carries commands to one server, and the error replies that come back."""

import asyncio
import re
from collections.abc import Awaitable
from typing import Any, Protocol

from redis.exceptions import (
    AskError,
    AuthenticationError,
    BusyLoadingError,
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    TryAgainError,
)

Argument = bytes | str | int
Command = tuple[Argument, ...]


class Line(Protocol):
    closed: bool
    in_order: bool
    """One connection: commands may be sent without waiting for each other's replies."""

    def send(
        self, command: Command, until: float, asking: bool = False, /
    ) -> Awaitable[Any]:
        """The reply. `asking` says ASKING first: the server is only taking over the
        slot of the key.

        Raises ErrorReply for an error reply, TimeoutError after `until` (on the loop's
        clock) and ConnectionError where the connection was lost: then nobody knows
        whether the command was carried out.
        """

    def close(self, reason: str, /) -> None:
        """Every command that waits for its reply ends with a ConnectionError."""

    async def wait_closed(self) -> None:
        """After `close`: until nothing is left of the connection."""


# The server starts, fails over, moves a slot, lacks a replica, runs somebody's long
# script, or its clock is not what we thought: the next try may find it well.
PASSING = frozenset(
    {"LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "READONLY", "NOREPLICAS"}
    | {"BUSY", "MOVED", "ASK", "LATE", "NOBODY", "UNBLOCKED"}
)

# Redis 6.2 puts a code of its own before the error that a script met.
_IN_SCRIPT = re.compile(
    r"ERR Error running script.*@user_script:[ 0-9]+: -?([A-Z]{2,}) "
)

_HAS_CODE = re.compile(r"[A-Z]{2,}\b")

_ADVICE = {
    "NOAUTH": "Put the password into the URL, redis://USER:PASSWORD@host or "
    "redis://:PASSWORD@host, or give it to the client: Redis(password=...).",
    "WRONGPASS": "Compare the user name and the password, in the URL or of the client, "
    "with those of the server (ACL LIST, requirepass).",
    "NOPERM": "Allow it: docs/operations.md has the ACL lines for an app "
    '("Permissions") and for the command ("A user for operators").',
}


class ErrorReply(Exception):
    """The server is there, and has not done what was asked. `code` is the first word of
    the reply, such as NOSCRIPT."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        in_script = _IN_SCRIPT.match(message)
        self.code = in_script[1] if in_script else message.partition(" ")[0]

    @property
    def passing(self) -> bool:
        return self.code in PASSING

    @property
    def advice(self) -> str:
        """What the server says, and what to do about it."""
        said, what_to_do = str(self), _ADVICE.get(self.code)
        return f"{said.rstrip('.')}. {what_to_do}" if what_to_do else said


class CutOff(ConnectionError):
    """The other end closed the connection instead of answering this command."""


# redis-py takes the code off the messages of these.
_CODES: dict[type[RedisError], str] = {
    AskError: "ASK",
    BusyLoadingError: "LOADING",
    ClusterDownError: "CLUSTERDOWN",
    MasterDownError: "MASTERDOWN",
    MovedError: "MOVED",
    NoPermissionError: "NOPERM",
    NoScriptError: "NOSCRIPT",
    OutOfMemoryError: "OOM",
    ReadOnlyError: "READONLY",
    TryAgainError: "TRYAGAIN",
}


def error_reply(error: RedisError) -> ErrorReply:
    """From the exception that redis-py raises."""
    if isinstance(error, AuthenticationError):
        # To HELLO, servers answer at length what a client library has to do.
        if "authentic" in str(error).lower():
            return ErrorReply("NOAUTH Authentication required.")
        return ErrorReply(f"WRONGPASS {error}")
    code = _CODES.get(type(error))
    if code is None and not _HAS_CODE.match(str(error)):
        code = "ERR"  # also taken off
    return ErrorReply(f"{code} {error}" if code else str(error))


def now() -> float:
    """In seconds, on the event loop's clock."""
    return asyncio.get_running_loop().time()
