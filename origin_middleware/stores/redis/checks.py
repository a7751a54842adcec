"""Wrong arguments of the store are refused, with what to give instead."""

import re
from math import isfinite
from typing import Any

from ...errors import ConfigurationError

# A comma would end a wake-up channel, and a brace decides about the cluster slot.
_NAME = re.compile(r"[A-Za-z0-9._:-]+")


def check(client: Any, namespace: Any, budget: Any) -> None:
    if isinstance(client, type) or not _is_async(client):
        raise ConfigurationError(
            f"RedisStore(client=<{type(client).__name__}>): client must come from "
            "redis.asyncio, as redis.asyncio.Redis(...)."
        )
    if client.connection_pool.connection_kwargs.get("decode_responses"):
        raise ConfigurationError(
            "RedisStore(client=...): the client decodes responses, but records are "
            "bytes. Build it without decode_responses=True."
        )
    if not isinstance(namespace, str) or not _NAME.fullmatch(namespace):
        raise ConfigurationError(
            f"RedisStore(namespace={namespace!r}): only letters, digits and . _ : - "
            "are allowed."
        )
    number = isinstance(budget, (int, float)) and not isinstance(budget, bool)
    if not number or not isfinite(budget) or budget <= 0:
        raise ConfigurationError(
            f"RedisStore(budget={budget!r}): a number of seconds above 0 is needed."
        )


def _is_async(client: object) -> bool:
    return hasattr(client, "aclose") and hasattr(client, "connection_pool")
