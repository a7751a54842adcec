"""ASGI middleware that makes retries of paid API calls safe."""

from .errors import (
    ConfigurationError,
    OriginMiddlewareError,
    RecordDamaged,
    StoreError,
    StoreUnavailable,
)
from .middleware import IdempotencyMiddleware
from .observer import LoggingObserver, Observer
from .policy import Policy
from .stores import Store
from .stores.memory import MemoryStore

__all__ = [
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
]
