"""Requests that make every metric move."""

import asyncio
from uuid import uuid4

import httpx
from redis import Redis

from tests.support.servers import RedisServer

INTENT = "intent-"
"""Every key begins so."""


async def play(http: httpx.AsyncClient, redis: RedisServer) -> None:
    key = {"x-settlement-intent-id": INTENT + uuid4().hex}
    slow = asyncio.create_task(http.post("/jokes", headers=key | {"x-takes": "0.5"}))
    await _until_held(redis)
    assert (await http.post("/jokes", headers=key)).status_code == 200  # has waited
    assert (await slow).status_code == 200
    assert (await http.post("/jokes", headers=key)).status_code == 200
    assert (await http.post("/jokes?b", headers=key)).status_code == 422
    assert (await http.post("/jokes")).status_code == 400
    other = {"x-settlement-intent-id": INTENT + uuid4().hex}
    failing = await http.post("/jokes", headers=other | {"x-status": "500"})
    assert failing.status_code == 500
    assert (await http.post("/jokes", headers=other)).status_code == 200
    await _take_over(http, redis)
    redis.stop()
    assert (await http.post("/jokes", headers=key)).status_code == 503
    assert (await http.post("/risky", headers=key)).status_code == 200


async def _take_over(http: httpx.AsyncClient, redis: RedisServer) -> None:
    """The lease is ended, as if its process had been stopped: both run to their end."""
    key = {"x-settlement-intent-id": INTENT + uuid4().hex}
    slow = asyncio.create_task(http.post("/again", headers=key | {"x-takes": "1.5"}))
    name = await _until_held(redis)
    with Redis(port=redis.port) as admin:
        admin.setrange(name, 76, b"0000000000")
    assert (await http.post("/again", headers=key)).status_code == 200
    assert (await slow).status_code == 200


async def _until_held(redis: RedisServer) -> bytes:
    with Redis(port=redis.port) as admin:
        while True:
            for name in admin.scan_iter("idem:{*"):
                if admin.getrange(name, 1, 1) == b"P":
                    return bytes(name)
            await asyncio.sleep(0.005)
