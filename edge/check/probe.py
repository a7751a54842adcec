"""Sends requests to the deployed gate and to the origin, as a client does.

`unpaid` and `facilitator` cost nothing. `paid` spends the payment once, however often
it is repeated: the same proof is the same intent. `direct` and `forged` try what an
attacker would, and run the paid handler where nothing stops them.
"""

import json
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from ..build import supported
from ..build.bundle import Bundle
from ..errors import COMMAND, Refused
from ..runtime import gate
from ..runtime.cloudfront import PAYMENT_HEADER
from ..runtime.intent import INTENT_HEADER, NETWORK_HEADER, RESOURCE_HEADER
from ..runtime.nexflow import NexFlow
from ..runtime.routes import Route
from ..runtime.settings import Settings
from ..runtime.x402.facilitator import PAYMENT_HEADER as STANDARD_HEADER

# Longer than CloudFront waits for an origin, so that CloudFront answers first.
_PATIENCE = 40.0
_LARGEST_BODY = 1 << 20

FORGED_INTENT = "forged-by-edge-check"


class Probe(StrEnum):
    UNPAID = "unpaid"
    PAID = "paid"
    REPEATED = "repeated"
    FORGED = "forged"
    DIRECT = "direct"
    FACILITATOR = "facilitator"


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Unanswered:
    why: str


@dataclass(frozen=True, slots=True)
class NotAsked:
    """The reason says which option is missing."""

    why: str


ProbeResult: TypeAlias = Answered | Unanswered | NotAsked


@dataclass(frozen=True, slots=True)
class Targets:
    """Where the requests go, and with what. Empty or None: no such request."""

    route: Route
    path: str
    url: str = ""
    origin_url: str = ""
    payment: str = ""
    bundle: Bundle | None = None


def probe(targets: Targets) -> dict[Probe, ProbeResult]:
    return dict(_results(targets))


def path_of(route: Route) -> str:
    """Some path of the route. Only its owner knows whether anything is there."""
    return route.path.removesuffix("/*") or "/"


def _results(targets: Targets) -> Iterator[tuple[Probe, ProbeResult]]:
    payment = {_payment_header(targets): targets.payment}
    without_url = (
        "give --url, where clients reach the distribution: for a multi-tenant one, the"
        " domain of a tenant"
    )
    without_payment = "give --payment, a payment that the facilitator accepts"
    if not targets.url:
        for each in (Probe.UNPAID, Probe.PAID, Probe.REPEATED, Probe.FORGED):
            yield each, NotAsked(without_url)
    else:
        yield Probe.UNPAID, _ask(targets.url, targets.path, {})
        for each, headers in (
            (Probe.PAID, payment),
            (Probe.REPEATED, payment),
            (Probe.FORGED, payment | _forged(targets.route)),
        ):
            if targets.payment:
                yield each, _ask(targets.url, targets.path, headers)
            else:
                yield each, NotAsked(without_payment)
    yield Probe.DIRECT, _direct(targets)
    yield Probe.FACILITATOR, _facilitator(targets)


def _payment_header(targets: Targets) -> str:
    if targets.bundle is not None and targets.bundle.settings.x402 is not None:
        return STANDARD_HEADER
    return PAYMENT_HEADER


def _direct(targets: Targets) -> ProbeResult:
    if not targets.origin_url:
        return NotAsked("give --origin-url, where the origin itself listens")
    return _ask(targets.origin_url, targets.path, _forged(targets.route))


def _forged(route: Route) -> dict[str, str]:
    """The gate's headers, with a signature that is not the gate's."""
    return {
        INTENT_HEADER: FORGED_INTENT,
        RESOURCE_HEADER: route.resource_id,
        NETWORK_HEADER: route.network,
        "signature-input": 'settlement=();created=1;keyid="forged"',
        "signature": "settlement=:AAAA:",
    }


def _facilitator(targets: Targets) -> ProbeResult:
    """Asked as the gate asks, about a request without a payment. It is not billed."""
    if targets.bundle is None:
        return NotAsked("give --bundle, which has the key")
    if targets.bundle.settings.x402 is not None:
        return _supported(targets.bundle.settings)
    facilitator = NexFlow(targets.bundle.settings)
    try:
        answer = facilitator.verify(targets.route, {}, 5.0)
    finally:
        facilitator.close()
    if isinstance(answer, gate.Answer):
        return Answered(answer.status, {}, json.dumps(answer.body).encode())
    return Unanswered(answer.error)


def _supported(settings: Settings) -> ProbeResult:
    try:
        kinds = supported.kinds(settings, time.time(), supported.ask)
    except Refused as refused:
        return Unanswered(str(refused))
    return Answered(200, {}, json.dumps(kinds).encode())


def _ask(base: str, path: str, headers: Mapping[str, str]) -> ProbeResult:
    parts = urlsplit(base)
    connection = _connection(parts)
    try:
        target = parts.path.rstrip("/") + path
        connection.request("GET", target, headers={**_NAME, **headers})
        response = connection.getresponse()
        lines = {name.lower(): value for name, value in response.getheaders()}
        return Answered(response.status, lines, response.read(_LARGEST_BODY))
    except (OSError, HTTPException) as failure:
        return Unanswered(f"{base} could not be asked: {failure}")
    except ValueError:  # its message would show the payment
        return Unanswered("the payment or the path has a character that none may have")
    finally:
        connection.close()


def _connection(parts: SplitResult) -> HTTPConnection:
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return HTTPSConnection(parts.netloc, timeout=_PATIENCE, context=context)
    return HTTPConnection(parts.netloc, timeout=_PATIENCE)


_NAME = {"user-agent": f"{COMMAND} check", "accept": "*/*"}
