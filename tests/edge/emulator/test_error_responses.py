"""Custom error responses: which page, under which status, and for how long."""

from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from edge.emulator.distribution import (
    CACHING_OPTIMIZED,
    NO_ORIGIN_REQUEST_POLICY,
    Behaviour,
    ErrorResponse,
    Origin,
)
from tests.support.lambdas import Counted, Event, emulated, log, pass_through
from tests.support.running import serving

SORRY = ErrorResponse(503, "/errors/sorry.html", 200)


class Failing:
    """Answers 503, but for its error page, and remembers who asked for what."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str | None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope)
        intent = request.headers.get("x-settlement-intent-id")
        self.asked.append((request.method, request.url.path, intent))
        response = Response("out of order", 503)
        if request.url.path == "/errors/sorry.html":
            response = PlainTextResponse("Sorry.", 200)
        await response(scope, receive, send)


def print_uri(event: Event, context: Any) -> Any:
    cf = event["Records"][0]["cf"]
    status = cf["response"]["status"] if "response" in cf else "request"
    log(status + " " + cf["request"]["uri"])
    if "response" not in cf:
        cf["request"]["headers"]["x-settlement-intent-id"] = [{"value": "si_1"}]
    return cf.get("response", cf["request"])


def test_an_error_of_the_origin_is_replaced_by_the_page(tmp_path: Path) -> None:
    with emulated(tmp_path, pass_through, Failing(), error_responses=(SORRY,)) as edge:
        response = edge.client.get("/api/joke")
    assert (response.status_code, response.text) == (200, "Sorry.")
    assert response.headers["x-cache"] == "Error from cloudfront"


def test_the_page_is_a_request_of_its_own_with_origin_response_after_it(
    tmp_path: Path,
) -> None:
    """The page's 200 follows the 503, and under the same intent: whoever settles on
    the status alone settles here."""
    origin = Failing()
    with emulated(tmp_path, print_uri, origin, error_responses=(SORRY,)) as edge:
        edge.client.post("/api/joke", content=b"x")
        printed = edge.log()
    assert origin.asked == [
        ("POST", "/api/joke", "si_1"),
        ("GET", "/errors/sorry.html", "si_1"),
    ]
    assert printed == [
        "request /api/joke",
        "503 /api/joke",
        "200 /errors/sorry.html",
    ]


def test_the_page_comes_by_the_behaviour_of_its_own_path(tmp_path: Path) -> None:
    origin = Failing()
    pages = Behaviour(
        "/errors/*",
        origin_response=False,
        origin_request_policy=NO_ORIGIN_REQUEST_POLICY,
    )
    with emulated(
        tmp_path, print_uri, origin, pages, Behaviour(), error_responses=(SORRY,)
    ) as edge:
        edge.client.get("/api/joke")
        assert edge.log() == ["request /api/joke", "503 /api/joke"]
    assert origin.asked[-1] == ("GET", "/errors/sorry.html", None)


def test_an_origin_that_cannot_be_reached_has_an_error_page_elsewhere(
    tmp_path: Path,
) -> None:
    unreachable = ErrorResponse(502, "/errors/sorry.html", 503)
    with serving(Failing()) as url:
        pages = Behaviour("/errors/*", target=Origin(url))
        with emulated(
            tmp_path,
            pass_through,
            "http://127.0.0.1:1",
            pages,
            Behaviour(),
            error_responses=(unreachable,),
        ) as edge:
            response = edge.client.get("/api/joke")
    assert (response.status_code, response.text) == (503, "Sorry.")


def test_a_page_that_fails_is_the_failure_that_is_delivered(tmp_path: Path) -> None:
    missing = ErrorResponse(503, "/errors/none.html", 200)
    with emulated(
        tmp_path, pass_through, Failing(), error_responses=(missing,)
    ) as edge:
        assert edge.client.get("/api/joke").status_code == 503


def test_another_status_is_delivered_as_it_is(tmp_path: Path) -> None:
    with emulated(
        tmp_path, pass_through, Counted(409), error_responses=(SORRY,)
    ) as edge:
        assert edge.client.get("/").status_code == 409


def test_what_a_function_generates_is_delivered_as_it_is(tmp_path: Path) -> None:
    def refuse(event: Event, context: Any) -> Any:
        return {"status": event["Records"][0]["cf"]["request"]["uri"][1:], "body": "no"}

    pages = tuple(ErrorResponse(code, "/sorry", 200) for code in (400, 500, 503))
    with emulated(tmp_path, refuse, Failing(), error_responses=pages) as edge:
        for status in (400, 500, 503):
            response = edge.client.get(f"/{status}")
            assert (response.status_code, response.text) == (status, "no")


@pytest.mark.parametrize(
    ("customised", "seconds"),
    [(ErrorResponse(503, minimum_ttl=60), 60), (SORRY, 10)],
)
def test_an_error_is_kept_for_its_own_time(
    tmp_path: Path, customised: ErrorResponse, seconds: float
) -> None:
    now = 1_000.0
    origin = Failing()
    with emulated(
        tmp_path,
        pass_through,
        origin,
        Behaviour(cache_policy=CACHING_OPTIMIZED),
        error_responses=(customised,),
        clock=lambda: now,
    ) as edge:
        first = edge.client.get("/")
        asked = len(origin.asked)
        now += seconds - 0.5
        assert edge.client.get("/").content == first.content
        assert len(origin.asked) == asked
        now += 0.5
        edge.client.get("/")
        assert len(origin.asked) == 2 * asked


def test_errors_need_not_be_kept_at_all(tmp_path: Path) -> None:
    origin = Counted(503)
    with emulated(
        tmp_path,
        pass_through,
        origin,
        Behaviour(cache_policy=CACHING_OPTIMIZED),
        error_responses=(ErrorResponse(503, minimum_ttl=0),),
    ) as edge:
        edge.client.get("/")
        edge.client.get("/")
    assert origin.count == 2
