"""One slot of a cluster on its way from a primary to another."""

from collections.abc import Sequence
from dataclasses import dataclass

from .cluster_view import identity
from .node import Node


@dataclass(frozen=True)
class Migration:
    """Step by step: begin, move, finish."""

    slot: int
    source: Node
    target: Node
    primaries: Sequence[Node]

    def begin(self) -> None:
        """From now on the source answers ASK for what it does not hold."""
        _set_slot(self.target, self.slot, "IMPORTING", identity(self.source))
        _set_slot(self.source, self.slot, "MIGRATING", identity(self.target))

    def move(self) -> int:
        """How many keys have moved."""
        keys = self.source.ask("CLUSTER", "GETKEYSINSLOT", self.slot, 1000)
        if keys:
            place = ("127.0.0.1", self.target.port, "", 0, 5000)
            self.source.ask("MIGRATE", *place, "KEYS", *keys)
        return len(keys)

    def finish(self) -> None:
        """From now on everybody but the target answers MOVED."""
        own = identity(self.target)
        _set_slot(self.target, self.slot, "NODE", own)
        for node in self.primaries:
            _set_slot(node, self.slot, "NODE", own)


def _set_slot(node: Node, slot: int, state: str, other: str) -> None:
    node.ask("CLUSTER", "SETSLOT", slot, state, other)
