"""What the facilitator remembers: intents and their settlements."""

import collections
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Intent:
    """What a proof was verified for, and until when it can be verified again."""

    resource_id: str
    network: str
    expires_at: float


class Ledger:
    """Money moves once per intent: `billed` counts intents, not calls."""

    def __init__(self) -> None:
        self._intents: dict[str, Intent] = {}
        self._settled_at: dict[str, float] = {}
        self._verified = 0
        self._refused: collections.Counter[str] = collections.Counter()
        self._settlements: collections.Counter[str] = collections.Counter()

    def verify(self, name: str, intent: Intent) -> Intent:
        """Remember an intent. The first verification decides when it expires."""
        self._verified += 1
        return self._intents.setdefault(name, intent)

    def refuse(self, reason: str) -> None:
        """Count a proof that did not pay."""
        self._refused[reason] += 1

    def find(self, name: str) -> Intent | None:
        """The intent of that name, if it was ever verified."""
        return self._intents.get(name)

    def settle(self, name: str, now: float) -> float:
        """When the intent was settled: now, or at the first of several calls."""
        self._settlements[name] += 1
        return self._settled_at.setdefault(name, now)

    def report(self) -> dict[str, Any]:
        """Everything countable."""
        return {
            "verified": self._verified,
            "refused": dict(self._refused),
            "settlements": dict(self._settlements),
            "billed": len(self._settled_at),
        }
