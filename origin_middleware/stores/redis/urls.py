"""A client for an address."""

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ...errors import ConfigurationError


def client_for(url: str) -> Redis:
    """Raises ConfigurationError for a URL that redis-py does not take."""
    try:
        pool = ConnectionPool.from_url(
            url,
            # Retries are ours: they carry the owner token. So are time limits.
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,
            socket_connect_timeout=None,
            socket_keepalive=True,
        )
        # Where unknown options come out; it connects nowhere.
        pool.make_connection()  # type: ignore[no-untyped-call] # redis-py's gap
    except (ValueError, TypeError) as exc:
        # Without the URL, which may carry a password.
        raise ConfigurationError(f"RedisStore.from_url(...): {exc}") from exc
    return Redis.from_pool(pool)
