"""A user of the server who may do what the store does, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .node import Node
from .single import Single, single

USER, PASSWORD = "origin", "for-the-origin"

# As docs/operations.md prints them.
KEYS, CHANNELS = "~idem:*", "&idem:wake:*"
COMMANDS = (
    *("+evalsha", "+eval", "+time", "+info", "+ping"),
    *("+get", "+set", "+getrange", "+setrange", "+append", "+strlen"),
    *("+pttl", "+pexpire", "+del", "+unlink", "+publish", "+subscribe"),
)
LEAST = (KEYS, CHANNELS, *COMMANDS)
FOR_REPLICAS = ("+wait",)
FOR_A_CLUSTER = ("+cluster|slots", "+command", "+asking")


def allow(node: Node, *permissions: str) -> None:
    """These and no others."""
    rules = ("reset", "resetchannels", "on", f">{PASSWORD}", *permissions)
    node.ask("ACL", "SETUSER", USER, *rules)


class Guarded(Single):
    def heal(self) -> None:
        super().heal()
        allow(self.node, *LEAST)


@contextmanager
def access_control(binary: Path) -> Iterator[Single]:
    with single(binary) as node:
        allow(node, *LEAST)
        options = {"port": node.port, "username": USER, "password": PASSWORD}
        yield Guarded(node, options)
