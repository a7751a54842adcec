"""A sentinel that is quick to judge, where it has to be."""

from contextlib import suppress
from pathlib import Path

from redis.exceptions import ResponseError

from .node import Node
from .sentinel_view import SERVICE

USER = "sentinel"

# Of silence, in ms, and a server is down. On a busy machine one that is well may be
# silent for a while; so sentinels are hasty only where a primary is about to go. A
# sentinel looks again for a lost link after its ping period only, which is a second for
# Redis 6.2: in less than that it would give up a primary that has just been promoted.
_PATIENT, _HASTY = 60_000, 1_500

# One that was not served for TILT-TRIGGER ms would believe nothing for half a minute.
_QUICK = (
    *("INFO-PERIOD 200", "PING-PERIOD 100", "ASK-PERIOD 100", "PUBLISH-PERIOD 200"),
    "TILT-TRIGGER 60000",
)


def watcher(binary: Path, place: Path, primary: Node) -> Node:
    place.mkdir()
    settings = place / "sentinel.conf"  # a sentinel rewrites its own
    settings.write_text(
        f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 2\n"
        f"sentinel auth-user {SERVICE} {USER}\n"
        f"sentinel auth-pass {SERVICE} {USER}\n"
        f"sentinel down-after-milliseconds {SERVICE} {_PATIENT}\n"
        f"sentinel failover-timeout {SERVICE} 2000\n"
    )
    return Node(binary, place, str(settings), "--sentinel")


def calm(sentinel: Node) -> None:
    """It looks often, and takes its time to judge."""
    with suppress(ResponseError):  # Redis 6.2 has its periods built in
        sentinel.ask("SENTINEL", "DEBUG", *" ".join(_QUICK).split())
    _judge_after(sentinel, _PATIENT)


def hasten(sentinel: Node) -> None:
    _judge_after(sentinel, _HASTY)


def _judge_after(sentinel: Node, milliseconds: int) -> None:
    silence = ("down-after-milliseconds", milliseconds)
    sentinel.ask("SENTINEL", "SET", SERVICE, *silence)
