"""ASGI middleware that makes retries of paid API calls safe."""

from .attempt import Abandoned, Attempt, Reconciler, Ruling, attempt_of
from .decision import Refusal
from .errors import (
    ConfigurationError,
    OriginMiddlewareError,
    RecordDamaged,
    StoreError,
    StoreUnavailable,
    StoreUnsafe,
)
from .events import (
    ClaimMissing,
    Event,
    Executed,
    Failed,
    LeaseLost,
    LoggingObserver,
    NotRecorded,
    Observer,
    RanUnprotected,
    Reconciled,
    RecordedLate,
    Refused,
    Replayed,
    Superseded,
    TakenOver,
)
from .key import Key
from .middleware import IdempotencyMiddleware
from .policy import Policy
from .record import (
    Absent,
    Answer,
    Claim,
    Claimed,
    Completed,
    Evidence,
    Fingerprint,
    Finished,
    Held,
    NotReplayable,
    Outcome,
    OwnerToken,
    Preceded,
    Recorded,
)
from .response import StoredResponse
from .runtime import drain
from .stores import Checks, Store
from .stores.memory import MemoryStore

__all__ = [
    "Abandoned",
    "Absent",
    "Answer",
    "Attempt",
    "Checks",
    "Claim",
    "ClaimMissing",
    "Claimed",
    "Completed",
    "ConfigurationError",
    "Event",
    "Evidence",
    "Executed",
    "Failed",
    "Fingerprint",
    "Finished",
    "Held",
    "IdempotencyMiddleware",
    "Key",
    "LeaseLost",
    "LoggingObserver",
    "MemoryStore",
    "NotRecorded",
    "NotReplayable",
    "Observer",
    "OriginMiddlewareError",
    "Outcome",
    "OwnerToken",
    "Policy",
    "Preceded",
    "RanUnprotected",
    "Reconciled",
    "Reconciler",
    "RecordDamaged",
    "Recorded",
    "RecordedLate",
    "Refusal",
    "Refused",
    "Replayed",
    "Ruling",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "StoreUnsafe",
    "StoredResponse",
    "Superseded",
    "TakenOver",
    "attempt_of",
    "drain",
]
