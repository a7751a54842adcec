"""What the installed boto3 does not know is not taken off a distribution.

UpdateDistribution replaces the whole configuration, and botocore writes what it knows.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from botocore.awsrequest import AWSResponse  # type: ignore[import-untyped] # no types

from edge.aws.answer import get_distribution
from edge.check.account import collect
from edge.check.snapshot import parse
from tests.edge.deploy.cloudfront_service import ID
from tests.edge.deploy.examples import NEW_KEY
from tests.edge.deploy.operator import Operator
from tests.edge.deploy.wire import WiredSession

SHIELD = "<FutureShield><Enabled>true</Enabled></FutureShield>"

Sent = Callable[[str], str]


def before(tag: str, added: str) -> Sent:
    """AWS says more, once, right before this."""
    return lambda xml: xml.replace(tag, f"{added}{tag}", 1)


def instead(known: str, new: str) -> Sent:
    return lambda xml: xml.replace(known, new, 1)


UNKNOWN = [
    ("FutureShield", before("</DistributionConfig>", SHIELD)),
    ("FutureShield", before("<Origins>", SHIELD)),
    ("FutureFlag", before("</DistributionConfig>", "<FutureFlag />")),
    ("Origins.api.FutureShield", before("</Origin>", SHIELD)),
    (
        "Origins.api.CustomOriginConfig.FutureTls",
        before("</CustomOriginConfig>", "<FutureTls>on</FutureTls>"),
    ),
    (
        "CacheBehaviors./api.FutureGuardId",
        before("</CacheBehavior>", "<FutureGuardId>g-1</FutureGuardId>"),
    ),
    (
        "DefaultCacheBehavior.FutureGuardId",
        before("</DefaultCacheBehavior>", "<FutureGuardId>g-1</FutureGuardId>"),
    ),
    (
        "ViewerCertificate.FutureNames",
        before("</ViewerCertificate>", "<FutureNames><Name>a</Name></FutureNames>"),
    ),
    # A value that botocore cannot tell from false, and what it does not look at.
    ("Enabled", instead("<Enabled>true</Enabled>", "<Enabled>sometimes</Enabled>")),
    ("Comment", instead("<Comment>", '<Comment kind="rich">')),
]


@pytest.mark.parametrize(("place", "sent"), UNKNOWN)
def test_nothing_unknown_is_taken_off_by_a_deployment(
    operator: Operator, place: str, sent: Sent
) -> None:
    operator.account.sent = sent
    for option in ("--plan", "--yes"):
        assert operator.deploy(option) == 2
        assert operator.said[-1] == (
            f"edge deploy: {ID} has {place}, which the installed boto3 does not know"
            " and would take off the distribution. Update it:"
            " pip install --upgrade boto3."
        )
    assert operator.account.changes == []


def test_nor_by_a_rotation_or_a_rollback(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.deploy("--yes", environment=NEW_KEY)
    operator.account.sent = before("</DistributionConfig>", SHIELD)
    operator.account.calls.clear()
    third = NEW_KEY | {"NEXFLOW_API_KEY": "nf_live_THIRD"}
    assert operator.rotate("--yes", environment=third) == 2
    assert operator.roll_back("--yes") == 2
    assert operator.read.count(f"{ID} has FutureShield, which") == 2
    assert operator.account.changes == []


def test_what_appears_halfway_is_not_taken_off(operator: Operator) -> None:
    """Somebody switches it on in the console while the version is published."""

    def at_work(called: str) -> None:
        if called == "PublishVersion":
            operator._session.sent = before("</DistributionConfig>", SHIELD)

    operator.account.before = at_work
    assert operator.deploy("--yes") == 2
    assert "FutureShield" in operator.said[-1]
    assert "cloudfront:UpdateDistribution" not in operator.account.changes


def test_an_answer_that_was_not_seen_is_not_written_back(
    operator: Operator, session: WiredSession
) -> None:
    """Whoever answers in botocore's place shows no bytes."""
    whole = {
        "Distribution": operator.account.cloudfront.get_distribution(ID)[
            "Distribution"
        ],
        "ETag": "ETAG0",
    }

    def answered(**_: object) -> tuple[AWSResponse, dict[str, object]]:
        return AWSResponse("https://aws.invalid", 200, {}, None), whole

    events, name = session.client("cloudfront").meta.events, "before-call.cloudfront"
    events.register(f"{name}.GetDistribution", answered)
    try:
        assert operator.deploy("--yes") == 2
    finally:
        events.unregister(f"{name}.GetDistribution", answered)
    assert f"{ID} has settings, which the installed boto3" in operator.said[-1]


def test_where_nothing_is_written_nothing_can_be_lost(operator: Operator) -> None:
    operator.deploy("--yes")
    operator.account.sent = before("</DistributionConfig>", SHIELD)
    assert operator.deploy("--yes") == 0
    assert operator.said[-1].startswith("version 1 of x402-edge answers at every")


@pytest.mark.parametrize("indented", [False, True])
def test_a_distribution_that_boto3_knows_has_nothing_unknown(
    operator: Operator, session: WiredSession, indented: bool
) -> None:
    """However its XML is written."""
    session.answer = operator.account.answer
    session.sent = (lambda xml: xml.replace("><", ">\n  <")) if indented else str
    assert get_distribution(session.client("cloudfront"), ID).unknown == ()


def test_the_check_says_what_it_has_not_looked_at(
    operator: Operator, session: WiredSession
) -> None:
    assert operator.deploy("--yes") == 0
    session.sent = before("</DistributionConfig>", SHIELD)
    now = datetime(2026, 2, 7, tzinfo=UTC)
    snapshot = parse(collect(session, ID, None, [], now))
    assert snapshot.distribution.unknown == ("FutureShield",)
