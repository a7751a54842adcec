"""What cannot work is refused before the first request, with what to do instead."""

import subprocess
import sys
import traceback
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import redis as sync_redis
from redis.asyncio import Redis
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.sentinel import Sentinel

from origin_middleware import ConfigurationError, MemoryStore
from origin_middleware.stores.redis import RedisStore
from tests.support.servers import RedisServer
from tests.support.stores import OwnConnection


def test_a_synchronous_client_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"redis\.asyncio"):
        RedisStore(sync_redis.Redis())  # type: ignore[arg-type] # the mistake under test


@pytest.mark.parametrize(
    "client",
    ["redis://:hunter2@localhost", None, Path("/run/redis.sock"), Redis, Sentinel([])],  # type: ignore[no-untyped-call] # redis-py's gap
)
def test_what_is_no_client_is_refused_with_the_constructor_to_take(client: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"RedisStore\.from_url\(") as refused:
        RedisStore(client)
    assert "master_for(...)" in str(refused.value)
    assert "hunter2" not in str(refused.value)


async def test_a_client_that_decodes_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="decode_responses"):
        RedisStore(Redis(decode_responses=True))


@pytest.mark.parametrize(
    "options",
    [
        {"namespace": ""},
        {"namespace": "a{b}"},
        {"namespace": "a,b"},
        {"namespace": b"a"},
        {"budget": 0.0},
        {"budget": float("nan")},
        {"budget": "1"},
        {"budget": True},
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        RedisStore(Redis(), **options)  # type: ignore[arg-type] # the mistake under test


@pytest.mark.parametrize(
    "url", [None, b"redis://:password@localhost", Path("/run/redis.sock"), Redis()]
)
def test_a_url_that_is_no_string_is_refused(url: Any) -> None:
    """As of a variable that is not set."""
    with pytest.raises(ConfigurationError, match="must be a string") as refused:
        RedisStore.from_url(url)
    assert "goes into RedisStore(client)" in str(refused.value)
    assert "password" not in str(refused.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"port": None},  # as of a variable that is not set
        {"port": "x"},
        {"protocol": 4},
        {"retry": "x"},
        {"ssl": True, "ssl_cert_reqs": "bogus"},
    ],
)
def test_settings_with_which_redis_py_cannot_connect_are_refused(
    settings: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError, match="cannot make a connection"):
        RedisStore(Redis(host="localhost", **settings))


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost?protocol=4",
        "redis://localhost?retry=3",
        "rediss://localhost?ssl_cert_reqs=bogus",
        "redis://user:hunter2@localhost?credential_provider=x",
        "redis://localhost?redis_connect_func=hunter2",
        "redis://:hunter2@localhost?socket_connect_timeout=x",
        "redis://localhost?socket_connect_timeout=-1",
    ],
)
def test_a_url_with_which_redis_py_cannot_connect_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        RedisStore.from_url(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "setting",
    [
        {"socket_connect_timeout": "x"},
        {"socket_timeout": float("nan")},
        {"socket_timeout": -1},
        {"health_check_interval": float("nan")},
        {"credential_provider": "x"},
        {"redis_connect_func": "x"},
        {"socket_keepalive_options": "x"},
    ],
)
def test_settings_that_redis_py_looks_at_later_are_checked_at_once(
    setting: dict[str, Any],
) -> None:
    sentinel = Sentinel([("localhost", 26379)])  # type: ignore[no-untyped-call] # redis-py's gap
    for client in (Redis(**setting), sentinel.master_for("records", **setting)):
        with pytest.raises(ConfigurationError, match=f"this {next(iter(setting))}"):
            RedisStore(client)


def test_an_option_of_redis_py_goes_into_the_url() -> None:
    with pytest.raises(ConfigurationError, match=r"\?socket_connect_timeout=1"):
        RedisStore.from_url("redis://localhost", socket_connect_timeout=1)  # type: ignore[call-arg] # the mistake under test


def test_a_time_limit_may_be_infinite() -> None:
    RedisStore(Redis(socket_timeout=float("inf")))


class Teams(RedisStore):
    def __init__(self, client: Redis, *, team: str = "", **options: Any) -> None:
        super().__init__(client, **options)
        self.team = team


def test_a_store_of_ones_own_may_have_options_of_its_own() -> None:
    """They are given to it, and not taken for those of redis-py."""
    store = Teams.from_url("redis://localhost", team="pay")  # type: ignore[call-arg] # its own
    assert isinstance(store, Teams)
    assert store.team == "pay"


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost/name",
        "rediss://localhost/name",
        "redis://localhost/1/2",
        "redis://localhost/1.0",
        "redis://localhost/1_0",
        "redis://localhost/%D9%A3",
        "redis://localhost/-1",
        "redis://localhost/name?db=1",
        "redis://localhost?db=-1",
        "redis:localhost",
        "unix:///run/redis.sock?db=-1",
    ],
)
def test_a_database_is_a_number(url: str) -> None:
    """redis-py takes another one instead, 0 most of the time."""
    with pytest.raises(ConfigurationError, match="namespace=") as refused:
        RedisStore.from_url(url)
    assert "redis://localhost:6379/0" in str(refused.value)


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("redis://localhost/", None),
        ("redis://localhost/2/", 2),
        ("redis://localhost/1?db=2", 2),
        ("unix:///run/redis/1.sock?db=3", 3),
    ],
)
def test_a_database_that_is_a_number_is_taken(url: str, database: int | None) -> None:
    client: Any = RedisStore.from_url(url)._client
    assert client.connection_pool.connection_kwargs.get("db") == database


@pytest.mark.parametrize("database", ["name", -1, 1.5, True])
def test_a_client_whose_database_is_no_number_is_refused(database: Any) -> None:
    sentinel = Sentinel([("localhost", 26379)])  # type: ignore[no-untyped-call] # redis-py's gap
    for client in (Redis(db=database), sentinel.master_for("records", db=database)):
        with pytest.raises(ConfigurationError, match=f"db={database!r}"):
            RedisStore(client)
    for taken in (None, 3, "3"):
        RedisStore(Redis(db=taken))  # type: ignore[arg-type] # redis-py takes them


def test_a_url_that_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="redis://"):
        RedisStore.from_url("http://localhost")


@pytest.mark.parametrize(
    "url",
    [
        "redis://:{}@localhost:6379",
        "redis://{}@localhost:6379",
        "redis://user:{}@localhost:6379/0",
        "rediss://:{}",
        "redis://localhost:{}",
        "redis://user:{}@localhost?sockettimeout=1",
        "redis://localhost?password={}",
        "unix://user:{}@/tmp/socket?db=one",
        "http://user:{}@localhost",
    ],
)
@pytest.mark.parametrize("join", ["/", "#", "?", "@", ":", "[", "&", "?x=", "&x=", " "])
@pytest.mark.parametrize(("one", "two"), [("hunter", "zwei"), ("1234", "5678")])
def test_no_piece_of_a_password_is_shown(
    url: str, join: str, one: str, two: str
) -> None:
    refused = refusal(url.format(f"{one}{join}{two}"))
    if refused is not None:
        shown = "".join(traceback.format_exception(refused))
        assert refused.__context__ is None
        assert one not in shown
        assert two not in shown
        assert "urllib.parse.quote" in str(refused)


def refusal(url: str) -> ConfigurationError | None:
    try:
        RedisStore.from_url(url)
    except ConfigurationError as refused:
        return refused
    return None


@pytest.mark.parametrize(
    "url", ["redis://:12/34@host", "redis://:12#34@host", "redis://user:12?34@host"]
)
def test_a_password_is_not_taken_for_a_port(url: str) -> None:
    with pytest.raises(ConfigurationError, match="has to be quoted"):
        RedisStore.from_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://me%40corp:a%2Fb@localhost/0",
        "redis://localhost?password=p@ss&username=me@corp",
        "unix://user:pw@/tmp/odd@name?db=1",
        "unix:///tmp/socket",
    ],
)
def test_a_url_that_is_well_formed_is_taken(url: str) -> None:
    RedisStore.from_url(url)


def test_a_single_endpoint_is_not_for_a_client_of_all_nodes() -> None:
    client = RedisCluster(host="localhost")
    with pytest.raises(ConfigurationError, match="single_endpoint"):
        RedisStore(client, single_endpoint=True)


@pytest.mark.parametrize("wrong", ["sockettimeout=1", "db=one"])
def test_a_url_with_an_option_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="from_url"):
        RedisStore.from_url(f"redis://localhost?{wrong}")


def sentinel(*addresses: str, service: str = "records", db: int = 0) -> Redis:
    pairs = [(host, 26379) for host in addresses]
    found: Redis = Sentinel(pairs).master_for(service, db=db)  # type: ignore[no-untyped-call] # redis-py's gap
    return found


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Redis(), Redis(host="LOCALHOST", port=6379, password="p", db=0), True),
        (Redis(), Redis.from_url("rediss://localhost"), True),
        (Redis(), Redis(connection_pool=Redis().connection_pool), True),
        (Redis(), Redis(port=6380), False),
        (Redis(), Redis(db=1), False),
        (Redis(), Redis(host="elsewhere"), False),
        (Redis(), Redis(unix_socket_path="/run/redis.sock"), False),
        (Redis.from_url("unix:///a"), Redis(unix_socket_path="/a"), True),
        (Redis.from_url("unix:///a"), Redis.from_url("unix:///b"), False),
        (Redis.from_url("unix:///a"), Redis.from_url("unix:///a?db=1"), False),
        (sentinel("a", "b"), sentinel("b", "c"), True),
        (sentinel("a", "b"), sentinel("c"), False),
        (sentinel("a"), sentinel("a", service="other"), False),
        (sentinel("a"), sentinel("a", db=1), False),
        (sentinel("a"), Redis(host="a", port=26379), False),
        (fakeredis.FakeAsyncRedis(), fakeredis.FakeAsyncRedis(), False),
    ],
)
def test_stores_are_equal_where_they_have_the_same_records(
    one: Redis, other: Redis, same: bool
) -> None:
    assert RedisStore(one) == RedisStore(one)
    assert (RedisStore(one) == RedisStore(other)) is same
    assert not same or hash(RedisStore(one)) == hash(RedisStore(other))
    assert RedisStore(one) != RedisStore(one, namespace="other")
    assert RedisStore(one) != MemoryStore()


@pytest.mark.skipif(sync_redis.VERSION < (8,), reason="a cluster needs redis-py 8")
def test_stores_of_a_cluster_are_equal_where_they_begin_at_the_same_node() -> None:
    def cluster(*ports: int) -> RedisStore:
        nodes = [ClusterNode("localhost", port) for port in ports]
        return RedisStore(RedisCluster(startup_nodes=nodes))

    assert cluster(7000, 7001) == cluster(7001)
    assert cluster(7000) != cluster(7001)


async def test_a_cluster_that_cannot_be_subscribed_to_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(RedisCluster, "pubsub", raising=False)
    with pytest.raises(ConfigurationError, match=r"redis-py 8\.0"):
        RedisStore(RedisCluster(host="localhost"))


async def test_replicas_need_connections_that_can_be_kept() -> None:
    url = "redis://localhost"
    own = Redis.from_url(url, connection_class=OwnConnection)
    for client in (own, fakeredis.FakeAsyncRedis()):
        with pytest.raises(ConfigurationError, match="WAIT"):
            RedisStore(client, replicas=1)


@pytest.mark.parametrize("missing", ["redis", "hiredis"])
def test_what_is_not_installed_is_named(missing: str) -> None:
    assert find_spec(missing)
    program = f"import sys; sys.modules[{missing!r}] = None\n"
    program += "import origin_middleware.stores.redis"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert f"needs {missing}: pip install 'origin-middleware[redis]'" in run.stderr


def test_a_hiredis_that_is_too_old_is_refused_with_the_version_to_take() -> None:
    """It cannot tell what a server says of itself from a reply."""
    program = "import hiredis\ndel hiredis.PushNotification\n"
    program += "import origin_middleware.stores.redis"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "pip install 'hiredis>=3.2'" in run.stderr


# A connection of fakeredis belongs to the loop that it was made in, and before 8.0
# redis-py uses it in the next one.
per_loop = pytest.mark.skipif(
    sync_redis.VERSION < (8,),
    reason="fakeredis needs redis-py 8 for a loop per request",
)


@pytest.mark.parametrize(
    "kind", ["memory", pytest.param("fakeredis", marks=per_loop), "a server"]
)
def test_each_request_may_have_an_event_loop_of_its_own(
    kind: str, valkey_server: RedisServer
) -> None:
    where = valkey_server.url if kind == "a server" else kind
    run = subprocess.run(
        [sys.executable, "-m", "tests.origin_middleware.stores.loops", where],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.stdout == "200 200 200 200 executions: 2\n", run.stderr
