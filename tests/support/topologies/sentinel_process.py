"""A sentinel that looks often, and is as quick to judge as it is told to be."""

from pathlib import Path

from redis.exceptions import ResponseError

from .node import Node
from .sentinel_view import SERVICE

USER = "sentinel"

# ms of silence, and a server is down. On a busy machine one that is well may be silent
# for a while; so sentinels are hasty only where a primary is about to go.
PATIENT, HASTY = 60_000, 800

# A sentinel looks again for a lost link after its ping period only: in less than that
# it would give up a primary that has just been promoted. Redis 6.2 pings once a second.
_MORE_WHERE_PINGS_ARE_RARE = 800

# One that was not served for TILT-TRIGGER ms would believe nothing for half a minute.
# A replica is promoted where it has answered within five ping periods. While the
# primary is away it is asked once a second: below 200 ms, elections may fail in step.
_OFTEN = (
    *("INFO-PERIOD", 200, "PING-PERIOD", 300, "ASK-PERIOD", 100),
    *("PUBLISH-PERIOD", 200, "TILT-TRIGGER", 60_000),
)


def watcher(binary: Path, place: Path, primary: Node) -> Node:
    place.mkdir()
    settings = place / "sentinel.conf"  # a sentinel rewrites its own
    settings.write_text(
        f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 2\n"
        f"sentinel auth-user {SERVICE} {USER}\n"
        f"sentinel auth-pass {SERVICE} {USER}\n"
        f"sentinel down-after-milliseconds {SERVICE} {PATIENT}\n"
        f"sentinel failover-timeout {SERVICE} 2000\n"
    )
    return Node(binary, place, str(settings), "--sentinel")


def judge_after(sentinel: Node, milliseconds: int) -> None:
    """So much silence."""
    if not _looks_often(sentinel):
        milliseconds += _MORE_WHERE_PINGS_ARE_RARE
    silence = ("down-after-milliseconds", milliseconds)
    sentinel.ask("SENTINEL", "SET", SERVICE, *silence)


def _looks_often(sentinel: Node) -> bool:
    """From now on, unless it is one that has its periods built in."""
    try:
        sentinel.ask("SENTINEL", "DEBUG", *_OFTEN)
    except ResponseError:
        return False
    return True
