"""Applications with paid and free paths, and what their operator writes in routes.toml.

They are routed by Starlette and FastAPI themselves, from the scope on."""

from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, FastAPI
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Router
from starlette.routing import Route as Endpoint
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from edge.runtime.routes import Route

UUID = "fe9c1a52-8f6e-4d0e-9d7c-1f1c6d2a7b10"


class Answering:
    """An object, because Starlette takes a function for a handler of requests."""

    def __init__(self, text: str) -> None:
        self._response = PlainTextResponse(text)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._response(scope, receive, send)


PAID, FREE = Answering("paid"), Answering("free")


@dataclass(frozen=True, slots=True)
class PaidOrigin:
    """Answers "paid" on its `targets`, and on whatever else leads to the same."""

    name: str
    app: ASGIApp
    gated: tuple[str, ...]
    targets: tuple[str, ...]

    @property
    def routes(self) -> tuple[Route, ...]:
        return tuple(Route(path, "eip155:8453", path) for path in self.gated)


def paid_origins(folder: Path) -> list[PaidOrigin]:
    return [plain(), mounted(), converted(), fastapi(), files(folder), odd()]


def plain() -> PaidOrigin:
    routes = [
        Endpoint("/api/joke", PAID),
        Endpoint("/premium", PAID),
        Endpoint("/premium/{rest:path}", PAID),
        Endpoint("/{anything:path}", FREE),
    ]
    return PaidOrigin(
        "plain",
        Router(routes),
        ("/api/joke", "/premium/*"),
        ("/api/joke", "/premium", "/premium/", "/premium/x/y"),
    )


def mounted() -> PaidOrigin:
    paid = Router([Endpoint("/", PAID), Endpoint("/report/{id:int}", PAID)])
    v1 = [Mount("/paid", app=paid), Endpoint("/ask", PAID), Endpoint("/free", FREE)]
    routes = [Mount("/v1", routes=v1), Mount("/site", app=FREE)]
    return PaidOrigin(
        "mounted",
        Router(routes, default=FREE),
        ("/v1/paid/*", "/v1/ask"),
        ("/v1/paid/", "/v1/paid/report/7", "/v1/ask"),
    )


def converted() -> PaidOrigin:
    routes = [
        Endpoint("/items/{id:int}/buy", PAID),
        Endpoint("/files/{name:path}", PAID),
        Endpoint("/rates/{at:float}", PAID),
        Endpoint("/orders/{id:uuid}", PAID),
        Endpoint("/users/{name}/report", PAID),
    ]
    return PaidOrigin(
        "converted",
        Router(routes, redirect_slashes=False, default=FREE),
        ("/items/*", "/files/*", "/rates/*", "/orders/*", "/users/*"),
        (
            *("/items/7/buy", "/files/a/b.pdf", "/files/", "/rates/1.5"),
            *(f"/orders/{UUID}", "/users/ann/report"),
        ),
    )


def fastapi() -> PaidOrigin:
    async def paid() -> Response:
        return PlainTextResponse("paid")

    shop = APIRouter(prefix="/shop")
    shop.api_route("/checkout", methods=["GET", "POST"])(paid)
    shop.get("/items/{item}")(paid)
    inner = FastAPI(openapi_url=None)
    inner.get("/ask")(paid)
    app = FastAPI(openapi_url=None)
    app.include_router(shop)
    app.mount("/sub", inner)
    return PaidOrigin(
        "fastapi",
        app,
        ("/shop/checkout", "/shop/items/*", "/sub/*"),
        ("/shop/checkout", "/shop/items/tea", "/sub/ask"),
    )


def files(folder: Path) -> PaidOrigin:
    """Everybody who has read a tutorial knows what the directories are called."""
    static = folder / "srv" / "static"
    for name in ("premium/a.pdf", "docs/paid/a.pdf", "free/a.pdf"):
        file = static / name
        file.parent.mkdir(parents=True)
        file.touch()
    routes = [
        Mount("/files", app=Files(directory=static)),
        Mount("/", app=Files(directory=static)),
    ]
    return PaidOrigin(
        "files",
        Router(routes),
        ("/premium/*", "/docs/paid/*", "/files/premium/*", "/files/docs/paid/a.pdf"),
        (
            *("/premium/a.pdf", "/docs/paid/a.pdf", "/files/premium/a.pdf"),
            "/files/docs/paid/a.pdf",
        ),
    )


class Files(StaticFiles):
    """Looks a file up as ever, but not in a thread, which takes a hundred times longer,
    and says what it found rather than what is in it."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            file, _ = self.lookup_path(path)
        except ValueError:  # a NUL
            file = ""
        paid = file.endswith(("/premium/a.pdf", "/docs/paid/a.pdf"))
        return PlainTextResponse("paid" if paid else "free")


def odd() -> PaidOrigin:
    """The root alone, letters of both cases, and every sign that a route may have."""
    signs = "/a+b/~ann/@me:x,y=1&(c)"
    routes = [
        Endpoint("/", PAID),
        Endpoint("/Mixed/Case/{rest:path}", PAID),
        Endpoint(signs, PAID),
    ]
    return PaidOrigin(
        "odd",
        Router(routes, default=FREE),
        ("/", "/Mixed/Case/*", signs),
        ("/", "/Mixed/Case/x", signs),
    )
