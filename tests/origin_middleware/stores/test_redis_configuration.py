"""What cannot work is refused before the first request, with what to do instead."""

import subprocess
import sys
from importlib.util import find_spec

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


def test_a_url_that_cannot_work_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="redis://"):
        RedisStore.from_url("http://localhost")


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
