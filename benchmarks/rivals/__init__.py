"""What else there is to install: one file each, used as its own documentation shows."""

from benchmarks.rivals.asgi_idempotency_header import ASGI_IDEMPOTENCY_HEADER
from benchmarks.rivals.fastapi_idempotency_key import FASTAPI_IDEMPOTENCY_KEY
from benchmarks.rivals.ichido import ICHIDO
from benchmarks.rivals.idemkit import IDEMKIT
from benchmarks.rivals.idempot import IDEMPOT
from benchmarks.rivals.idemptx import IDEMPTX
from benchmarks.rivals.powertools import POWERTOOLS

RIVALS = (
    IDEMKIT,
    ICHIDO,
    FASTAPI_IDEMPOTENCY_KEY,
    ASGI_IDEMPOTENCY_HEADER,
    POWERTOOLS,
    IDEMPOT,
    IDEMPTX,
)
