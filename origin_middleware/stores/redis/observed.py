"""Tells observers of the calls of a store; without observers, of nothing and for
nothing.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Protocol, TypeVar, cast

from ...errors import RecordDamaged, StoreFailure, StoreUnavailable
from ...events import Observers, StoreCalled


class Observed(Protocol):
    observers: Observers[StoreCalled]


T = TypeVar("T")
M = TypeVar("M", bound=Callable[..., Coroutine[Any, Any, Any]])


def told(method: M) -> M:
    """Its type stays as it is: to pyright, only an `async def` is one of Store."""
    operation = method.__name__.lstrip("_")

    @wraps(method)
    def call(store: Observed, /, *args: Any, **options: Any) -> Any:
        work = method(store, *args, **options)
        return _timed(store.observers, operation, work) if store.observers else work

    return cast("M", call)


async def _timed(
    observers: Observers[StoreCalled], operation: str, work: Awaitable[T]
) -> T:
    """A call that is cancelled was not answered, and is not told."""
    begun = time.perf_counter()
    try:
        answer = await work
    except Exception as error:
        seconds = time.perf_counter() - begun
        observers.tell(StoreCalled, operation, seconds, _failure(error))
        raise
    observers.tell(StoreCalled, operation, time.perf_counter() - begun)
    return answer


def _failure(error: Exception) -> StoreFailure:
    match error:
        case StoreUnavailable(reason=reason):
            return reason
        case RecordDamaged():
            return "damaged"
    return "error"
