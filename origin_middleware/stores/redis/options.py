"""The options of a store, and the client: wrong ones are refused, with what to give
instead.
"""

import re
from collections.abc import Iterable, Mapping
from inspect import iscoroutinefunction, signature
from math import inf, isfinite
from typing import Any, Literal, TypedDict, TypeGuard
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ...errors import ConfigurationError
from ...events import StoreObserver, one_or_several
from .connection import opens_sockets

OnEviction = Literal["refuse", "warn"]


class Options(TypedDict, total=False):
    """`RedisStore` says what each means. A store has all of them; its callers may leave
    some out.
    """

    namespace: str
    budget: float
    on_eviction: OnEviction
    quarantine: float
    single_endpoint: bool
    replicas: int
    replicas_timeout: float
    observer: StoreObserver | Iterable[StoreObserver] | None


# Not everything that the store uses of a cluster's client is documented.
_OF_A_CLUSTER = {"pubsub", "get_node", "get_primaries", "keyslot"}
_OF_ITS_NODES = {"get_node_from_slot", "initialize"}

# A comma would end a wake-up channel, and a brace decides about the cluster slot.
_NAME = re.compile(r"[A-Za-z0-9._:-]+")

_SHORTEST_SILENCE = 0.25

# Of redis-py's clients: what it looks at only when it connects.
_NUMBERS = {
    *("socket_timeout", "socket_connect_timeout"),
    *("socket_read_size", "health_check_interval"),
}
_OBJECTS = {"credential_provider", "redis_connect_func", "socket_keepalive_options"}


def check(client: Any, options: Options) -> None:
    """Raises ConfigurationError."""
    _check_client(client)
    _check_options(options)
    _check_replicas(options)
    if isinstance(client, RedisCluster):
        if options["single_endpoint"]:
            raise ConfigurationError(
                "RedisStore(single_endpoint=True): a RedisCluster finds the nodes "
                "itself. Leave it out, or give a client of one address."
            )
        _check_cluster(client)
    elif not opens_sockets(client.connection_pool.connection_class):
        _check_pool(client.connection_pool, options)
    else:
        _check_settings(client.connection_pool)


def observers(given: Any) -> tuple[StoreObserver, ...]:
    """Raises ConfigurationError."""
    if given is None:
        return ()
    found = one_or_several(given)
    for each in found:
        if isinstance(each, type) or not callable(each) or iscoroutinefunction(each):
            raise ConfigurationError(
                f"RedisStore(observer=...): {each!r:.60} is not an ordinary function, "
                "nor an object that can be called like one."
            )
    return found


def client_for(url: str, options: Iterable[str]) -> Redis:
    """Raises ConfigurationError for a URL that redis-py does not take, and for options
    that are redis-py's."""
    for name in options:
        if name in signature(Redis).parameters:
            raise ConfigurationError(
                f"RedisStore.from_url(..., {name}=...): this is not an option of the "
                f"store. One of redis-py goes into the URL, as in redis://host?{name}=1"
                f", or into a client: RedisStore(Redis.from_url(url, {name}=1))."
            )
    given: object = url
    if not isinstance(given, str):
        raise ConfigurationError(
            f"RedisStore.from_url(<{type(given).__name__}>): the URL must be a string, "
            "such as redis://localhost:6379. Is the variable set that it comes from? "
            "A client of redis.asyncio goes into RedisStore(client)."
        )
    pool = _pool(url)
    if pool is None:
        # Without what redis-py says, and not out of its error: where a password has a
        # / or # or ?, its pieces look like a port, or like an option.
        raise ConfigurationError(
            "RedisStore.from_url(...): redis-py does not take this URL, which is not "
            "shown because it may have a password. It begins with redis://, rediss:// "
            "or unix://, its port, its db and its time limits are numbers, and its "
            "options are those of redis.asyncio.Redis. A password has to be quoted: "
            "urllib.parse.quote(password, safe='')."
        )
    if not all(map(_is_database, _databases(url))):
        raise ConfigurationError(
            "RedisStore.from_url(...): a database of Redis is a number, such as 0 in "
            "redis://localhost:6379/0 or unix:///run/redis.sock?db=0, and this URL has "
            "something else there. To keep records apart by a name, take "
            "RedisStore.from_url(..., namespace=...)."
        )
    return Redis.from_pool(pool)


def _pool(url: str) -> ConnectionPool | None:
    is_unix = url.startswith("unix:")
    settings: dict[str, Any] = {} if is_unix else {"socket_keepalive": True}
    try:
        if not is_unix and _may_be_misread(url):
            return None
        pool = ConnectionPool.from_url(
            url,
            # Retries are ours: they carry the owner token. So are time limits.
            retry=Retry(NoBackoff(), 0),
            socket_timeout=None,
            socket_connect_timeout=None,
            **settings,
        )
        # Where unknown options come out; it connects nowhere.
        pool.make_connection()  # type: ignore[no-untyped-call] # redis-py's gap
    except Exception:  # redis-py raises errors of its own, and others
        return None
    return pool


def _may_be_misread(url: str) -> bool:
    """With redis://:12/34@host redis-py would go to port 12 of this machine, and its
    errors would name it.
    """
    _, _, path, query, fragment = urlsplit(url)
    beyond = [path, fragment, *(each for each in query.split("&") if "=" not in each)]
    return any("@" in each for each in beyond)


def _databases(url: str) -> list[str]:
    """All that redis-py would look at. What is no number counts as 0 there."""
    scheme, _, path, query, _ = urlsplit(url)
    named = parse_qs(query).get("db", [])
    path = unquote(path).strip("/")
    return [path, *named] if path and scheme != "unix" else named


def _is_database(value: object) -> bool:
    return str(value).isascii() and str(value).isdecimal()


def silence(budget: float) -> float:
    """A reply that takes longer is more often lost than late; asking again is safe."""
    return max(_SHORTEST_SILENCE, budget / 4)


def _check_client(client: Any) -> None:
    if isinstance(client, type) or not _is_async(client):
        raise ConfigurationError(
            f"RedisStore(client=<{type(client).__name__}>): client must come from "
            "redis.asyncio: Redis(...), Sentinel(...).master_for(...) or RedisCluster. "
            "A URL goes into RedisStore.from_url(url)."
        )
    if _settings(client).get("decode_responses"):
        raise ConfigurationError(
            "RedisStore(client=...): the client decodes responses, but records are "
            "bytes. Build it without decode_responses=True."
        )
    database = _settings(client).get("db") or 0
    if not _is_database(database):
        raise ConfigurationError(
            f"RedisStore(client=...): a database of Redis is a number, 0 or above, and "
            f"the client has db={database!r}. To keep records apart by a name, take "
            "RedisStore(client, namespace=...)."
        )

    for name, value in _settings(client).items():
        number = name in _NUMBERS and value is not None
        wrong = number and not (value == inf or (_is_number(value) and value >= 0))
        if wrong or (name in _OBJECTS and isinstance(value, str)):
            # Not shown: it may be a piece of a password that is not quoted.
            raise ConfigurationError(
                f"RedisStore: redis-py cannot connect with this {name}. Give it "
                + ("a number." if number else "an object, which no URL can name.")
            )


def _check_settings(pool: ConnectionPool) -> None:
    """Where wrong ones come out; it connects nowhere."""
    try:
        pool.make_connection()  # type: ignore[no-untyped-call] # redis-py's gap
    except Exception as error:
        raise ConfigurationError(
            "RedisStore(client=...): redis-py cannot make a connection with the "
            f"client's settings: {type(error).__name__}: {error}"
        ) from error


def _check_cluster(client: Any) -> None:
    nodes = getattr(client, "nodes_manager", None)
    missing = _OF_A_CLUSTER.difference(dir(client))
    missing |= _OF_ITS_NODES.difference(dir(nodes))
    if missing:
        raise ConfigurationError(
            f"RedisStore(client=<RedisCluster>): that of redis-py {redis.__version__} "
            f"lacks {', '.join(sorted(missing))}. A cluster needs redis-py 8.0 or "
            "newer: pip install 'redis[hiredis]>=8,<9'."
        )


def _check_pool(pool: Any, options: Options) -> None:
    """Of a client whose connections stay its own."""
    replicas = options["replicas"]
    if replicas:
        raise ConfigurationError(
            f"RedisStore(replicas={replicas}): WAIT covers one connection only, "
            f"and those of {pool.connection_class.__name__} cannot be kept. Use a "
            "client with ordinary connections."
        )


def _check_options(options: Any) -> None:
    namespace, budget = options["namespace"], options["budget"]
    on_eviction, quarantine = options["on_eviction"], options["quarantine"]
    single_endpoint = options["single_endpoint"]
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
    if not isinstance(single_endpoint, bool):
        raise ConfigurationError(
            f"RedisStore(single_endpoint={single_endpoint!r}): True or False is needed."
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
        isinstance(client, RedisCluster) or hasattr(client, "connection_pool")
    )


def _settings(client: Any) -> Mapping[str, Any]:
    if isinstance(client, RedisCluster):
        return client.get_connection_kwargs()
    settings: Mapping[str, Any] = client.connection_pool.connection_kwargs
    return settings


def _is_number(value: Any) -> TypeGuard[float]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and isfinite(value)
