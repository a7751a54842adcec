"""The lifecycle in Lua, on Redis 6.2 or newer, or Valkey."""

try:
    import redis.asyncio  # noqa: F401 - only to say what to install
except ModuleNotFoundError as exc:  # pragma: no cover - the test environment has it
    raise ModuleNotFoundError(
        "RedisStore needs redis-py: pip install 'origin-middleware[redis]'"
    ) from exc

from .store import RedisStore

__all__ = ["RedisStore"]
