"""The answers of the deployed gate and of the origin."""

import json
from typing import assert_never

from ..finding import Check, Failed, NotChecked, Outcome, Passed
from ..probe import Answered, NotAsked, Probe, Unanswered
from ..subject import Subject

# The answer without a payment, as clients were promised it.
_PROMISED = {
    "status": "payment_required",
    "message": "x402 payment required to access this resource.",
}
_MEMBERS = {*_PROMISED, "requirement", "reason"}


def unpaid(subject: Subject) -> Outcome:
    answer = _answer(subject, Probe.UNPAID)
    if not isinstance(answer, Answered):
        return answer
    if answer.status != 402:
        return Failed(
            f"Without a payment the answer is {answer.status}, not 402.",
            "Below 300, the path is free: look at the routes and the triggers. At 500,"
            " look at the gate's log.",
        )
    if subject.is_x402 and "payment-required" in answer.headers:
        return Passed("402, with PAYMENT-REQUIRED")
    wrong = (
        "it has no PAYMENT-REQUIRED" if subject.is_x402 else _unlike_the_promise(answer)
    )
    if wrong:
        return Failed(
            f"The 402 is not the gate's: {wrong}.",
            "Find out what replaces it: a custom error response, a policy, a firewall.",
        )
    return Passed("402, with the promised body")


def paid(subject: Subject) -> Outcome:
    answer = _answer(subject, Probe.PAID)
    if not isinstance(answer, Answered):
        return answer
    if not 200 <= answer.status < 300:
        return Failed(
            f"With a payment the answer is {answer.status}.",
            "At 402, the facilitator refuses the payment: the body says why. At 401,"
            " gate and origin have different signing secrets. At 404, name an existing"
            " path with --path.",
        )
    return Passed(str(answer.status))


def replayed(subject: Subject) -> Outcome:
    first = _answer(subject, Probe.PAID)
    again = _answer(subject, Probe.REPEATED)
    if not isinstance(again, Answered):
        return again
    if not isinstance(first, Answered) or not 200 <= first.status < 300:
        return NotChecked("there is nothing to replay: the paid request failed")
    if not _is_replay(first, again):
        return Failed(
            f"The same payment sent again gets {again.status} and not the recorded"
            " response: the handler ran twice for one payment.",
            "Add IdempotencyMiddleware to the origin, with a store that all its"
            " processes share.",
        )
    return Passed("the second answer is the recorded one")


def forged(subject: Subject) -> Outcome:
    """An intent that reached the origin would be executed again, or refused."""
    first = _answer(subject, Probe.PAID)
    answer = _answer(subject, Probe.FORGED)
    if not isinstance(answer, Answered):
        return answer
    if not isinstance(first, Answered) or not 200 <= first.status < 300:
        return NotChecked("there is nothing to compare: the paid request failed")
    if not _is_replay(first, answer):
        return Failed(
            "A client's own x-settlement-intent-id changes the answer"
            f" ({answer.status}): it has reached the origin.",
            "Attach the viewer-request trigger of the gate to this path.",
        )
    return Passed("a client's own intent changes nothing")


def direct(subject: Subject) -> Outcome:
    answer = _answer(subject, Probe.DIRECT)
    if not isinstance(answer, Answered):
        return answer
    if answer.status == 401 or _is_problem(answer, 400):
        return Passed(f"refused with {answer.status}")
    return Failed(
        f"The origin answers an unsigned intent with {answer.status}: anybody who"
        " reaches it directly need not pay.",
        "Give the middleware require_key=True and the verification secret of the gate.",
    )


def _answer(subject: Subject, probe: Probe) -> Answered | Failed | NotChecked:
    result = subject.probes[probe]
    match result:
        case Answered():
            return result
        case Unanswered(why):
            return Failed(f"{why}.", "Check the address, and that it is up.")
        case NotAsked(why):
            return NotChecked(why)
        case _:
            assert_never(result)


def _unlike_the_promise(answer: Answered) -> str:
    try:
        body = json.loads(answer.body)
    except ValueError:
        return "its body is not JSON"
    if not isinstance(body, dict) or set(body) != _MEMBERS:
        return f"the members of its body are not {', '.join(sorted(_MEMBERS))}"
    for name, value in _PROMISED.items():
        if body[name] != value:
            return f"its {name} is {body[name]!r}"
    if "no-store" not in answer.headers.get("cache-control", ""):
        return "it may be cached"
    return ""


def _is_replay(first: Answered, again: Answered) -> bool:
    return again.headers.get("idempotent-replayed") == "true" and (
        again.status,
        again.body,
    ) == (first.status, first.body)


def _is_problem(answer: Answered, status: int) -> bool:
    """A handler's own 400 would mean that the handler ran."""
    kind = answer.headers.get("content-type", "")
    return answer.status == status and kind.startswith("application/problem+json")


CHECKS = (
    Check("probes.unpaid", "Tested with curl: 402 without payment", unpaid),
    Check("probes.paid", "Tested with curl: 200 with valid payment", paid),
    Check(
        "probes.replay",
        "Origin handles the x-settlement-intent-id header for idempotency",
        replayed,
    ),
    Check("probes.forged", "A client's own intent does not reach the origin", forged),
    Check("probes.direct", "The origin refuses requests that bypass the gate", direct),
)
