"""A store for Redis 6.2 or newer, and Valkey."""

try:
    import hiredis
    import redis  # noqa: F401 - only to say what to install
except ImportError as missing:
    raise ImportError(
        f"RedisStore needs {missing.name}: pip install 'origin-middleware[redis]'"
    ) from missing

if not hasattr(hiredis, "PushNotification"):
    raise ImportError(
        f"RedisStore needs hiredis 3.2 or newer, and this is {hiredis.__version__}: "
        "pip install 'hiredis>=3.2'"
    )

from .store import RedisStore

__all__ = ["RedisStore"]
