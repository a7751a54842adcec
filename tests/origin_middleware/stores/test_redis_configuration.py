"""What cannot work is refused before the first request, with what to do instead."""

import subprocess
import sys
import traceback
from importlib.util import find_spec
from typing import Any

import fakeredis
import pytest
import redis as sync_redis
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from origin_middleware import (
    ConfigurationError,
)
from origin_middleware.stores.redis import RedisStore
from tests.support.servers import RedisServer
from tests.support.stores import OwnConnection


def test_a_synchronous_client_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"redis\.asyncio"):
        RedisStore(sync_redis.Redis())  # type: ignore[arg-type] # the mistake under test


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


@pytest.mark.parametrize("url", [None, b"redis://:password@localhost"])
def test_a_url_that_is_no_string_is_refused(url: Any) -> None:
    """As of a variable that is not set."""
    with pytest.raises(ConfigurationError, match="must be a string") as refused:
        RedisStore.from_url(url)
    assert "password" not in str(refused.value)


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


async def test_a_pool_without_room_for_a_subscription_is_refused() -> None:
    few = Redis.from_url(
        "redis://localhost", connection_class=OwnConnection, max_connections=2
    )
    with pytest.raises(ConfigurationError, match="max_connections=2"):
        RedisStore(few)


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
