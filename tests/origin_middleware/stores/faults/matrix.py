"""Every step of the protocol × every fault, once and as long as it lasts."""

from dataclasses import dataclass, field

from origin_middleware import Policy
from origin_middleware.stores.redis import scripts
from origin_middleware.stores.redis.bodies import LARGE
from tests.support.proxy import Fault

from .stories import (
    LEASE,
    Story,
    asking,
    asking_again,
    connecting,
    renewing,
    waiting,
)
from .trial import HandlerFailed, OutcomeUnknown, Selling

# Longer than a lease, and than the second within which a lost wake-up is noticed.
PATIENCE = 2.5


@dataclass(frozen=True)
class Step:
    word: str
    """In its command: a name, or a script's digest."""
    story: Story
    selling: Selling = field(default=Selling(Policy(patience=PATIENCE)))
    handler_starts: int = 1


_LARGE = Selling(Policy(patience=PATIENCE), size=LARGE + 1)
_FAILS_FIRST = Selling(Policy(patience=PATIENCE), failure=HandlerFailed)
_DIES_FIRST = Selling(Policy(patience=PATIENCE), failure=OutcomeUnknown)
_TAKES_OVER = Selling(
    Policy(patience=PATIENCE, on_abandoned="execute"), failure=OutcomeUnknown
)
_SHORT_LEASE = Selling(Policy(patience=2 * PATIENCE, lease=LEASE))

STEPS = {
    "connect": Step("HELLO", connecting),
    "ask for the time": Step("TIME", connecting),
    "ask for settings": Step("INFO", connecting),
    "claim": Step(scripts.CLAIM.sha, asking),
    # Started twice, as the policy says.
    "take over": Step(scripts.TAKE_OVER.sha, asking_again, _TAKES_OVER, 2),
    "watch": Step(scripts.WATCH.sha, waiting),
    "subscribe": Step("SUBSCRIBE", waiting),
    "renew": Step(scripts.RENEW.sha, renewing, _SHORT_LEASE),
    "complete": Step(scripts.COMPLETE.sha, asking),
    "complete, large": Step(scripts.COMPLETE.sha, asking, _LARGE),
    "write a body": Step("SET", asking, _LARGE),
    "read a body": Step("GET", asking_again, _LARGE),
    # Started again, because a failure was reported.
    "release": Step(scripts.RELEASE.sha, asking, _FAILS_FIRST, 2),
    "abandon": Step(scripts.ABANDON.sha, asking, _DIES_FIRST),
}

REPLIES = {
    "NOSCRIPT": "NOSCRIPT No matching script. Please use EVAL.",
    "LOADING": "LOADING Redis is loading the dataset in memory",
    "OOM": "OOM command not allowed when used memory > 'maxmemory'.",
    "READONLY": "READONLY You can't write against a read only replica.",
    "MOVED": "MOVED 3999 127.0.0.1:6381",
    "ASK": "ASK 3999 127.0.0.1:6381",
    "BUSY": "BUSY Redis is busy running a script.",
    "NOREPLICAS": "NOREPLICAS Not enough good replicas to write.",
    "NOPERM": "NOPERM this user has no permissions to run the command",
}
PASSING = {"LOADING", "READONLY", "MOVED", "ASK", "BUSY", "NOREPLICAS"}

FAULTS: dict[str, Fault | str] = {
    "request lost": Fault.LOSE_REQUEST,
    "request late": Fault.LATE_REQUEST,
    "reset before": Fault.RESET_BEFORE,
    "half a request": Fault.HALF_A_REQUEST,
    "reply lost": Fault.LOSE_REPLY,
    "reply late": Fault.LATE_REPLY,
    "reset after": Fault.RESET_AFTER,
    "reply corrupted": Fault.CORRUPT_REPLY,
    **REPLIES,
}
# The server acts, though its client cannot know.
CARRIED_OUT = {
    "request late",
    "reply lost",
    "reply late",
    "reset after",
    "reply corrupted",
}
# Also on what was sent behind it.
CARRIES_ON = {"reply late", "reply corrupted"}


@dataclass(frozen=True)
class Cell:
    step: str
    fault: str
    goes_on: bool

    def __str__(self) -> str:
        return f"{self.step}-{self.fault}-{'always' if self.goes_on else 'once'}"


CELLS = [Cell(s, f, g) for s in STEPS for f in FAULTS for g in (False, True)]
