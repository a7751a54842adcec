"""What can be chosen of a store. `RedisStore` says what each means."""

from typing import Literal, NamedTuple, TypedDict

OnEviction = Literal["refuse", "warn"]


class Options(NamedTuple):
    namespace: str
    budget: float
    on_eviction: OnEviction
    quarantine: float
    replicas: int
    replicas_timeout: float


class SomeOptions(TypedDict, total=False):
    namespace: str
    budget: float
    on_eviction: OnEviction
    quarantine: float
    replicas: int
    replicas_timeout: float
