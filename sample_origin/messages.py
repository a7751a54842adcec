"""What passes between the participants, in a file that each of them appends to.

Written where it passes: by the server that receives a request and answers it, by the
worker that asks Redis, by the machine that kills a process. A value that pays or opens
something is written as its digest, as in the logs.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

Participant = Literal["client", "cloudfront", "gate", "facilitator", "worker", "redis"]

# In headers, and as names in JSON. Lower case.
SECRETS = frozenset(
    {
        "authorization",
        "cookie",
        "intent",
        "payment-signature",
        "set-cookie",
        "settlementintentid",
        "signature",
        "x-facilitator-auth",
        "x-payment",
        "x-settlement-intent-id",
        "x-settlement-proof",
        "x-settlement-replay-id",
        "x402-payment",
    }
)
LONGEST = 4_000


class Messages:
    """The file. A message is a single write, as a row of the ledger."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(
        self,
        sender: Participant,
        receiver: Participant,
        title: str,
        *,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        failed: bool = False,
        pid: int | None = None,
    ) -> None:
        """From a participant to itself: something that happened there, in this process
        or in another (`pid`)."""
        line = {
            "at": time.time(),
            "pid": pid or os.getpid(),
            "from": sender,
            "to": receiver,
            "title": title,
            "headers": [[name, _masked(name, value)] for name, value in headers],
            "body": shown(body),
            "failed": failed,
        }
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(line).encode() + b"\n")
        finally:
            os.close(descriptor)


def from_environment() -> Messages | None:
    """MESSAGES names the file; without it, nothing is written down."""
    path = os.environ.get("MESSAGES")
    return Messages(Path(path)) if path else None


def shown(body: bytes) -> str:
    """A body for a person, without what is secret in it."""
    try:
        text = json.dumps(_without_secrets(json.loads(body)), indent=2)
    except ValueError:
        text = body.decode(errors="replace")
    if len(text) > LONGEST:
        return f"{text[:LONGEST]}… ({len(body)} bytes)"
    return text


def _without_secrets(value: Any) -> Any:
    match value:
        case dict():
            return {
                name: _masked(name, inner)
                if isinstance(inner, str)
                else _without_secrets(inner)
                for name, inner in value.items()
            }
        case list():
            return [_without_secrets(inner) for inner in value]
    return value


def _masked(name: str, value: str) -> str:
    """The same value is the same digest, so it can be followed through the chain."""
    if name.lower() not in SECRETS:
        return value
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:12]}…"
