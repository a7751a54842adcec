"""A policy for each path: the gate's patterns, and nothing that is paid stays free."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from origin_middleware import (
    ConfigurationError,
    IdempotencyMiddleware,
    MemoryStore,
    Policy,
)
from origin_middleware.routes import policy_of
from tests.support.asgi import App, http_scope, request

ALL, BELOW, ONE = Policy(patience=1), Policy(patience=2), Policy(patience=3)


def policy_for(path: str, root: str = "", **policies: Policy) -> Policy | None:
    mapping = policies or {"/api/*": ALL, "/api/slow/*": BELOW, "/api/slow/one": ONE}
    find = policy_of(mapping, lambda _: None)
    return find({**http_scope(path=path), "root_path": root})


@pytest.mark.parametrize(
    ("path", "policy"),
    [
        ("/api", ALL),
        ("/api/", ALL),
        ("/api/joke", ALL),
        ("/api/slow", BELOW),
        ("/api/slow/two", BELOW),
        ("/api/slow/one", ONE),
        ("/api/slow/one/more", BELOW),
        ("/apix", None),
        ("/ap", None),
        ("/", None),
        ("/docs", None),
    ],
)
def test_the_longest_match_decides(path: str, policy: Policy | None) -> None:
    assert policy_for(path) is policy


@pytest.mark.parametrize("pattern", ["/reports/*", "/v1/reports/*"])
@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/v1/reports/1", "/v1"),  # a mount, and uvicorn --root-path
        ("/reports/1", "/v1"),  # FastAPI(root_path=...) behind a proxy that strips it
    ],
)
def test_a_mounted_app_is_protected_with_its_prefix_and_without(
    pattern: str, path: str, root: str
) -> None:
    assert policy_for(path, root, **{pattern: ALL}) is ALL
    assert policy_for(path.replace("reports", "docs"), root, **{pattern: ALL}) is None


@pytest.mark.parametrize("pattern", ["/r/*", "/paid/r/*", "/v1/paid/r/*"])
@pytest.mark.parametrize("path", ["/v1/paid/r/1", "/r/1"])
def test_a_mount_below_a_root_path_is_protected_with_each_of_its_prefixes(
    pattern: str, path: str
) -> None:
    assert policy_for(path, "/v1/paid", **{pattern: ALL}) is ALL
    assert policy_for(path.replace("r", "s"), "/v1/paid", **{pattern: ALL}) is None


@pytest.mark.parametrize(
    "path", ["//paid/a", "/./paid/a", "/x/../paid/a", "/free/../paid/a"]
)
def test_a_path_that_an_app_may_resolve_is_protected(path: str) -> None:
    paid = Policy(require_key=True)
    assert policy_for(path, "", **{"/paid/*": paid, "/free/*": ALL}) is paid


async def test_static_files_give_nothing_paid_away(tmp_path: Path) -> None:
    (tmp_path / "paid").mkdir()
    (tmp_path / "paid" / "a.txt").write_text("paid")
    app = IdempotencyMiddleware(
        Starlette(routes=[Mount("/", StaticFiles(directory=tmp_path))]),
        store=MemoryStore(),
        policy={"/paid/*": Policy(require_key=True)},
    )
    for path in ("/paid/a.txt", "//paid/a.txt", "/x/../paid/a.txt"):
        assert (await request(app, path=path, key=None, method="GET")).status == 400


async def answered(app: Any, path: str) -> int:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        return (await http.get(path)).status_code


async def test_a_mount_of_starlette_is_protected() -> None:
    async def paid(request: Request) -> Response:
        return PlainTextResponse("paid")

    inner = Starlette(routes=[Route("/report", paid), Route("/docs", paid)])
    inner.add_middleware(
        IdempotencyMiddleware,
        store=MemoryStore(),
        policy={"/report": Policy(require_key=True)},
    )
    app = Starlette(routes=[Mount("/v1", app=inner)])
    assert await answered(app, "/v1/report") == 400
    assert await answered(app, "/v1/docs") == 200


async def test_the_pages_of_fastapi_stay_free() -> None:
    app = FastAPI()
    app.get("/reports/{number}")(lambda number: number)
    app.add_middleware(
        IdempotencyMiddleware,
        store=MemoryStore(),
        policy={"/reports/*": Policy(require_key=True)},
    )
    for path, status in [("/docs", 200), ("/openapi.json", 200), ("/reports/1", 400)]:
        assert await answered(app, path) == status


@pytest.mark.parametrize(
    "path", ["/report", "/report%0A", "/reports/1", "/reports/%0A"]
)
async def test_starlette_runs_nothing_paid_for_a_path_without_a_policy(
    path: str,
) -> None:
    executed: list[str] = []

    async def paid(request: Request) -> Response:
        executed.append(request.url.path)
        return PlainTextResponse("paid")

    app = Starlette(routes=[Route("/report", paid), Route("/reports/{id}", paid)])
    app.add_middleware(
        IdempotencyMiddleware,
        store=MemoryStore(),
        policy={
            "/report": Policy(require_key=True),
            "/reports/*": Policy(require_key=True),
        },
    )
    assert await answered(app, path) == 400
    assert executed == []


async def test_a_request_without_a_policy_passes_untouched() -> None:
    inner = App()
    app = IdempotencyMiddleware(inner, store=MemoryStore(), policy={"/paid": ALL})
    for _ in range(2):
        assert (await request(app, path="/free")).status == 200
    assert inner.executions == 2


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({}, "an empty mapping protects nothing"),
        ({"report": ALL}, "begins with '/'"),
        ({b"/report": ALL}, "must be a string"),
        ({"/a/*/b": ALL}, "may only stand at the end"),
        ({"/a*": ALL}, "may only stand at the end"),
        ({"/a/{id}": ALL}, r"Write the part before it and '/\*'"),
        ({"/a/<id>": ALL}, "has no meaning"),
        ({"/a/:id": ALL}, "placeholders have no meaning"),
        ({"/a/$id": ALL}, "placeholders have no meaning"),
        ({"/a/(.+)": ALL}, "has no meaning"),
        ({"/a?b=1": ALL}, "has no meaning"),
        ({"/caf%C3%A9": ALL}, "has no meaning"),
        ({"/a//b": ALL}, "lead to"),
        ({"/a/../b": ALL}, "lead to"),
        ({"/a": "execute"}, r"is not a Policy\(...\)"),
    ],
)
def test_a_pattern_that_would_match_nothing_is_refused(
    policies: dict[Any, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        IdempotencyMiddleware(App(), store=MemoryStore(), policy=policies)


def test_a_colon_within_a_segment_is_an_ordinary_character() -> None:
    assert policy_for("/v1/x:generate", "", **{"/v1/x:generate": ONE}) is ONE
