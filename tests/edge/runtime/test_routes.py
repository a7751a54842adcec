"""Paths: what reaches a route, and that no spelling gets past it."""

from time import process_time
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.runtime.gate import Ambiguous, Free, Gated, admit
from edge.runtime.routes import LONGEST_ODD, Route, Table, _decoded, match, readings
from tests.edge.examples import JOKE, PREMIUM, ROUTES


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/api/joke", JOKE),
        ("/premium", PREMIUM),
        ("/premium/", PREMIUM),
        ("/premium/a", PREMIUM),
        ("/premium/a/b%20c", PREMIUM),
        ("/premium//a", PREMIUM),
        ("/premium/%2e%2e/health", PREMIUM),
        ("/premium/ä;b", PREMIUM),
    ],
)
def test_a_path_that_reaches_a_route_as_written_is_gated(
    path: str, route: Route
) -> None:
    assert admit("GET", path, ROUTES) == Gated(route)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/health",
        "/api",
        "/api/",
        "/api/jokes",
        "/api/joke2",
        "/api/joke/more",
        "/api/joke-s",
        "/apix/joke",
        "/premiumx",
        "/premium-x/a",
        "/premiu",
        "/x/premium/a",
        "/caf%C3%A9",
        "/a//b/../c;d",
    ],
)
def test_neighbours_stay_free(path: str) -> None:
    assert isinstance(admit("GET", path, ROUTES), Free)


@pytest.mark.parametrize(
    "path",
    [
        "/api/%6Aoke",
        "/api/%6aoke",
        "/%61%70%69/%6a%6f%6b%65",
        "/api%2Fjoke",
        "/api%2fjoke",
        "//api/joke",
        "/api//joke",
        "/api/joke/",
        "/api/joke//",
        "/api/./joke",
        "/./api/joke",
        "/api/joke/.",
        "/x/../api/joke",
        "/api/x/../joke",
        "/x/%2e%2e/api/joke",
        "/x/%2E./api/joke",
        "/x/..%2fapi/joke",
        "/../api/joke",
        "/api\\joke",
        "/api%5Cjoke",
        "/\\api\\joke",
        "/x\\..\\api\\joke",
        "/api/joke;v=1",
        "/api;v=1/joke",
        "/x/..;/api/joke",
        "/api/joke%3Bv",
        "/API/joke",
        "/Api/Joke",
        "/api/%4Aoke",
        "/api/joke%00",
        "/api/joke%00.html",
        "/api/joke%0A",
        "/api/joke\n",
        "/api/jo%09ke",
        "/api/jo%6\tbe",
        "/api/jo\u200bke",
        "/api/joke%20",
        "/api/joke?x",
        "/api/joke%3Fx",
        "/api/joke#x",
        "/api/joke%23x",
        "/PREMIUM/a",
        "/premium;v/a",
        "/premium%2Fa",
        "/%70remium/..;/health",
        "/api/jo\u212ae",  # the Kelvin sign is a k to those who fold case
    ],
)
def test_a_path_gated_only_under_another_reading_is_ambiguous(path: str) -> None:
    assert isinstance(admit("GET", path, ROUTES), Ambiguous)


def test_a_path_that_reaches_another_route_when_read_otherwise_is_ambiguous() -> None:
    """Else the cheaper of two routes would open the dearer one."""
    cheap, dear = (
        Route("/api/*", "eip155:1", "cheap"),
        Route("/dear/*", "eip155:1", "dear"),
    )
    assert admit("GET", "/api/x", (cheap, dear)) == Gated(cheap)
    assert isinstance(admit("GET", "/api/../dear/x", (cheap, dear)), Ambiguous)


@pytest.mark.parametrize(
    "path", ["", "api/joke", "*", "http://example.org/api/joke", "?"]
)
def test_what_is_no_path_is_ambiguous(path: str) -> None:
    assert isinstance(admit("GET", path, ROUTES), Ambiguous)


@pytest.mark.parametrize("path", ["/api/joke", "/premium/a", "/api/%6Aoke", "/", "*"])
def test_a_preflight_is_free_on_every_path(path: str) -> None:
    assert isinstance(admit("OPTIONS", path, ROUTES), Free)


@pytest.mark.parametrize("method", ["options", "OPTIONS ", "GET", "HEAD", "POST", "X"])
def test_every_other_method_is_gated(method: str) -> None:
    assert admit(method, "/api/joke", ROUTES) == Gated(JOKE)


def test_the_most_specific_route_wins_in_any_order() -> None:
    routes = [
        Route("/*", "n", "all"),
        Route("/api/*", "n", "api"),
        Route("/api/v2/*", "n", "v2"),
        Route("/api/v2", "n", "literal"),
    ]
    for order in (routes, routes[::-1]):
        names = {
            path: route.resource_id
            for path in ("/", "/x", "/api", "/api/x", "/api/v2/x", "/api/v2")
            if (route := match(path, order))
        }
        assert names == {
            "/": "all",
            "/x": "all",
            "/api": "api",
            "/api/x": "api",
            "/api/v2/x": "v2",
            "/api/v2": "literal",
        }


def test_the_root_alone_can_be_gated() -> None:
    root = Route("/", "n", "root")
    assert match("/", [root]) == root
    assert match("/x", [root]) is None


def test_a_plain_path_has_one_reading() -> None:
    assert readings("/api/joke") == {"/api/joke"}


ODD = "a /b;///../% 3f\\e//../\\/a;e/%%5cb%..f%2f/2//2e%20/"
REPEATED = (
    *(ODD, "/a;", "//", "/..", "/../a", "/./", "%2f", "%41", "\\", "a;/", "%2e%2e/"),
    *("/r1/a/../", "/r1/a;/..\\", "é", "%C3%A9", "%20/;//..%2f", " ", "?/", "#/.."),
)
TWENTY_TWO = (
    *ROUTES,
    *(Route(f"/r{number}/a/*", "eip155:1", f"r{number}") for number in range(20)),
)


@pytest.mark.parametrize("length", [500, 2_048, 8_190])
@pytest.mark.parametrize("odd", REPEATED)
def test_no_path_costs_much(odd: str, length: int) -> None:
    """On the machine of the tests, and with room for whatever else it does."""
    table, path = Table(TWENTY_TWO), ("/x" + odd * length)[: length - 1] + "/"

    def cost() -> float:
        started = process_time()
        admit("GET", path, table)
        return process_time() - started

    assert min(cost() for _ in range(5)) < 0.003


@pytest.mark.parametrize("odd", [each for each in REPEATED if each.isascii()])
def test_a_path_that_is_too_odd_to_be_read_is_ambiguous(odd: str) -> None:
    for start in ("/", "/premium/"):
        path = (start + odd * 8_190)[:8_190]
        assert isinstance(admit("GET", path, ROUTES), Ambiguous)


@pytest.mark.parametrize(
    ("length", "kind"), [(LONGEST_ODD, Free), (LONGEST_ODD + 1, Ambiguous)]
)
def test_an_odd_path_has_a_longest_form(length: int, kind: type) -> None:
    assert isinstance(admit("GET", "/docs/%41".ljust(length, "a"), ROUTES), kind)


def test_a_path_with_too_many_readings_is_ambiguous() -> None:
    path = "/x;a/..%2f?b\\c//%23/.%2e/;%3f%5cd%20 /%3b%00/e;/..//%2e/"
    assert isinstance(admit("GET", path, ROUTES), Ambiguous)
    assert readings(path) is None


def test_a_long_path_that_is_plain_is_read() -> None:
    """Of signed links and of search pages."""
    name = "abcdefghij-0123456789_" * 370
    assert isinstance(admit("GET", f"/docs/{name}", ROUTES), Free)
    assert admit("GET", f"/premium/{name}", ROUTES) == Gated(PREMIUM)


@pytest.mark.parametrize("words", [10, 70])
def test_a_long_path_in_another_script_is_read(words: int) -> None:
    name = "%E6%97%A5%E6%9C%AC%E8%AA%9E" * words
    assert isinstance(admit("GET", f"/docs/{name}/", ROUTES), Free)
    assert admit("GET", f"/premium/{name}", ROUTES) == Gated(PREMIUM)


def test_a_table_of_thousands_is_as_quick_as_one_of_two() -> None:
    routes = [Route(f"/r{n}/a/*", "eip155:1", f"r{n}") for n in range(3_000)]
    table, started = Table([*ROUTES, *routes]), process_time()
    for number in range(1_000):
        assert admit("GET", f"/r{number}/a/b", table) == Gated(routes[number])
        assert isinstance(admit("GET", "/docs/index.html", table), Free)
    assert process_time() - started < 1


@given(
    st.lists(st.sampled_from([*"%%%0aFé€😀/", "%41", "%c3%A9", "%E2%82"])).map("".join)
)
def test_a_path_is_decoded_as_by_urllib(path: str) -> None:
    assert _decoded(path) == unquote(path)


def test_half_a_surrogate_is_no_reason_to_raise() -> None:
    assert _decoded("/\ud800%41").endswith("A")
