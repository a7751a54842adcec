"""Has a key ever been rotated here? Whether it is documented no program can tell."""

from ..evidence import Evidence
from ..facts.unread import Unread
from ..finding import Check, NotChecked, Outcome, Passed


def practised(evidence: Evidence) -> Outcome:
    published = evidence.snapshot.published
    if isinstance(published, Unread):
        return NotChecked(published.why)
    codes = {version.code_digest for version in published}
    if len(codes) < 2:
        return NotChecked(
            "only one bundle was ever published. Practise it before you need it:"
            " python -m edge rotate"
        )
    return Passed(f"{len(codes)} bundles were published; is the way written down?")


CHECKS = (
    Check(
        "rotation.practised", "Key rotation procedure documented and tested", practised
    ),
)
