"""Origin groups: who is asked, and how often origin-response runs for one request."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.emulator.distribution import (
    CACHING_OPTIMIZED,
    Behaviour,
    Origin,
    OriginGroup,
)
from tests.support.lambdas import (
    Counted,
    Emulated,
    Event,
    Silent,
    emulated,
    log,
    pass_through,
)
from tests.support.running import serving

NOWHERE = "http://127.0.0.1:1"


def print_response(event: Event, context: Any) -> Any:
    cf = event["Records"][0]["cf"]
    if "response" in cf:
        log(
            cf["response"]["status"]
            + " from "
            + str(cf["request"]["origin"]["custom"]["port"])
        )
    return cf.get("response", cf["request"])


@contextlib.contextmanager
def grouped(
    folder: Path, primary: ASGIApp, secondary: ASGIApp, *behaviours: Behaviour
) -> Iterator[Emulated]:
    with serving(primary) as first, serving(secondary) as second:
        group = OriginGroup(Origin(first, response_timeout=0.2), Origin(second))
        with emulated(folder, print_response, group, *behaviours) as edge:
            yield edge


def test_the_secondary_answers_where_the_primary_fails(tmp_path: Path) -> None:
    primary, secondary = Counted(503), Counted()
    with grouped(tmp_path, primary, secondary) as edge:
        for method in ("GET", "HEAD", "OPTIONS"):
            assert edge.client.request(method, "/").status_code == 200
    assert (primary.count, secondary.count) == (3, 3)


def test_other_methods_are_not_failed_over(tmp_path: Path) -> None:
    primary, secondary = Counted(503), Counted()
    with grouped(tmp_path, primary, secondary) as edge:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert edge.client.request(method, "/").status_code == 503
    assert (primary.count, secondary.count) == (4, 0)


def test_origin_response_runs_for_both_origins(tmp_path: Path) -> None:
    with grouped(tmp_path, Counted(503), Counted()) as edge:
        edge.client.get("/")
        first, second = edge.log()
    assert first.startswith("503 from ")
    assert second.startswith("200 from ")
    assert first.split()[2] != second.split()[2]


async def wanted(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the status that the path names."""
    if scope["type"] == "http":
        await Response(status_code=int(scope["path"][1:]))(scope, receive, send)


def test_a_status_that_is_not_configured_is_delivered(tmp_path: Path) -> None:
    secondary = Counted()
    with grouped(tmp_path, wanted, secondary) as edge:
        for status in (200, 302, 402, 404, 409):
            assert edge.client.get(f"/{status}").status_code == status
    assert secondary.count == 0


def test_a_primary_that_is_silent_is_asked_three_times_and_then_the_secondary(
    tmp_path: Path,
) -> None:
    """So one paid GET reaches four handlers, all with the same intent."""
    primary, secondary = Silent(first=9), Counted()
    with grouped(tmp_path, primary, secondary) as edge:
        assert edge.client.get("/").status_code == 200
        assert len(edge.log()) == 1
    assert (primary.count, secondary.count) == (3, 1)


def test_a_primary_that_cannot_be_reached_is_replaced(tmp_path: Path) -> None:
    with serving(Counted()) as url:
        group = OriginGroup(Origin(NOWHERE), Origin(url))
        with emulated(tmp_path, pass_through, group) as edge:
            assert edge.client.get("/").text == "paid content 1"


def test_where_both_fail_the_secondarys_failure_is_delivered(tmp_path: Path) -> None:
    group = OriginGroup(Origin(NOWHERE), Origin(NOWHERE))
    with emulated(tmp_path, pass_through, group) as edge:
        assert edge.client.get("/").status_code == 502


def test_what_the_secondary_answered_is_what_is_cached(tmp_path: Path) -> None:
    primary, secondary = Counted(503), Counted()
    cached = Behaviour(cache_policy=CACHING_OPTIMIZED)
    with grouped(tmp_path, primary, secondary, cached) as edge:
        edge.client.get("/")
        assert edge.client.get("/").headers["x-cache"] == "Hit from cloudfront"
    assert (primary.count, secondary.count) == (1, 1)
