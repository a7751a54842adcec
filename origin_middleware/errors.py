"""What can go wrong outside the ordinary path.

OriginMiddlewareError
├── ConfigurationError    an option cannot work (also a ValueError)
└── StoreError            the store
    ├── StoreUnavailable  it did not answer, or refused to write, within the budget
    │   ├── ResponseUnavailable  what is recorded cannot be read now; nothing is run
    │   └── StoreUnsafe   it may lose what it acknowledges; the operator has to act
    └── RecordDamaged     it holds what cannot be read; nothing is run again

Ordinary outcomes (held, finished, refused, …) are values, not exceptions.
"""


class OriginMiddlewareError(Exception):
    """Everything this package raises on purpose."""


class ConfigurationError(OriginMiddlewareError, ValueError):
    """An option that cannot work; the message says what to change.

    Raised at construction, or at a request for which a function of yours answers
    nonsense.
    """


class StoreError(OriginMiddlewareError):
    """The store did not do what was asked."""


class StoreUnavailable(StoreError):
    """The store did not answer in time, or answered that it cannot write now.

    Where a claim raises it, the store withdraws what may have been claimed.
    """


class ResponseUnavailable(StoreUnavailable):
    """The request was carried out; what was recorded cannot be read now."""


class StoreUnsafe(StoreUnavailable):
    """The store is set up so that it may lose what it acknowledges, or not take it; the
    message says what to change.
    """


class RecordDamaged(StoreError):
    """What the store holds under the key is not a record this version can read."""
