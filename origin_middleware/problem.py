"""Refusals as RFC 9457 problem details. All are ≥ 400, so none is ever settled."""

import json
from dataclasses import dataclass

from .asgi import Send
from .decision import Refusal
from .key import Key, key_digest


@dataclass(frozen=True, slots=True)
class Problem:
    status: int
    title: str
    retry_after: int | None = None


# "In progress" and "outcome unknown" are 409, never 423, 425 or 5xx:
# CloudFront caches some error statuses, and 409 is not among them.
PROBLEMS = {
    Refusal.KEY_MISSING: Problem(400, "The idempotency key is missing."),
    Refusal.KEY_MALFORMED: Problem(400, "The idempotency key is malformed."),
    Refusal.SIGNATURE_REFUSED: Problem(401, "This request is not signed by the gate."),
    Refusal.REQUEST_TOO_LARGE: Problem(413, "The body of this request is too large."),
    Refusal.NO_ROOM: Problem(
        503,
        "There is no room to keep the body of this request; nothing was executed.",
        retry_after=1,
    ),
    Refusal.STORE_UNAVAILABLE: Problem(
        503,
        "The record store takes no claims now; this attempt executed nothing.",
        retry_after=1,
    ),
    Refusal.RECORD_DAMAGED: Problem(
        409,
        "The record of this request cannot be read. It is not executed again.",
    ),
    Refusal.DIFFERENT_REQUEST: Problem(
        422, "This idempotency key belongs to a different request."
    ),
    Refusal.IN_PROGRESS: Problem(
        409, "This request is still being executed. Try again.", retry_after=1
    ),
    Refusal.NOT_REPLAYABLE: Problem(
        409, "This request was carried out, but its response could not be kept."
    ),
    Refusal.OUTCOME_UNKNOWN: Problem(
        409,
        "The outcome of an earlier attempt is unknown, so this request is not run "
        "again.",
    ),
    Refusal.ATTEMPTS_EXHAUSTED: Problem(
        409,
        "This request has used up its attempts; none of them delivered a response.",
    ),
    Refusal.NOT_ON_RECORD: Problem(
        409,
        "The payment for this request has already been used, and no response to it is "
        "recorded.",
    ),
}


async def refuse(
    send: Send,
    refusal: Refusal,
    detail: str | None = None,
    *,
    key: Key | None = None,
) -> None:
    """With a key, the client gets something to quote: the name of its record, which is
    not the key itself."""
    problem = PROBLEMS[refusal]
    body = _body(refusal, problem, detail, key)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if problem.status == 401:
        headers.append((b"www-authenticate", b"Signature"))  # RFC 9110, section 15.5.2
    if problem.retry_after is not None:
        headers.append((b"retry-after", b"%d" % problem.retry_after))
    await send(
        {"type": "http.response.start", "status": problem.status, "headers": headers}
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _body(
    refusal: Refusal, problem: Problem, detail: str | None, key: Key | None
) -> bytes:
    members = {
        "type": f"urn:origin-middleware:problem:{refusal.value}",
        "title": problem.title,
        "status": problem.status,
        "code": refusal.value,
    }
    if detail:
        members["detail"] = detail
    if key is not None:
        members["instance"] = f"urn:origin-middleware:record:{key_digest(key)}"
    return json.dumps(members).encode()
