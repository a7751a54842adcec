"""Wrong arguments of the store are refused, with what to give instead."""

from typing import Any

from ...errors import ConfigurationError


def check(client: Any, namespace: str, budget: float) -> None:
    if isinstance(client, type) or not hasattr(client, "aclose"):
        raise ConfigurationError(
            f"RedisStore(client=<{type(client).__name__}>): client must come from "
            "redis.asyncio, as redis.asyncio.Redis(...)."
        )
    if client.connection_pool.connection_kwargs.get("decode_responses"):
        raise ConfigurationError(
            "RedisStore(client=...): the client decodes responses, but records are "
            "bytes. Build it without decode_responses=True."
        )
    if not namespace or set(namespace) & set("{}"):
        raise ConfigurationError(
            f"RedisStore(namespace={namespace!r}): a name without braces is needed."
        )
    if budget <= 0:
        raise ConfigurationError(
            f"RedisStore(budget={budget!r}): a number of seconds above 0 is needed."
        )
