"""A real application: what it runs a paid endpoint for must never have been free."""

from string import ascii_letters, digits
from typing import Any
from urllib.parse import unquote

from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Mount
from starlette.routing import Route as StarletteRoute

from edge.runtime.gate import Free, admit
from edge.runtime.routes import Route, match
from tests.edge.examples import ROUTES


def _paid(request: Request) -> Response:
    return Response()


def _free(request: Request) -> Response:
    return Response()


APP = Starlette(
    routes=[
        StarletteRoute("/api/joke", _paid),
        StarletteRoute("/premium", _paid),
        StarletteRoute("/premium/{rest:path}", _paid),
        Mount("/mounted", routes=[StarletteRoute("/inner", _paid)]),
        StarletteRoute("/{anything:path}", _free),
    ]
)
APP_ROUTES = (*ROUTES, Route("/mounted/inner", "eip155:8453", "inner"))


def endpoint_of(path: str) -> Any:
    """As a server and Starlette do it: cut at "?", decode once, first match."""
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": unquote(path.partition("?")[0]),
        "root_path": "",
        "headers": [],
    }
    routes = APP.routes
    while True:
        for route in routes:
            match, child = route.matches(scope)
            if match is Match.FULL:
                scope.update(child)
                break
        else:
            return None
        if not isinstance(route, Mount):
            return scope["endpoint"]
        routes = route.routes


PIECES = [
    *("api", "joke", "premium", "mounted", "inner", "x", "API", "Joke", "+", "~", ":"),
    *("/", "//", ".", "..", "%2e", "%2E%2e", "%2F", "%2f", "\\", "%5C"),
    *(";", ";v=1", "%3B", "%00", "%0A", "%0d", "\n", "\t", " ", "%20"),
    *("?", "%3F", "#", "%23", "é", "%C3%A9", "\u212a"),
    *("%", "%%", "%6", "%zz", "%256A", "%61", "%6A"),
]
TARGETS = ["/api/joke", "/premium", "/premium/x", "/mounted/inner"]


@st.composite
def respelt(draw: st.DrawFn) -> str:
    """A paid path, some of its characters encoded, with odd pieces in between."""
    spelt = ""
    for character in draw(st.sampled_from(TARGETS)):
        how = draw(st.integers(0, 9))
        if how == 0:
            spelt += draw(st.sampled_from(PIECES))
        spelt += f"%{ord(character):02X}" if how in (1, 2) else character
    return "/" + spelt.removeprefix("/") + draw(st.sampled_from(["", *PIECES]))


PATHS = st.lists(st.sampled_from(PIECES)).map(lambda pieces: "/" + "".join(pieces))


@given(PATHS | respelt() | st.text().map(lambda text: "/" + text))
@example("/api/joke%0A")
@example("/%6Dounted/inner")
@example("/premium%2Fx")
def test_no_path_that_starlette_routes_to_a_paid_endpoint_is_free(path: str) -> None:
    if endpoint_of(path) is _paid:
        assert not isinstance(admit("GET", path, APP_ROUTES), Free)


def test_the_comparison_with_starlette_is_not_empty() -> None:
    paid = ["/api/%6Aoke", "/api/joke%0A", "/premium/%2e%2e/x", "/mounted%2Finner"]
    assert [endpoint_of(path) for path in paid] == [_paid] * 4
    assert endpoint_of("/api/jokes") is _free


@given(PATHS | respelt())
def test_a_path_that_reaches_a_route_as_written_is_never_free(path: str) -> None:
    if match(path, ROUTES):
        assert not isinstance(admit("GET", path, ROUTES), Free)


@given(st.text(ascii_letters + digits + "-_~", min_size=1))
def test_a_longer_name_is_a_neighbour(more: str) -> None:
    assert isinstance(admit("GET", f"/api/joke{more}", ROUTES), Free)
    assert isinstance(admit("GET", f"/premium{more}/x", ROUTES), Free)
