"""An error reply: the server is there, and has not done what was asked."""

import re

from redis.exceptions import (
    AskError,
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

# The server starts, fails over, moves a slot, lacks a replica, runs somebody's long
# script, or its clock is not what we thought: the next attempt may find it well.
PASSING = frozenset(
    {"LOADING", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "READONLY", "NOREPLICAS"}
    | {"BUSY", "MOVED", "ASK", "LATE", "NOBODY"}
)


# Redis 6.2 puts what a script met behind a code of its own.
_IN_SCRIPT = re.compile(
    r"ERR Error running script.*@user_script:[ 0-9]+: -?([A-Z]{2,}) "
)


class ErrorReply(Exception):
    """`code` is the first word of the reply, such as NOSCRIPT."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        in_script = _IN_SCRIPT.match(message)
        self.code = in_script[1] if in_script else message.partition(" ")[0]

    @property
    def passing(self) -> bool:
        return self.code in PASSING


def error_reply(error: RedisError) -> ErrorReply:
    """From what redis-py raises."""
    code = _CODES.get(type(error))
    return ErrorReply(f"{code} {error}" if code else str(error))
