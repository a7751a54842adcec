"""What cannot be a middleware is refused at once, and an observer disturbs nobody."""

from typing import Any

import pytest

from origin_middleware import (
    ConfigurationError,
    IdempotencyMiddleware,
    LoggingObserver,
    MemoryStore,
)
from origin_middleware.observer import Event
from origin_middleware.stores.redis import RedisStore
from tests.support.asgi import (
    App,
    request,
)


async def test_an_observer_that_fails_does_not_fail_the_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(event: Event) -> None:
        raise ZeroDivisionError

    app = IdempotencyMiddleware(App(), store=MemoryStore(), observer=broken)
    assert (await request(app)).status == 200
    assert "observer failed" in caplog.text


@pytest.mark.parametrize("store", [None, "redis://localhost", MemoryStore, RedisStore])
def test_what_is_not_a_store_is_refused_at_construction(store: object) -> None:
    with pytest.raises(ConfigurationError, match="store must be a store"):
        IdempotencyMiddleware(App(), store=store)  # type: ignore[arg-type] # the mistake under test


@pytest.mark.parametrize(
    "options",
    [{"observer": 5}, {"observer": LoggingObserver}, {"clock": 5}, {"clock": float}],
)
def test_what_cannot_be_called_is_refused_at_construction(
    options: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError, match="must be a function"):
        IdempotencyMiddleware(App(), store=MemoryStore(), **options)


def test_what_is_not_a_policy_is_refused_at_construction() -> None:
    with pytest.raises(ConfigurationError, match="policy must be a Policy"):
        IdempotencyMiddleware(App(), store=MemoryStore(), policy={})  # type: ignore[arg-type] # the mistake under test


@pytest.mark.parametrize("option", ["policy", "observer", "clock"])
def test_a_function_that_nobody_would_await_is_refused_at_construction(
    option: str,
) -> None:
    async def function(_: object) -> None: ...

    options: dict[str, Any] = {option: function}
    with pytest.raises(ConfigurationError, match="an ordinary function, not an async"):
        IdempotencyMiddleware(App(), store=MemoryStore(), **options)
