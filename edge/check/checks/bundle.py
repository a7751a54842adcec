"""The bundle: whether it is the live one, its settings, its rotation."""

import json

from ...build.environment import (
    LIVE,
    RETENTION,
    out_of_reach,
    url_variable,
)
from ...build.supported import unsupported
from ...build.zip import changed
from ...errors import COMMAND
from ...runtime.x402.terms import Terms
from ..facts import Unread
from ..finding import Check, Failed, NotChecked, Outcome, Passed, Warned
from ..probe import Answered, Probe, ProbeResult, Unanswered
from ..subject import Subject

_NOT_GIVEN = NotChecked("give --bundle, the zip that was deployed")
_NEW_KEY = f"Build with the key of the Developers page, and run {COMMAND} rotate."


def key(subject: Subject) -> Outcome:
    if subject.bundle is None:
        return _NOT_GIVEN
    if subject.bundle.settings.x402 is not None:
        return Passed("a standard facilitator, which has no test keys")
    if not subject.bundle.settings.api_key.startswith(LIVE):
        return Failed(
            "The key in the bundle is a test key: stub proofs are taken as payments.",
            _NEW_KEY,
        )
    return Passed("nf_live_…")


def digest(subject: Subject) -> Outcome:
    if subject.bundle is None:
        return _NOT_GIVEN
    function = subject.snapshot.function
    if isinstance(function, Unread):
        return NotChecked(function.why)
    if function.code_digest != subject.bundle.code:
        return Failed(
            f"Version {function.arn.version} is not this bundle: CodeSha256 is"
            f" {function.code_digest} there and {subject.bundle.code} here.",
            "Deploy this bundle, or check with the deployed one.",
        )
    return Passed(f"version {function.arn.version} is this bundle")


def code(subject: Subject) -> Outcome:
    if subject.bundle is None:
        return _NOT_GIVEN
    other = changed(subject.bundle)
    if other:
        return Warned(
            f"The bundle's code differs from this checkout: {', '.join(other)}.",
            "Check from the checkout that built it, or build and deploy again.",
        )
    return Passed("the code of this checkout")


def facilitator(subject: Subject) -> Outcome:
    if subject.bundle is None:
        return _NOT_GIVEN
    endpoint = subject.bundle.settings.facilitator
    if not endpoint.secure:
        return Failed(
            f"The gate calls the facilitator over http ({endpoint.authority}): the key"
            " can be read on the way.",
            "Build with an https:// URL, and deploy.",
        )
    where = out_of_reach(endpoint.host)
    if where:
        return Failed(
            f"The facilitator is {endpoint.authority}, {where}, which the edge cannot"
            " connect to: every paid request gets a 500.",
            f"Build with {url_variable(subject.bundle.settings)} set to its public"
            " URL, and deploy.",
        )
    return Passed(endpoint.authority)


def signing(subject: Subject) -> Outcome:
    if subject.bundle is None:
        return _NOT_GIVEN
    if not subject.bundle.settings.signing:
        return Warned(
            "The gate does not sign: anybody who can reach the origin can make up an"
            " intent, or read a response recorded for another client.",
            "Build with EDGE_SIGNING_SECRET and EDGE_SIGNING_KEY_ID, and give the"
            " origin the same secret.",
        )
    return Passed("intents are signed")


def lifetime(subject: Subject) -> Outcome:
    """Only the owner knows how long the origin keeps a record."""
    longest = subject.longest_intent
    if longest is None:
        return _NOT_GIVEN
    if longest >= RETENTION:
        return Warned(
            f"The gate takes intents that expire {longest / 3600:g} h from now, and an"
            f" origin keeps a record for {RETENTION / 3600:g} h unless it says"
            " otherwise: after that the same payment buys another execution.",
            "Set a shorter longest_intent in routes.toml, build and deploy, or give the"
            " origin a longer Policy(retention=...).",
        )
    return Passed(f"{longest / 3600:g} h; the origin's retention must be longer")


def key_is_live(subject: Subject) -> Outcome:
    result = subject.probes[Probe.FACILITATOR]
    if subject.bundle is not None and subject.bundle.settings.x402 is not None:
        return _settles(subject.bundle.settings.x402, result)
    match result:
        case Answered(200, _, body) if _is_refusal(body):
            return Passed("the facilitator knows the key")
        case Answered(401):
            return Failed("The facilitator does not accept the key.", _NEW_KEY)
        case Answered(status):
            return Failed(
                f"For a request without a payment the facilitator answers {status}, not"
                " 200 with valid: false.",
                "Check the facilitator's URL and the resource ids of the routes.",
            )
        case Unanswered(why):
            return Failed(f"{why[0].upper()}{why[1:]}.", "Check the URL in the bundle.")
        case _:
            return NotChecked(result.why)


def _settles(terms: Terms, result: ProbeResult) -> Outcome:
    match result:
        case Answered(200, _, body):
            kinds = json.loads(body)
            missing = list(unsupported(terms.offers, kinds))
            if missing:
                return Failed(
                    f"{'; '.join(missing)}.",
                    "Offer what it settles, or build for another facilitator.",
                )
            return Passed("the facilitator settles what is offered")
        case Answered(status):
            return Failed(f"/supported answers {status}.", "Check its URL and its key.")
        case Unanswered(why):
            return Failed(f"{why[0].upper()}{why[1:]}", "Check the URL in the bundle.")
        case _:
            return NotChecked(result.why)


def practised(subject: Subject) -> Outcome:
    """Whether it is documented no program can tell."""
    published = subject.snapshot.published
    if isinstance(published, Unread):
        return NotChecked(published.why)
    codes = {version.code_digest for version in published}
    if len(codes) < 2:
        return NotChecked(
            "only one bundle was ever published. Practise a rotation before you need"
            f" one: {COMMAND} rotate"
        )
    return Passed(
        f"{len(codes)} bundles were published; is the procedure written down?"
    )


def _is_refusal(body: bytes) -> bool:
    said = json.loads(body)
    return isinstance(said, dict) and said.get("valid") is False


CHECKS = (
    Check("bundle.key", "API key is a production key (nf_live_*)", key),
    Check("bundle.key-is-live", "The facilitator accepts the key", key_is_live),
    Check(
        "bundle.facilitator", "The gate calls the facilitator over https", facilitator
    ),
    Check("bundle.signing", "The gate signs what it forwards", signing),
    Check("bundle.lifetime", "No intent outlives its record", lifetime),
    Check("bundle.code", "The bundle has the code of this checkout", code),
    Check("bundle.digest", "The deployed version is this bundle", digest),
    Check(
        "rotation.practised", "Key rotation procedure documented and tested", practised
    ),
)
