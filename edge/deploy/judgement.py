"""What check will say of a distribution once it is as planned.

Only of its configuration: the function, its logs and what the gate answers can be
looked at when it is live.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ..build.bundle import Bundle
from ..check.checklist import OF_THE_CONFIGURATION, examine
from ..check.finding import Failed, Warned
from ..check.probe import NotAsked, Probe
from ..check.snapshot import SCHEMA, parse
from ..check.subject import gather


def judged(
    id_: str, config: dict[str, Any], read: Mapping[str, Any], bundle: Bundle
) -> Iterator[str]:
    """One line for each finding. `read` is what AWS says of the policies in it."""
    distribution = {
        "Id": id_,
        "DomainName": "",
        "Status": "Deployed",
        "DistributionConfig": config,
    }
    snapshot = parse(
        {
            "schema": SCHEMA,
            "takenAt": "",
            "distribution": distribution,
            "regions": {},
            **read,
        }
    )
    probes = {each: NotAsked("it is not deployed yet") for each in Probe}
    subject = gather(snapshot, bundle, None, probes)
    for finding in examine(subject, OF_THE_CONFIGURATION):
        match finding.outcome:
            case Failed(wrong, remedy):
                yield f"check will fail {finding.name}: {wrong} {remedy}"
            case Warned(wrong, remedy):
                yield f"check will warn of {finding.name}: {wrong} {remedy}"
            case _:
                pass
