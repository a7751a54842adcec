"""What the middleware writes into the ASGI scope of a request while the app runs. It
takes all of it back at the end, because a middleware outside may dispatch the same
scope again.
"""

from collections.abc import Iterable
from types import TracebackType

from .asgi import Scope
from .key import Key

_HELD = "origin_middleware.held"
_SIGNED = "origin_middleware.signed"
_SIGNATURE = (b"signature", b"signature-input")


def is_held(scope: Scope, store: object, key: Key) -> bool:
    """Does another instance, outside this one, hold the key in the same store, or in
    one that is equal to it?
    """
    outer = scope.get(_HELD)
    if not outer:
        return False
    return any(held == key and own == store for own, held in outer)


def signed_headers(scope: Scope) -> Iterable[tuple[bytes, bytes]]:
    """As they arrived: an instance outside may have hidden the signature."""
    headers: Iterable[tuple[bytes, bytes]] = scope.get(_SIGNED) or scope["headers"]
    return headers


class Passage:
    """A scope on its way through the app: `with Passage(scope, store, key, ...):`

    The app does not see the gate's signature: with it, a log or an error tracker would
    hold the right to a request.
    """

    __slots__ = ("_before", "_key", "_scope", "_signed", "_store")

    def __init__(self, scope: Scope, store: object, key: Key, *, signed: bool) -> None:
        self._scope = scope
        self._store = store
        self._key = key
        self._signed = signed

    def __enter__(self) -> None:
        scope = self._scope
        outer = scope.get(_HELD, ())
        self._before = {_HELD: outer}
        scope[_HELD] = (*outer, (self._store, self._key))
        if self._signed:
            headers = scope["headers"]
            self._before |= {_SIGNED: scope.get(_SIGNED), "headers": headers}
            scope[_SIGNED] = signed_headers(scope)
            scope["headers"] = [pair for pair in headers if pair[0] not in _SIGNATURE]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._scope.update(self._before)
