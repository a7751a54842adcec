"""A sentinel that is quick to judge."""

from pathlib import Path

from redis.exceptions import ResponseError

from .node import Node
from .sentinel_view import SERVICE

USER = "sentinel"

# A sentinel looks again for a lost link after its ping period only; what is shorter
# than that takes a primary for dead that has just been promoted.
_DOWN_AFTER = 1200  # ms, where periods are a second
_QUICK_DOWN_AFTER = 400
_QUICK = ("INFO-PERIOD 200", "PING-PERIOD 100", "ASK-PERIOD 100", "PUBLISH-PERIOD 200")


def watcher(binary: Path, place: Path, primary: Node) -> Node:
    place.mkdir()
    settings = place / "sentinel.conf"  # a sentinel rewrites its own
    settings.write_text(
        f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 2\n"
        f"sentinel auth-user {SERVICE} {USER}\n"
        f"sentinel auth-pass {SERVICE} {USER}\n"
        f"sentinel down-after-milliseconds {SERVICE} {_DOWN_AFTER}\n"
        f"sentinel failover-timeout {SERVICE} 2000\n"
    )
    return Node(binary, place, str(settings), "--sentinel")


def hasten(sentinel: Node) -> None:
    try:
        sentinel.ask("SENTINEL", "DEBUG", *" ".join(_QUICK).split())
    except ResponseError:  # Redis 6.2 has its periods built in
        return
    quick = ("down-after-milliseconds", _QUICK_DOWN_AFTER)
    sentinel.ask("SENTINEL", "SET", SERVICE, *quick)
