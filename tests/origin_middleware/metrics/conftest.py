from collections.abc import Iterator

import pytest

from tests.support.servers import RedisServer, running, valkey


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[RedisServer]:
    with running(valkey()) as server:
        monkeypatch.setenv("SHOP_STORE", server.url)
        yield server
