"""Certificates that do not fit are reported, and not worked around."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from redis.asyncio import Redis

from origin_middleware import StoreUnavailable
from origin_middleware.record import Claimed
from origin_middleware.stores.redis import RedisStore
from tests.support import machine
from tests.support.stores import PATIENT, a_claim, a_key
from tests.support.topologies import Single

from .conftest import LOOPS, Started

pytestmark = [pytest.mark.slow, LOOPS]


@pytest.fixture
def options(started: Started) -> dict[str, Any]:
    """Of a client that works."""
    server = started.get("tls", "redis-7")
    assert isinstance(server, Single)
    return dict(server.options)


def _excuse_uvloop() -> None:
    """Its TLS may write to a connection that the server has just closed, or end a
    handshake that the store has given up. It tells the event loop, which is to say
    nobody who asked; what the asker is told is the tests' matter."""
    loop = asyncio.get_running_loop()
    handler = loop.get_exception_handler()

    def excuse(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        told = context.get("exception")
        if isinstance(told, ssl.SSLError) or "the handler is closed" in str(told):
            return
        if handler is not None:
            handler(loop, context)

    loop.set_exception_handler(excuse)


async def claim(options: dict[str, Any], budget: float | None = None) -> object:
    """Who is refused hears of it when the budget is spent."""
    _excuse_uvloop()
    async with Redis(**options) as client:
        store = RedisStore(client, budget=budget or await machine.pace())
        try:
            return await store.claim(a_key(), a_claim())
        finally:
            await store.aclose()


async def test_a_server_and_a_client_that_know_each_other(
    options: dict[str, Any],
) -> None:
    assert await claim(options, PATIENT) == Claimed()


async def test_the_url_carries_the_certificates(options: dict[str, Any]) -> None:
    files = "&".join(f"{n}={options[n]}" for n in options if n.startswith("ssl_"))
    store = RedisStore.from_url(
        f"rediss://127.0.0.1:{options['port']}?{files}", budget=PATIENT
    )
    assert await store.claim(a_key(), a_claim()) == Claimed()
    await store.aclose()


async def test_a_server_of_another_authority_is_not_trusted(
    options: dict[str, Any], tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger.pem"
    trustme.CA().cert_pem.write_to_path(stranger)
    with pytest.raises(StoreUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await claim(options | {"ssl_ca_certs": str(stranger)})


async def test_a_server_of_another_name_is_not_trusted(options: dict[str, Any]) -> None:
    with pytest.raises(StoreUnavailable, match="Hostname mismatch"):
        await claim(options | {"host": "localhost"})


async def test_a_client_without_a_certificate_is_refused(
    options: dict[str, Any],
) -> None:
    without = {"ssl_certfile": None, "ssl_keyfile": None}
    with pytest.raises(StoreUnavailable):
        await claim(options | without)


async def test_a_client_without_tls_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(StoreUnavailable):
        await claim({"port": options["port"]})
