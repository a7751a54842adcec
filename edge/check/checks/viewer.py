"""The way from the client to CloudFront."""

from ..evidence import Evidence
from ..finding import Check, Failed, Outcome, Passed, Warned

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


def protocol(evidence: Evidence) -> Outcome:
    plain = [b.pattern for b in evidence.gated if b.viewer_protocol == "allow-all"]
    if plain:
        return Failed(
            f"{', '.join(plain)} may be asked over http, where everybody on the way"
            " can read the payment proof.",
            "Set the viewer protocol policy to https-only or redirect-to-https.",
        )
    return Passed("https")


def methods(evidence: Evidence) -> Outcome:
    for behaviour in evidence.gated:
        refused = sorted(_METHODS - behaviour.methods)
        if refused:
            return Warned(
                f"On {behaviour.pattern} CloudFront answers {', '.join(refused)} with"
                " 403, before the gate is asked.",
                "Allow all methods if a paid route takes one of these. Browsers ask"
                " with OPTIONS first.",
            )
    return Passed("all methods")


def grpc(evidence: Evidence) -> Outcome:
    open_ = [each.pattern for each in evidence.reaching if each.takes_grpc]
    if open_:
        return Failed(
            f"gRPC is enabled on {', '.join(open_)}. AWS does not support Lambda@Edge"
            " for gRPC requests: what calls itself application/grpc could pass the"
            " gate unpaid.",
            "Switch gRPC off for every behaviour that reaches the paid origin.",
        )
    return Passed("gRPC is off")


CHECKS = (
    Check("viewer.protocol", "Payment proofs travel encrypted", protocol),
    Check("viewer.methods", "Methods that routes take are allowed", methods),
    Check("viewer.grpc", "Nobody comes past the gate with gRPC", grpc),
)
