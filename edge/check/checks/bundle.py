"""The bundle: is it this one that runs, and what was baked into it."""

import json

from ...build.environment import LIVE, PUBLIC_URL, URL_VARIABLE, is_loopback
from ..evidence import Evidence
from ..facts.unread import Unread
from ..finding import Check, Failed, NotChecked, Outcome, Passed, Warned
from ..probe import Answered, Probe, Unanswered

_NOT_GIVEN = NotChecked("give --bundle, the zip that was deployed")
_NEW_KEY = "Build with the key of the Developers page, and run python -m edge rotate."


def key(evidence: Evidence) -> Outcome:
    if evidence.bundle is None:
        return _NOT_GIVEN
    if not evidence.bundle.settings.api_key.startswith(LIVE):
        return Failed(
            "The key in the bundle is a test key: stub proofs are taken as payments.",
            _NEW_KEY,
        )
    return Passed("nf_live_…")


def digest(evidence: Evidence) -> Outcome:
    if evidence.bundle is None:
        return _NOT_GIVEN
    function = evidence.snapshot.function
    if isinstance(function, Unread):
        return NotChecked(function.why)
    if function.code_digest != evidence.bundle.code:
        return Failed(
            f"Version {function.arn.version} is not this bundle: CodeSha256 is"
            f" {function.code_digest} there and {evidence.bundle.code} here.",
            "Deploy this bundle, or check with the one that was deployed.",
        )
    return Passed(f"version {function.arn.version} is this bundle")


def facilitator(evidence: Evidence) -> Outcome:
    if evidence.bundle is None:
        return _NOT_GIVEN
    endpoint = evidence.bundle.settings.facilitator
    if not endpoint.secure:
        return Failed(
            f"The facilitator is asked over http ({endpoint.authority}): the key can"
            " be read on the way.",
            "Build with an https:// URL, and deploy.",
        )
    if is_loopback(endpoint.host):
        return Failed(
            f"The facilitator is {endpoint.authority}, the machine that the gate runs"
            " on: nobody is there, and every paid request is answered 500.",
            f"Build with {URL_VARIABLE}={PUBLIC_URL}, and deploy.",
        )
    return Passed(endpoint.authority)


def signing(evidence: Evidence) -> Outcome:
    if evidence.bundle is None:
        return _NOT_GIVEN
    if not evidence.bundle.settings.signing:
        return Warned(
            "The gate does not sign: whoever can reach the origin can invent an"
            " intent, or read somebody's recorded response.",
            "Build with EDGE_SIGNING_SECRET and EDGE_SIGNING_KEY_ID, and give the"
            " origin the same secret.",
        )
    return Passed("intents are signed")


def key_is_live(evidence: Evidence) -> Outcome:
    result = evidence.probes[Probe.FACILITATOR]
    match result:
        case Answered(200, _, body) if _is_refusal(body):
            return Passed("the facilitator knows the key")
        case Answered(401):
            return Failed("The facilitator does not accept the key.", _NEW_KEY)
        case Answered(status):
            return Failed(
                f"Asked about a request without a payment, the facilitator says"
                f" {status}, not 200 and valid: false.",
                "Check the facilitator's URL and the resource ids of the routes.",
            )
        case Unanswered(why):
            return Failed(f"{why[0].upper()}{why[1:]}.", "Check the URL in the bundle.")
        case _:
            return NotChecked(result.why)


def _is_refusal(body: bytes) -> bool:
    said = json.loads(body)
    return isinstance(said, dict) and said.get("valid") is False


CHECKS = (
    Check("bundle.key", "API key is a production key (nf_live_*)", key),
    Check("bundle.key-is-live", "The facilitator accepts the key", key_is_live),
    Check("bundle.facilitator", "The facilitator is asked over https", facilitator),
    Check("bundle.signing", "The gate signs what it forwards", signing),
    Check("bundle.digest", "The deployed version is this bundle", digest),
)
