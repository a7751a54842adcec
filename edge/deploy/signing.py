"""Whether a bundle goes on with the signing secret of a version that is live. Pure.

While one version replaces another, either may sign and either may check. What does not
fit is not settled, and refused by an origin that verifies.
"""

from collections.abc import Iterator, Mapping

from ..build.environment import ACCEPTED, SIGNING
from .baked import Baked


def all_breaks(new: Baked, live: Mapping[int, Baked | None]) -> Iterator[str]:
    """A version of somebody else's signs nothing that this one would have to know."""
    for version, old in sorted(live.items()):
        if old is not None:
            yield from breaks(new, version, old)


def breaks(new: Baked, version: int, old: Baked) -> Iterator[str]:
    """Each with what to do about it."""
    if not old.signing:
        return
    if not new.signing:
        yield (
            f"version {version} signs, and this bundle would not: the origin would"
            f" refuse all it is sent. Set {SIGNING[0]} and {SIGNING[1]}."
        )
    elif old.signing[0] not in new.signing:
        yield (
            f"version {version} signs with {old.signing[0].id}, which this bundle does"
            f" not accept. Set {ACCEPTED[0]} and {ACCEPTED[1]} to it."
        )
    elif new.signing[0] not in old.signing:
        yield (
            f"version {version} does not accept {new.signing[0].id} yet. Give it to the"
            f" origin, then deploy with it as {ACCEPTED[0]} first, and rotate then."
        )
