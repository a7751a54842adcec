"""Tells observers of the calls of a store; without observers, of nothing and for
nothing.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from ...errors import RecordDamaged, StoreFailure, StoreUnavailable
from ...events import Observers, StoreCalled


class Observed(Protocol):
    observers: Observers[StoreCalled]


S = TypeVar("S", bound=Observed)
P = ParamSpec("P")
T = TypeVar("T")
Method = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def told(method: Method[S, P, T]) -> Method[S, P, T]:
    operation = method.__name__.lstrip("_")

    @wraps(method)
    def call(store: S, /, *args: P.args, **options: P.kwargs) -> Coroutine[Any, Any, T]:
        work = method(store, *args, **options)
        return _timed(store.observers, operation, work) if store.observers else work

    return call


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
