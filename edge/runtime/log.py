"""One JSON line per event on standard output.

`print` rather than logging, whose prefix would break CloudWatch's JSON filters.
The field names are a contract with dashboards and alarms.
No header, body or event is ever handed to this file,
so no payment proof and no API key can get into a line.
"""

import json

from .gate import Forward, PaymentRequired, Unavailable, Verdict
from .hints import NamedTuple
from .instant import stamp
from .settlement import Outcome, Refused, Settle, Settled, Skip, Terms


class Occasion(NamedTuple):
    """The time, the path and the request of an event."""

    now: float
    path: str | None
    request_id: str | None


def verified(
    occasion: Occasion,
    resource_id: str | None,
    verdict: Verdict,
    latency_ms: int,
    has_payment_header: bool,
) -> None:
    """An unpaid request is not an error: alarms watch `error`."""
    line: dict[str, object] = {
        "ts": stamp(occasion.now),
        "eventType": "verify",
        "path": occasion.path,
        "resourceId": resource_id,
        "settlementIntentId": verdict.intent if isinstance(verdict, Forward) else None,
        "valid": isinstance(verdict, Forward),
        "latencyMs": latency_ms,
        "requestId": occasion.request_id,
        "hasPaymentHeader": has_payment_header,
    }
    match verdict:
        case Unavailable(error):
            line["error"] = error
        case Forward(scheme=str(scheme), network=network, used=used):
            line |= {"facilitator": "x402", "scheme": scheme, "network": network}
            if used:
                line["reason"] = "used"
        case PaymentRequired(reason, headers=dict()):
            line |= {"facilitator": "x402", "reason": reason}
    _write(line)


def settled(
    occasion: Occasion,
    due: Settle | None,
    outcome: Outcome,
    latency_ms: int,
) -> None:
    """`due` is None if a bug came before it was decided.

    If the error begins with "refused", the payment is not made. With any other error it
    may have been made."""
    line: dict[str, object] = {
        "ts": stamp(occasion.now),
        "eventType": "settle",
        "path": occasion.path,
        "resourceId": due.resource_id if due else None,
        "settlementIntentId": due.intent if due else None,
        "originStatus": due.status if due else None,
        "settled": isinstance(outcome, Settled),
        "settledAt": outcome.at if isinstance(outcome, Settled) else None,
        "latencyMs": latency_ms,
        "requestId": occasion.request_id,
    }
    match outcome:
        case Refused(reason):
            line["error"] = f"refused: {reason}"
        case Settled():
            pass
        case _:
            line["error"] = outcome.error
    if isinstance(outcome.terms, Terms):
        line |= {"facilitator": "x402", **outcome.terms._asdict()}
    _write(line)


def settle_skipped(occasion: Occasion, skip: Skip) -> None:
    _write(
        {
            "ts": stamp(occasion.now),
            "eventType": "settle_skipped",
            "path": occasion.path,
            "settlementIntentId": skip.intent,
            "reason": skip.reason,
            "originStatus": skip.status,
            "requestId": occasion.request_id,
        }
    )


def described(bug: Exception) -> str:
    """Where and what kind. Not the message: it may quote the event."""
    trace = bug.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    place = (
        f" in {trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}" if trace else ""
    )
    return f"{type(bug).__name__}{place}"


def _write(line: dict[str, object]) -> None:
    """Flushed, because the process is frozen as soon as the trigger returns.
    A closed pipe must not cost a client the response they paid for."""
    try:  # noqa: SIM105 - contextlib is cold start
        print(json.dumps(line, separators=(",", ":")), flush=True)
    except (OSError, ValueError):
        pass
