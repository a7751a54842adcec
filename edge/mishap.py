"""What is answered when something of ours went wrong: 500, or the untouched response.

A bug of ours is not "payment required", and takes no response away.
"""

from . import cloudfront, gate, log, refusal, settlement
from .typed import Any


def answered(event: Any, error: str, now: float) -> Any:
    occasion = log.Occasion(now, cloudfront.path(event), cloudfront.request_id(event))
    match cloudfront.trigger(event):
        case "viewer-request":
            has_payment = cloudfront.has_payment(event)
            log.verified(occasion, None, gate.Unavailable(error), 0, has_payment)
            return refusal.unavailable()
        case "origin-response":
            log.settled(occasion, None, settlement.Unsettled(error), 0)
    return cloudfront.untouched(event)


def described(bug: Exception) -> str:
    """Where and what kind. Not the message: it may quote the event."""
    trace = bug.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = (
        f" in {trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}" if trace else ""
    )
    return f"{type(bug).__name__}{place}"
