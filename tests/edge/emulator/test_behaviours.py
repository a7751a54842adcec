"""Which behaviour a path gets, and which distributions cannot be made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.aws.forwarding import Forwarded
from edge.emulator.distribution import (
    GET_AND_HEAD,
    GET_HEAD_AND_OPTIONS,
    Behaviour,
    CachePolicy,
    Distribution,
    ErrorResponse,
    Function,
    Origin,
    OriginGroup,
)
from edge.emulator.path_pattern import matches, normalise
from tests.support.lambdas import (
    Counted,
    Event,
    emulated,
    log,
    pass_through,
    reflecting,
)
from tests.support.running import serving


@pytest.mark.parametrize(
    ("raw", "normalised"),
    [
        (b"/", "/"),
        (b"/api/joke", "/api/joke"),
        (b"/%61pi/joke", "/api/joke"),
        (b"/api%2fjoke", "/api%2Fjoke"),
        (b"/x/../api/./joke", "/api/joke"),
        (b"/x/%2e%2e/api", "/api"),
        (b"/../../api", "/api"),
        (b"/api/..", "/"),
        (b"/api/joke/.", "/api/joke/"),
        (b"//api", "/api"),
        (b"/a//..//api///", "/api/"),
        (b"/%2F/api", "/%2F/api"),
        (b"/API", "/API"),
        (b"/api%", "/api%"),
    ],
)
def test_a_path_is_normalised_as_rfc_3986_says(raw: bytes, normalised: str) -> None:
    assert normalise(raw) == normalised


@pytest.mark.parametrize(
    ("pattern", "path", "matched"),
    [
        ("*", "/anything", True),
        ("/api/*", "/api/joke", True),
        ("api/*", "/api/joke", True),
        ("/api/*", "/api", False),
        ("/api/*", "/API/joke", False),
        ("/a??.jpg", "/ant.jpg", True),
        ("/a??.jpg", "/apple.jpg", False),
        ("*.jpg", "/images/deep/a.jpg", True),
    ],
)
def test_patterns_match_as_documented(pattern: str, path: str, matched: bool) -> None:
    assert matches(pattern, path) is matched


def test_the_behaviour_is_chosen_by_the_normalised_path_and_the_rest_gets_it_raw(
    tmp_path: Path,
) -> None:
    def print_uri(event: Event, context: Any) -> Any:
        cf = event["Records"][0]["cf"]
        log(cf["request"]["uri"])
        return cf.get("response", cf["request"])

    gated = Behaviour("/api/*", origin_response=False)
    free = Behaviour(viewer_request=False, origin_response=False)
    with emulated(tmp_path, print_uri, reflecting, gated, free) as edge:
        assert edge.raw("GET", "/x/../%61pi/joke").status == 200
        assert edge.raw("GET", "/apix/joke").status == 200
        assert edge.log() == ["/x/../%61pi/joke"]


def test_the_first_matching_behaviour_wins(tmp_path: Path) -> None:
    def refuse(event: Event, context: Any) -> Any:
        return {"status": "402"}

    free = Behaviour("/api/free", viewer_request=False, origin_response=False)
    with emulated(tmp_path, refuse, reflecting, free, Behaviour()) as edge:
        assert edge.client.get("/api/free").status_code == 200
        assert edge.client.get("/api/paid").status_code == 402


def test_either_trigger_works_without_the_other(tmp_path: Path) -> None:
    def print_type(event: Event, context: Any) -> Any:
        cf = event["Records"][0]["cf"]
        log(cf["config"]["eventType"])
        return cf.get("response", cf["request"])

    behaviour = Behaviour(viewer_request=False)
    with emulated(tmp_path, print_type, reflecting, behaviour) as edge:
        edge.client.get("/")
        assert edge.log() == ["origin-response"]


def accept(event: Event, context: Any) -> Any:
    log("invoked")
    return {"status": "200"}


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [(GET_AND_HEAD, ["OPTIONS", "POST"]), (GET_HEAD_AND_OPTIONS, ["POST", "DELETE"])],
)
def test_a_method_the_behaviour_does_not_allow_is_refused_before_the_function_runs(
    tmp_path: Path, allowed: frozenset[str], refused: list[str]
) -> None:
    behaviour = Behaviour(allowed_methods=allowed)
    with emulated(tmp_path, accept, Counted(), behaviour) as edge:
        for method in refused:
            response = edge.client.request(method, "/")
            assert response.status_code == 403
            assert "GET, HEAD" in response.text
        assert edge.log() == []
        for method in allowed:
            assert edge.client.request(method, "/").status_code == 200


def test_a_behaviour_may_have_an_origin_of_its_own(tmp_path: Path) -> None:
    pages, api = Counted(), Counted()
    with serving(pages) as url:
        elsewhere = Behaviour("/pages/*", target=Origin(url))
        with emulated(tmp_path, pass_through, api, elsewhere, Behaviour()) as edge:
            edge.client.get("/pages/index.html")
            edge.client.get("/pages/about.html")
            edge.client.get("/api/joke")
    assert (pages.count, api.count) == (2, 1)


ORIGIN = Origin("http://127.0.0.1:8000")
FUNCTION = Function(Path("function.zip"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Behaviour(""), "path pattern"),
        (lambda: Behaviour("/a b"), "path pattern"),
        (lambda: Behaviour("/" * 256), "path pattern"),
        (lambda: CachePolicy(1, 0, 0), "cache policy"),
        (lambda: Origin("127.0.0.1:8000"), "must look like"),
        (lambda: Origin("ftp://127.0.0.1"), "must look like"),
        (lambda: Origin("http://"), "must look like"),
        (lambda: Origin("http://127.0.0.1:99999"), "must look like"),
        (lambda: Origin("http://127.0.0.1/base"), "must look like"),
        (lambda: Origin("http://127.0.0.1", response_timeout=0), "response timeout"),
        (lambda: Origin("http://127.0.0.1", attempts=4), "attempts"),
        (lambda: Function(Path("a.zip"), handler="handler"), "module.function"),
        (lambda: Function(Path("a.zip"), timeout=0), "Lambda timeout"),
        (lambda: Function(Path("a.zip"), timeout=31), "Lambda timeout"),
        (lambda: Function(Path("a.zip"), concurrency=0), "concurrency"),
        (lambda: Distribution(ORIGIN, FUNCTION, ()), "default"),
        (lambda: Distribution(ORIGIN, FUNCTION, (Behaviour("/a"),)), "default"),
        (lambda: Behaviour(allowed_methods=frozenset({"POST"})), "allows GET"),
        (
            lambda: Behaviour(
                origin_request_policy=Forwarded(named=frozenset({"Origin"}))
            ),
            "lower case",
        ),
        (lambda: Origin("http://127.0.0.1", path="v1"), "starts with /"),
        (lambda: Origin("http://127.0.0.1", path="/v1/"), "does not end"),
        (lambda: OriginGroup(ORIGIN, ORIGIN, frozenset()), "fails over"),
        (lambda: OriginGroup(ORIGIN, ORIGIN, frozenset({409})), "fails over"),
        (lambda: ErrorResponse(402), "no error response"),
        (lambda: ErrorResponse(503, "/e.html"), "or neither"),
        (lambda: ErrorResponse(503, None, 200), "or neither"),
        (lambda: ErrorResponse(503, "e.html", 200), "starts with /"),
        (lambda: ErrorResponse(503, "/e.html", 201), "does not answer 201"),
        (lambda: ErrorResponse(503, minimum_ttl=-1), "error caching"),
        (
            lambda: Distribution(
                ORIGIN,
                FUNCTION,
                error_responses=(ErrorResponse(503), ErrorResponse(503)),
            ),
            "at most",
        ),
    ],
)
def test_an_invalid_distribution_cannot_be_made(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make()
