"""A store for Redis 6.2 or newer, and Valkey."""

try:
    import hiredis  # noqa: F401 - only to say what to install
    import redis  # noqa: F401 - the same
except ImportError as missing:
    raise ImportError(
        f"RedisStore needs {missing.name}: pip install 'origin-middleware[redis]'"
    ) from missing

from .store import RedisStore

__all__ = ["RedisStore"]
