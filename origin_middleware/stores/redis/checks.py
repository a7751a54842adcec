"""Wrong arguments of the store are refused, with what to give instead."""

import re
from math import isfinite
from typing import Any, TypeGuard

from ...errors import ConfigurationError

# A comma would end a wake-up channel, and a brace decides about the cluster slot.
_NAME = re.compile(r"[A-Za-z0-9._:-]+")


def check(
    client: Any, namespace: Any, budget: Any, on_eviction: Any, quarantine: Any
) -> None:
    if isinstance(client, type) or not _is_async(client):
        raise ConfigurationError(
            f"RedisStore(client=<{type(client).__name__}>): client must come from "
            "redis.asyncio, as redis.asyncio.Redis(...)."
        )
    if _decodes(client):
        raise ConfigurationError(
            "RedisStore(client=...): the client decodes responses, but records are "
            "bytes. Build it without decode_responses=True."
        )
    if not isinstance(namespace, str) or not _NAME.fullmatch(namespace):
        raise ConfigurationError(
            f"RedisStore(namespace={namespace!r}): only letters, digits and . _ : - "
            "are allowed."
        )
    if not _is_number(budget) or budget <= 0:
        raise ConfigurationError(
            f"RedisStore(budget={budget!r}): a number of seconds above 0 is needed."
        )
    if on_eviction not in ("refuse", "warn"):
        raise ConfigurationError(
            f'RedisStore(on_eviction={on_eviction!r}): "refuse" or "warn" is needed.'
        )
    if not _is_number(quarantine) or quarantine < 0:
        raise ConfigurationError(
            f"RedisStore(quarantine={quarantine!r}): a number of seconds is needed, or "
            "0 for none."
        )


def check_replicas(replicas: Any, timeout: Any, longest: float) -> None:
    """`longest`: a server that is silent for so long counts as lost."""
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        raise ConfigurationError(
            f"RedisStore(replicas={replicas!r}): a number of replicas is needed, or 0 "
            "to wait for none."
        )
    if not _is_number(timeout) or not 0.001 <= timeout < longest:
        raise ConfigurationError(
            f"RedisStore(replicas_timeout={timeout!r}): a number of seconds below "
            f"{longest:g} is needed; a larger budget allows for more."
        )


def _is_async(client: object) -> bool:
    return hasattr(client, "aclose") and (
        hasattr(client, "connection_pool") or hasattr(client, "nodes_manager")
    )


def _decodes(client: Any) -> bool:
    if hasattr(client, "nodes_manager"):
        return bool(client.get_connection_kwargs().get("decode_responses"))
    return bool(client.connection_pool.connection_kwargs.get("decode_responses"))


def _is_number(value: Any) -> TypeGuard[float]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and isfinite(value)
