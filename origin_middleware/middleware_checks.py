"""Wrong arguments of the middleware are refused, with what to give instead."""

from .errors import ConfigurationError
from .policy_checks import is_async
from .stores import Store


def check(store: object, observer: object, clock: object) -> None:
    """Raises ConfigurationError."""
    if isinstance(store, type) or not isinstance(store, Store):
        raise ConfigurationError(
            f"IdempotencyMiddleware(store={_name(store)}): store must be a store, such "
            "as MemoryStore() for one process, or RedisStore(client) around a "
            "redis.asyncio client."
        )
    for name, value in (("observer", observer), ("clock", clock)):
        if value is not None and (isinstance(value, type) or not callable(value)):
            raise ConfigurationError(
                f"IdempotencyMiddleware({name}={_name(value)}): {name} must be a "
                "function, or an object that can be called like one."
            )
        if is_async(value):
            raise ConfigurationError(
                f"IdempotencyMiddleware({name}={_name(value)}): {name} must be an "
                "ordinary function, not an async one: nobody would await it."
            )


def _name(value: object) -> str:
    """Not the repr of a client, which is long and may carry an address."""
    return value.__name__ if isinstance(value, type) else f"<{type(value).__name__}>"
