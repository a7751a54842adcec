"""What can be chosen of a store. `RedisStore` says what each means."""

from typing import Literal, TypedDict

OnEviction = Literal["refuse", "warn"]


class Options(TypedDict, total=False):
    """A store has all of them; whoever makes one may leave some out."""

    namespace: str
    budget: float
    on_eviction: OnEviction
    quarantine: float
    replicas: int
    replicas_timeout: float
