"""Tells observers of the calls of a store. A store without observers is left as it is,
and its calls cost nothing more.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

from ...errors import RecordDamaged, StoreFailure, StoreUnavailable
from ...events import Observers, StoreCalled

T = TypeVar("T")


def tell(
    store: object, operations: Iterable[str], observers: Observers[StoreCalled]
) -> None:
    """`operations` are names of its methods; an underscore in front is not told."""
    if observers:
        for name in operations:
            method = getattr(store, name)
            setattr(store, name, _told(method, name.lstrip("_"), observers))


def _told(
    method: Callable[..., Awaitable[T]],
    operation: str,
    observers: Observers[StoreCalled],
) -> Callable[..., Awaitable[T]]:
    @wraps(method)
    async def call(*args: Any, **options: Any) -> T:
        """A call that is cancelled was not answered, and is not told."""
        begun = time.perf_counter()
        try:
            answer = await method(*args, **options)
        except Exception as error:
            seconds = time.perf_counter() - begun
            observers.tell(StoreCalled, operation, seconds, _failure(error))
            raise
        observers.tell(StoreCalled, operation, time.perf_counter() - begun)
        return answer

    return call


def _failure(error: Exception) -> StoreFailure:
    match error:
        case StoreUnavailable(reason=reason):
            return reason
        case RecordDamaged():
            return "damaged"
    return "error"
