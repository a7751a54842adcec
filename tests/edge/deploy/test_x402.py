"""What check and deploy know of a gate before a standard facilitator."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from edge.aws.forwarding import X402_CONTRACT
from edge.aws.managed_policies import ALL_VIEWER_EXCEPT_HOST_HEADER
from edge.build.environment import Secrets
from edge.build.routes_file import parse_routes
from edge.build.zip import build
from edge.check.checks import bundle as bundles
from edge.check.checks import function as functions
from edge.check.checks import headers
from edge.check.checks import probes as replies
from edge.check.finding import Failed, Passed, Warned
from edge.check.probe import Answered, Probe
from edge.check.snapshot import parse
from edge.check.subject import Subject, gather
from edge.runtime.intent import CONTRACT_HEADERS
from edge.runtime.signature import SigningKey
from tests.edge.check.good import answers, function, listed, probes
from tests.edge.commands import SIGNING, STANDARD
from tests.edge.deploy.cloudfront_service import request_policy
from tests.edge.deploy.conftest import Hire
from tests.edge.deploy.examples import ENVIRONMENT, behaviour, distribution
from tests.edge.deploy.operator import Operator
from tests.support.x402_gate import SECRET, routes

KIND = {"x402Version": 2, "scheme": "exact", "network": "eip155:84532"}


def subject(
    kinds: object = (KIND,),
    unpaid: Answered | None = None,
    account: dict[str, Any] | None = None,
) -> Subject:
    secrets = Secrets("https://pay.test", "", (SigningKey("key-1", SECRET),))
    built = build(secrets, parse_routes(routes()))
    told = Answered(200, {}, json.dumps(kinds).encode())
    found = probes() | {Probe.FACILITATOR: told}
    if unpaid is not None:
        found[Probe.UNPAID] = unpaid
    return gather(parse(account or answers()), built, None, found)


def test_a_settlement_has_its_time() -> None:
    assert function()["Timeout"] == 5
    assert isinstance(functions.timeout(subject()), Failed)


def test_the_facilitator_is_asked_what_it_settles() -> None:
    assert isinstance(bundles.key_is_live(subject()), Passed)
    failed = bundles.key_is_live(subject(kinds=()))
    assert isinstance(failed, Failed)
    assert "does not settle exact on eip155:84532" in failed.wrong


def test_the_402_is_that_of_v2() -> None:
    assert isinstance(replies.unpaid(subject()), Failed)
    demand = Answered(402, {"payment-required": "e30="}, b"{}")
    assert isinstance(replies.unpaid(subject(unpaid=demand)), Passed)


def test_what_to_pay_has_to_reach_the_client() -> None:
    assert list(headers.responses(subject())) == []
    found = answers()
    behaviour = found["distribution"]["DistributionConfig"]["DefaultCacheBehavior"]
    behaviour["ResponseHeadersPolicyId"] = "own"
    removed = listed([{"Header": "Payment-Required"}])
    found["policies"]["responseHeadersPolicies"] = {
        "own": {"RemoveHeadersConfig": removed}
    }
    (warned,) = headers.responses(subject(account=found))
    assert isinstance(warned, Warned)
    assert "payment-required" in warned.wrong


def test_the_payment_has_to_be_forwarded() -> None:
    assert "payment-signature" in X402_CONTRACT
    assert subject().contract == X402_CONTRACT


@pytest.mark.parametrize("standard", [True, False])
def test_deploy_sets_the_timeout(
    operator: Operator, tmp_path: Path, standard: bool
) -> None:
    environment = {"X402_FACILITATOR_URL": "https://pay.test"} | SIGNING
    if standard:
        operator.routes.write_text(STANDARD)
        assert operator.deploy("--yes", "--offline", environment=environment) == 0
    else:
        assert operator.deploy("--yes") == 0
    expected = 30 if standard else 5
    assert operator.account.functions.published[-1]["Timeout"] == expected


@pytest.mark.parametrize(
    ("forwarded", "stays"), [(X402_CONTRACT, True), (CONTRACT_HEADERS, False)]
)
def test_deploy_sees_to_it_that_the_payment_is_forwarded(
    hire: Hire, forwarded: frozenset[str], stays: bool
) -> None:
    operator = hire(distribution(default=behaviour("api", OriginRequestPolicyId="own")))
    policies = operator.account.cloudfront.request_policies
    policies["own"] = request_policy("own", "whitelist", *sorted(forwarded))
    operator.routes.write_text(STANDARD)
    environment = {"X402_FACILITATOR_URL": "https://pay.test"} | SIGNING
    assert operator.deploy("--yes", "--offline", environment=environment) == 0
    after = operator.account.cloudfront.config["DefaultCacheBehavior"]
    expected = "own" if stays else ALL_VIEWER_EXCEPT_HOST_HEADER
    assert after["OriginRequestPolicyId"] == expected
    assert "check will fail" not in operator.read


CDP_IDS = {"CDP_API_KEY_ID": "key-1"}


@pytest.mark.parametrize(
    ("auth", "old", "new", "variable", "where"),
    [
        (
            "bearer",
            {"X402_BEARER_TOKEN": "token-1-of-the-facilitator"},
            {"X402_BEARER_TOKEN": "token-2-of-the-facilitator"},
            "X402_BEARER_TOKEN",
            "where your facilitator has issued it",
        ),
        (
            "cdp",
            CDP_IDS | {"CDP_API_KEY_SECRET": b64encode(bytes(range(64))).decode()},
            CDP_IDS | {"CDP_API_KEY_SECRET": b64encode(bytes(range(1, 65))).decode()},
            "CDP_API_KEY_SECRET",
            "portal.cdp.coinbase.com",
        ),
    ],
)
def test_the_key_of_a_standard_facilitator_is_rotated(
    operator: Operator,
    auth: str,
    old: dict[str, str],
    new: dict[str, str],
    variable: str,
    where: str,
) -> None:
    head = 'facilitator = "x402"\n'
    operator.routes.write_text(STANDARD.replace(head, f'{head}auth = "{auth}"\n'))
    common = {"X402_FACILITATOR_URL": "https://pay.test"} | SIGNING
    before, after = common | old, common | new
    assert operator.deploy("--yes", "--offline", environment=before) == 0
    operator.said.clear()
    assert operator.rotate("--yes", "--offline", environment=before) == 2
    assert any(f"Set {variable} to the new one" in line for line in operator.said)
    operator.said.clear()
    assert operator.rotate("--yes", "--offline", environment=after) == 0
    said = "\n".join(operator.said)
    assert "Now revoke the old API key, the one in version 1" in said
    assert where in said
    for secret in (*old.values(), *new.values()):
        assert secret not in said or secret == "key-1"


ASKS_ANOTHER = "note: version 1 asks another facilitator: until every edge location"


def test_another_facilitator_is_said_before_the_question(operator: Operator) -> None:
    """Neither settles what the other has verified."""
    assert operator.deploy("--yes") == 0
    environment = {"X402_FACILITATOR_URL": "https://pay.test"} | SIGNING
    moved = ENVIRONMENT | {"NEXFLOW_FACILITATOR_URL": "https://example.org/moved"}
    assert operator.deploy("--plan", environment=moved) == 0
    assert ASKS_ANOTHER in operator.read
    operator.said.clear()
    operator.routes.write_text(STANDARD)
    options = ("--offline", "--drop-signing")
    assert operator.deploy("--plan", *options, environment=environment) == 0
    assert ASKS_ANOTHER in operator.read
    assert operator.deploy("--yes", *options, environment=environment) == 0
    operator.said.clear()
    assert operator.roll_back("--plan") == 0
    assert ASKS_ANOTHER.replace("version 1", "version 2") in operator.read


def test_the_same_facilitator_and_another_standard_one_are_no_news(
    operator: Operator,
) -> None:
    """Any standard one can settle the same payments."""
    key = {"NEXFLOW_API_KEY": "nf_live_NEWSECRET"}
    same = {"NEXFLOW_FACILITATOR_URL": "https://example.org/x402/"}
    assert operator.deploy("--yes") == 0
    assert operator.deploy("--plan", environment=ENVIRONMENT | key | same) == 0
    assert "asks another facilitator" not in operator.read
    operator.routes.write_text(STANDARD)
    environment = {"X402_FACILITATOR_URL": "https://pay.test"} | SIGNING
    options = ("--offline", "--drop-signing")
    assert operator.deploy("--yes", *options, environment=environment) == 0
    operator.said.clear()
    environment["X402_FACILITATOR_URL"] = "https://settle.test"
    assert operator.deploy("--plan", "--offline", environment=environment) == 0
    assert "asks another facilitator" not in operator.read


def test_another_facilitator_is_no_rotation(operator: Operator) -> None:
    assert operator.deploy("--yes") == 0
    operator.routes.write_text(STANDARD)
    environment = {"X402_FACILITATOR_URL": "https://pay.test"} | SIGNING
    assert operator.rotate("--yes", "--offline", environment=environment) != 0
    assert any("no rotation. Use deploy" in line for line in operator.said)
