"""What the middleware writes into the ASGI scope of a request while the app runs. It
takes all of it back at the end, because a middleware outside may dispatch the same
scope again.
"""

import asyncio
from collections.abc import Iterable
from contextvars import ContextVar
from types import TracebackType

from .asgi import Scope
from .client import Client
from .key import Key

_HELD = "origin_middleware.held"
_SIGNED = "origin_middleware.signed"
_SIGNATURE = (b"signature", b"signature-input")

# The marks of the passages around. Tasks that outlive their request keep them, and must
# not keep the request.
_INSIDE: ContextVar[tuple[object, ...]] = ContextVar(
    "origin_middleware.inside", default=()
)


def is_held(scope: Scope, store: object, key: Key) -> bool:
    """Does another instance, outside this one, hold the key in the same store, or in
    one that is equal to it?
    """
    outer: tuple[Passage, ...] | None = scope.get(_HELD)
    if not outer:
        return False
    return any(passage.holds(store, key) for passage in outer)


def signed_headers(scope: Scope) -> Iterable[tuple[bytes, bytes]]:
    """As they arrived: an instance outside may have hidden the signature."""
    hidden: _Hidden | None = scope.get(_SIGNED)
    headers: Iterable[tuple[bytes, bytes]]
    headers = scope["headers"] if hidden is None else hidden.headers
    return headers


class _Hidden:
    """Headers that the text of a scope does not show."""

    __slots__ = ("headers",)

    def __init__(self, headers: Iterable[tuple[bytes, bytes]]) -> None:
        self.headers = headers


class Passage:
    """A scope on its way through the app: `with Passage(scope, store, key, client):`

    The app does not see the gate's signature. Otherwise a reader of its log or its
    error tracker could send the request.
    """

    __slots__ = (
        "_around",
        "_before",
        "_client",
        "_key",
        "_mark",
        "_scope",
        "_signed",
        "_store",
        "_task",
    )

    def __init__(
        self, scope: Scope, store: object, key: Key, client: Client, *, signed: bool
    ) -> None:
        self._scope = scope
        self._store = store
        self._key = key
        self._client = client
        self._signed = signed
        self._task = asyncio.current_task()
        self._mark = object()

    def holds(self, store: object, key: Key) -> bool:
        """The scope may be dispatched again while the app still runs, by a middleware
        that does not wait for it, or that has cancelled the request. Such a dispatch
        is not inside. The app's own task is, and so are tasks that it has started.
        """
        if self._key != key or self._store != store:
            return False
        if asyncio.current_task() is self._task:
            return True
        return self._mark in _INSIDE.get() and not self._client.gone

    def __enter__(self) -> None:
        scope = self._scope
        outer = scope.get(_HELD, ())
        self._before = {_HELD: outer}
        scope[_HELD] = (*outer, self)
        self._around = _INSIDE.get()
        _INSIDE.set((*self._around, self._mark))
        if self._signed:
            headers = scope["headers"]
            self._before |= {_SIGNED: scope.get(_SIGNED), "headers": headers}
            scope[_SIGNED] = _Hidden(signed_headers(scope))
            scope["headers"] = [pair for pair in headers if pair[0] not in _SIGNATURE]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._scope.update(self._before)
        _INSIDE.set(self._around)
