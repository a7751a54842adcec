"""ASGI middleware that makes retries of paid API calls safe."""

from .attempt import Attempt, attempt_of
from .errors import (
    ConfigurationError,
    OriginMiddlewareError,
    RecordDamaged,
    StoreError,
    StoreUnavailable,
    StoreUnsafe,
)
from .middleware import IdempotencyMiddleware
from .observer import LoggingObserver, Observer
from .policy import Policy
from .reconciler import Abandoned
from .response import StoredResponse
from .running import drain
from .stores import Store
from .stores.memory import MemoryStore

__all__ = [
    "Abandoned",
    "Attempt",
    "ConfigurationError",
    "IdempotencyMiddleware",
    "LoggingObserver",
    "MemoryStore",
    "Observer",
    "OriginMiddlewareError",
    "Policy",
    "RecordDamaged",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "StoreUnsafe",
    "StoredResponse",
    "attempt_of",
    "drain",
]
