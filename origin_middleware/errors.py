"""What can go wrong outside the ordinary path.

OriginMiddlewareError
├── ConfigurationError    an option cannot work (also a ValueError)
└── StoreError            the store
    ├── StoreUnavailable  it did not answer, or refused to write, within the budget
    │   ├── ResponseUnavailable  the recorded response cannot be read now; nothing runs
    │   ├── WriteRefused  it is up, but refuses this write; a smaller one may fit
    │   └── StoreUnsafe   it may lose acknowledged records; the operator must act
    └── RecordDamaged     the record cannot be read; nothing is run again

Ordinary outcomes (held, finished, refused, …) are values, not exceptions.
"""

from typing import Literal

StoreFailure = Literal[
    "unreachable",
    "timeout",
    "full",
    "denied",
    "replicas",
    "quarantine",
    "unsafe",
    "stalled",
    "refused",
    "damaged",
    "error",
]
"""Why a call to the store failed, in one word, for metrics. `unsafe`: the server
evicts, or is the wrong kind of server. `stalled`: this process read the reply too late.
`refused`: Redis refused for another reason. `error`: the failure is not the store's."""


class OriginMiddlewareError(Exception):
    """Everything this package raises on purpose."""


class ConfigurationError(OriginMiddlewareError, ValueError):
    """An option that cannot work; the message says what to change.

    Raised at construction, or at a request for which a function of yours returns
    nonsense.
    """


class StoreError(OriginMiddlewareError):
    """The store failed a call."""


class StoreUnavailable(StoreError):
    """The store did not answer in time, or answered that it cannot write now.

    If a claim raises it, the store withdraws the claim in case it was made after all.
    """

    reason: StoreFailure = "unreachable"

    def __init__(self, message: str = "", *, reason: StoreFailure | None = None):
        super().__init__(message)
        if reason is not None:
            self.reason = reason


class ResponseUnavailable(StoreUnavailable):
    """The request was carried out, but its recorded response cannot be read now."""


class WriteRefused(StoreUnavailable):
    """The store is up, but refuses this write for good: memory is full, or the request
    is too large for the server or for something in between. A smaller one may fit.
    """

    reason = "full"


class StoreUnsafe(StoreUnavailable):
    """The store is configured so that it may lose records, or refuse to write them. The
    message says what to change.
    """

    reason = "unsafe"


class RecordDamaged(StoreError):
    """The value under the key is not a record that this version can read."""


class ClaimLost(OriginMiddlewareError):
    """The attempt lost its claim before its effects began."""
