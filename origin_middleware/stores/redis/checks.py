"""Wrong arguments of the store are refused, with what to give instead."""

import re
from math import isfinite
from typing import Any, TypeGuard

from ...errors import ConfigurationError
from .options import Options
from .pooled_line import FEWEST
from .server import silence
from .topology import opens_sockets

# A comma would end a wake-up channel, and a brace decides about the cluster slot.
_NAME = re.compile(r"[A-Za-z0-9._:-]+")


def check(client: Any, options: Options) -> None:
    """Raises ConfigurationError."""
    _check_client(client)
    _check_options(options)
    _check_replicas(options)
    if hasattr(client, "nodes_manager"):
        _check_cluster(client)
    elif not opens_sockets(client.connection_pool.connection_class):
        _check_pool(client.connection_pool, options)


def _check_client(client: Any) -> None:
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


def _check_cluster(client: Any) -> None:
    if not hasattr(client, "pubsub"):
        raise ConfigurationError(
            "RedisStore(client=<RedisCluster>): a cluster needs redis-py 8.0 or newer, "
            "which can subscribe there. Upgrade with pip install -U redis."
        )


def _check_pool(pool: Any, options: Options) -> None:
    """Of a client whose connections stay its own."""
    replicas = options["replicas"]
    if replicas:
        raise ConfigurationError(
            f"RedisStore(replicas={replicas}): WAIT speaks for one connection, "
            f"and those of {pool.connection_class.__name__} cannot be kept. Take a "
            "client with ordinary connections."
        )
    if pool.max_connections < FEWEST:
        raise ConfigurationError(
            f"RedisStore(client=...): max_connections={pool.max_connections} is too "
            f"few; at least {FEWEST} are needed, two of them for the subscription."
        )


def _check_options(options: Any) -> None:
    namespace, budget = options["namespace"], options["budget"]
    on_eviction, quarantine = options["on_eviction"], options["quarantine"]
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


def _check_replicas(options: Any) -> None:
    replicas, timeout = options["replicas"], options["replicas_timeout"]
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        raise ConfigurationError(
            f"RedisStore(replicas={replicas!r}): a number of replicas is needed, or 0 "
            "to wait for none."
        )
    longest = silence(
        options["budget"]
    )  # a line that is silent for so long is given up
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
