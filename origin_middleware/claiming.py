"""The claims of one request: each has an owner token of its own.

Of a claim that was answered with somebody else's, an attempt may still be under way.
The store withdraws it by its token, and a next claim with the same one as well.
"""

import secrets
from dataclasses import replace

from .policy import Policy
from .record import Claim, Fingerprint, OwnerToken


def first_claim(policy: Policy, fingerprint: Fingerprint) -> Claim:
    return Claim(_token(), fingerprint, policy.lease, policy.retention)


def next_claim(claim: Claim) -> Claim:
    return replace(claim, owner=_token())


def _token() -> OwnerToken:
    return OwnerToken(secrets.token_bytes(16))
