"""One log line of each kind that the gate writes, from the code that is in the bundle.

CloudWatch is asked which of them a metric filter matches.
"""

from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from io import StringIO

from ..runtime import log
from ..runtime.gate import Forward, PaymentRequired, Unavailable
from ..runtime.settlement import Settle, Settled, Skip, Unsettled

VERIFIED, UNPAID, UNVERIFIED = "verified", "unpaid", "verify-failed"
# The same again, answered from memory: no call, and no time to measure.
UNASKED = "unpaid-unasked"
SETTLED, UNSETTLED, SKIPPED = "settled", "settle-failed", "settle-skipped"

_OCCASION = log.Occasion(1_770_451_954.567, "/api/joke", "request-1")
_RESOURCE = "joke-endpoint"
_DUE = Settle("intent-1", _RESOURCE, "eip155:8453", 200)


@cache
def sample_lines() -> dict[str, str]:
    """By name. They come through standard output, which all threads share."""
    unpaid = PaymentRequired("missing_payment_header", None)
    down = Unavailable("verify answered 503")
    return {
        VERIFIED: _written(
            lambda: log.verified(_OCCASION, _RESOURCE, Forward("intent-1"), 62, True)
        ),
        UNPAID: _written(lambda: log.verified(_OCCASION, _RESOURCE, unpaid, 58, False)),
        UNASKED: _written(lambda: log.verified(_OCCASION, _RESOURCE, unpaid, 0, False)),
        UNVERIFIED: _written(
            lambda: log.verified(_OCCASION, _RESOURCE, down, 2_500, True)
        ),
        SETTLED: _written(
            lambda: log.settled(_OCCASION, _DUE, Settled("2026-02-07T08:12:34Z"), 54)
        ),
        UNSETTLED: _written(
            lambda: log.settled(_OCCASION, _DUE, Unsettled("internal_error"), 2_500)
        ),
        SKIPPED: _written(
            lambda: log.settle_skipped(
                _OCCASION, Skip("intent-1", 503, "origin returned 503")
            )
        ),
    }


def _written(write: Callable[[], None]) -> str:
    output = StringIO()
    with redirect_stdout(output):
        write()
    return output.getvalue().rstrip("\n")
