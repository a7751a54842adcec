"""What is kept, for how long, and what a hit skips."""

from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from starlette.types import Receive, Scope, Send

from edge.emulator.cache import time_to_live
from edge.emulator.distribution import CACHING_OPTIMIZED, Behaviour, CachePolicy
from edge.emulator.messages import Response
from tests.support.lambdas import (
    Counted,
    Event,
    emulated,
    log,
    pass_through,
)

CACHED = Behaviour(cache_policy=CACHING_OPTIMIZED)
ZERO_MINIMUM = CachePolicy(0, 60, 3_600)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def print_type(event: Event, context: Any) -> Any:
    cf = event["Records"][0]["cf"]
    log(cf["config"]["eventType"])
    return cf.get("response", cf["request"])


def test_a_hit_skips_the_origin_and_origin_response(tmp_path: Path) -> None:
    clock = Clock()
    with emulated(tmp_path, print_type, Counted(), CACHED, clock=clock) as edge:
        miss = edge.client.get("/")
        clock.now += 30
        hit = edge.client.get("/")
        assert edge.log() == ["viewer-request", "origin-response", "viewer-request"]
    assert miss.headers["x-cache"] == "Miss from cloudfront"
    assert hit.headers["x-cache"] == "Hit from cloudfront"
    assert hit.text == miss.text == "paid content 1"
    assert hit.headers["age"] == "30"


def test_caching_disabled_keeps_nothing(tmp_path: Path) -> None:
    origin = Counted(404, {"Cache-Control": "max-age=60"})
    with emulated(tmp_path, pass_through, origin) as edge:
        edge.client.get("/")
        edge.client.get("/")
    assert origin.count == 2


def test_a_post_is_never_kept(tmp_path: Path) -> None:
    origin = Counted()
    with emulated(tmp_path, pass_through, origin, CACHED) as edge:
        edge.client.post("/")
        edge.client.post("/")
    assert origin.count == 2


@pytest.mark.parametrize(
    ("policy", "status", "cache_control", "seconds"),
    [
        (CACHING_OPTIMIZED, 200, "", 86_400),
        (CACHING_OPTIMIZED, 200, "max-age=60", 60),
        (CACHING_OPTIMIZED, 200, "max-age=60, s-maxage=30", 30),
        (CACHING_OPTIMIZED, 200, "max-age=0", 1),
        (CACHING_OPTIMIZED, 200, "no-store", 1),
        (CACHING_OPTIMIZED, 301, "max-age=60", 60),
        (ZERO_MINIMUM, 200, "max-age=999999", 3_600),
        (ZERO_MINIMUM, 200, "private, max-age=60", 0),
        (CACHING_OPTIMIZED, 500, "", 10),
        (CACHING_OPTIMIZED, 503, "no-store", 10),
        (CACHING_OPTIMIZED, 404, "max-age=60", 60),
        (CACHING_OPTIMIZED, 403, "", 0),
        (CACHING_OPTIMIZED, 403, "max-age=1", 10),
        (CACHING_OPTIMIZED, 409, "max-age=60", 0),
    ],
)
def test_a_response_is_kept_for_as_long_as_documented(
    policy: CachePolicy, status: int, cache_control: str, seconds: int
) -> None:
    headers = ((b"Cache-Control", cache_control.encode()),)
    response = Response(status, "", headers, b"")
    assert time_to_live(response, policy, error_minimum=10) == seconds


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [(200, {"Cache-Control": "max-age=60"}, 60), (500, {}, 10)],
)
def test_a_response_is_asked_for_again_when_its_time_has_passed(
    tmp_path: Path, status: int, headers: dict[str, str], seconds: int
) -> None:
    clock, origin = Clock(), Counted(status, headers)
    with emulated(tmp_path, pass_through, origin, CACHED, clock=clock) as edge:
        edge.client.get("/")
        clock.now += seconds - 0.5
        edge.client.get("/")
        assert origin.count == 1
        clock.now += 0.5
        edge.client.get("/")
        assert origin.count == 2


def test_an_origin_that_cannot_be_reached_is_remembered_as_an_error(
    tmp_path: Path,
) -> None:
    with emulated(tmp_path, pass_through, "http://127.0.0.1:1", CACHED) as edge:
        assert "age" not in edge.client.get("/").headers
        again = edge.client.get("/")
    assert (again.status_code, again.headers["age"]) == (502, "0")
    assert again.headers["x-cache"] == "Error from cloudfront"


async def test_simultaneous_misses_share_one_fetch(tmp_path: Path) -> None:
    asked = 0

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal asked
        if scope["type"] == "http":
            asked += 1
            await anyio.sleep(0.3)
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"shared"})

    outcomes = []

    async def ask(client: httpx.AsyncClient) -> None:
        outcomes.append((await client.get("/")).headers["x-cache"])

    with emulated(tmp_path, pass_through, slow, CACHED) as edge:
        async with (
            httpx.AsyncClient(base_url=edge.url) as client,
            anyio.create_task_group() as group,
        ):
            for _ in range(3):
                group.start_soon(ask, client)
    assert asked == 1
    assert sorted(outcomes) == ["Hit from cloudfront"] * 2 + ["Miss from cloudfront"]
