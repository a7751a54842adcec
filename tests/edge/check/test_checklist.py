"""One change away from good, each named by exactly one finding."""

from typing import Any

import pytest

from edge.build.bundle import Bundle
from edge.check.checklist import CHECKS, examine
from edge.check.finding import Failed, Finding, NotChecked, Warned
from edge.check.probe import Answered, NotAsked, Probe
from edge.check.snapshot import parse
from edge.check.subject import gather
from edge.runtime.routes import Route
from tests.edge.check import good
from tests.edge.check.broken import (
    BROKEN,
    CERTIFICATE,
    Change,
    Setting,
    baked,
    canary,
    grouped,
    policy,
    same_server_below,
    setting,
)


def findings(setting: Setting, *, allows_plain_origin: bool = False) -> list[Finding]:
    return examine(
        gather(
            parse(setting.answers),
            setting.bundle[0] if setting.bundle else None,
            tuple(setting.written) or None,
            setting.probes,
            allows_plain_origin=allows_plain_origin,
        )
    )


def troubles(found: list[Finding]) -> dict[str, str]:
    """All that is wrong, by name."""
    return named(found, Failed, Warned)


def named(found: list[Finding], *kinds: type) -> dict[str, str]:
    return {
        finding.name: type(finding.outcome).__name__
        for finding in found
        if isinstance(finding.outcome, kinds)
    }


def test_with_the_good_configuration_every_check_passes() -> None:
    found = findings(setting())
    assert named(found, Failed, Warned, NotChecked) == {}
    assert [finding.name for finding in found] == [check.name for check in CHECKS]


def test_no_two_checks_have_one_name() -> None:
    assert len({check.name for check in CHECKS}) == len(CHECKS)


@pytest.mark.parametrize(("name", "outcome", "change"), BROKEN)
def test_one_change_is_one_finding(name: str, outcome: type, change: Change) -> None:
    it = setting()
    change(it)
    assert troubles(findings(it)) == {name: outcome.__name__}


def test_a_gated_root_is_rewritten_by_a_default_root_object() -> None:
    it = setting()
    root = Route("/", "eip155:8453", "root")
    it.bundle[0] = Bundle(good.CONTENT, good.bundle().settings._replace(routes=(root,)))
    it.written[:] = [root]
    assert troubles(findings(it)) == {}
    it.config["DefaultRootObject"] = "index.html"
    assert troubles(findings(it)) == {"distribution.root-object": "Failed"}


def test_without_any_log_group_the_alarms_cannot_be_checked() -> None:
    it = setting()
    it.answers["regions"] = {}
    found = findings(it)
    assert troubles(found) == {"logs.groups": "Failed"}
    alarms = [check.name for check in CHECKS if check.name.startswith("alarms.")]
    assert [*named(found, NotChecked)] == ["logs.retention", *alarms]


def test_a_failed_payment_leaves_nothing_to_replay() -> None:
    it = setting()
    it.probes[Probe.PAID] = Answered(402, good.NO_STORE, good.UNPAID)
    found = findings(it)
    assert troubles(found) == {"probes.paid": "Failed"}
    assert [*named(found, NotChecked)] == ["probes.replay", "probes.forged"]


def test_one_published_bundle_says_how_to_practise_a_rotation() -> None:
    it = setting()
    it.answers["versions"]["Versions"] = [{"Version": "7", "CodeSha256": good.DIGEST}]
    found = {finding.name: finding.outcome for finding in findings(it)}
    outcome = found["rotation.practised"]
    assert isinstance(outcome, NotChecked)
    assert "python -m edge rotate" in outcome.why


def test_without_a_signature_a_path_of_the_origins_own_is_a_warning() -> None:
    it = setting()
    it.origin["OriginPath"] = "/v1"
    baked(signing=())(it)
    assert troubles(findings(it)) == {
        "bundle.signing": "Warned",
        "headers.path": "Warned",
    }


def test_an_origin_path_that_leads_to_nothing_paid_is_no_trouble() -> None:
    it = setting()
    same_server_below("/v2")(it)
    assert troubles(findings(it)) == {}


def test_a_root_object_that_is_free_is_no_trouble() -> None:
    it = setting()
    it.config["DefaultRootObject"] = "index.html"
    assert troubles(findings(it)) == {}


def test_another_teams_function_on_a_free_path_is_not_taken_for_the_gate() -> None:
    it = setting()
    theirs = "arn:aws:lambda:us-east-1:111122223333:function:admin-login:4"
    it.config["CacheBehaviors"]["Items"][2]["LambdaFunctionAssociations"] = good.listed(
        [good.trigger("viewer-request", theirs)]
    )
    assert troubles(findings(it)) == {}


def test_a_response_header_that_does_not_override_is_no_trouble() -> None:
    it = setting()
    header = {"Header": "Cache-Control", "Value": "private", "Override": False}
    add = policy(
        "responseHeadersPolicies",
        "ResponseHeadersPolicyId",
        CustomHeadersConfig=good.listed([header]),
    )
    add(it)
    assert troubles(findings(it)) == {}
    header["Override"] = True
    assert troubles(findings(it)) == {"headers.answers": "Warned"}


CORS: list[dict[str, Any]] = [
    {"CorsConfig": {"AccessControlAllowOrigins": good.listed(["*"])}},
    {
        "CustomHeadersConfig": good.listed(
            [
                {
                    "Header": "Access-Control-Allow-Origin",
                    "Value": "*",
                    "Override": False,
                }
            ]
        )
    },
]


@pytest.mark.parametrize("config", CORS)
def test_a_policy_with_cors_lets_browsers_read_on_every_paid_behaviour(
    config: dict[str, Any],
) -> None:
    it = setting()
    baked(allowed_origins=())(it)
    it.answers["policies"]["responseHeadersPolicies"]["cors"] = config
    api, premium, _ = it.config["CacheBehaviors"]["Items"]
    api["ResponseHeadersPolicyId"] = "cors"
    found = {each.name: each.outcome for each in findings(it)}["headers.cors"]
    assert isinstance(found, Warned)
    assert "/premium*" in found.wrong
    premium["ResponseHeadersPolicyId"] = "cors"
    assert troubles(findings(it)) == {}
    premium["ResponseHeadersPolicyId"] = "unread"
    assert "headers.cors" in named(findings(it), NotChecked)


def test_a_canary_that_is_switched_off_takes_no_traffic() -> None:
    it = setting()
    canary(it)
    it.answers["continuousDeploymentPolicy"]["Enabled"] = False
    assert troubles(findings(it)) == {}


def test_a_role_that_forbids_or_asks_for_more_is_not_trust() -> None:
    it = setting()
    document = it.answers["role"]["AssumeRolePolicyDocument"]
    [allowed] = document["Statement"]
    for changes in (
        {"Effect": "Deny"},
        {"Condition": {"StringEquals": {"sts:ExternalId": "x"}}},
        {"Action": "sts:TagSession"},
        {"Principal": "*"},
    ):
        document["Statement"] = [allowed | changes]
        assert troubles(findings(it)) == {"role.trust": "Failed"}
    for actions in (["sts:AssumeRole"], "sts:assumerole", ["x", "STS:Assume*"], "*"):
        document["Statement"] = allowed | {"Action": actions}
        assert troubles(findings(it)) == {}
        denied = allowed | {"Action": actions, "Effect": "Deny"}
        document["Statement"] = [allowed, denied]
        assert troubles(findings(it)) == {"role.trust": "Failed"}


def test_an_origin_on_a_private_way_may_be_asked_over_http() -> None:
    it = setting()
    it.origin["CustomOriginConfig"]["OriginProtocolPolicy"] = "http-only"
    assert troubles(findings(it, allows_plain_origin=True)) == {}


def test_an_origin_that_is_no_server_has_no_protocol_to_check() -> None:
    it = setting()
    del it.origin["CustomOriginConfig"]
    assert troubles(findings(it)) == {}
    it.origin["VpcOriginConfig"] = {"VpcOriginId": "vo-1", "OriginReadTimeout": 20}
    assert troubles(findings(it)) == {
        "origin.timeout": "Warned",
        "origin.triggers": "Failed",
    }


@pytest.mark.parametrize("member", [0, -1])
@pytest.mark.parametrize(
    "kind",
    [
        {"VpcOriginConfig": {"VpcOriginId": "vo-1"}},
        {"CustomOriginConfig": {"OriginMtlsConfig": CERTIFICATE}},
    ],
)
def test_an_origin_without_triggers_is_found_inside_a_group(
    member: int, kind: dict[str, Any]
) -> None:
    """Whether it is asked first or second."""
    it = setting()
    grouped(it)
    it.config["Origins"]["Items"][member] |= kind
    found = troubles(findings(it))
    assert found == {"origin.groups": "Warned", "origin.triggers": "Failed"}


@pytest.mark.parametrize(
    "place", ["VpcOriginConfig", "CustomOriginConfig.OriginMtlsConfig"]
)
def test_an_origin_without_triggers_is_found_by_a_boto3_that_does_not_know_them(
    place: str,
) -> None:
    it = setting()
    it.answers["distribution"]["unknown"] = [f"Origins.api.{place}"]
    assert troubles(findings(it)) == {
        "distribution.known": "Warned",
        "origin.triggers": "Failed",
    }
    it.answers["distribution"]["unknown"] = [f"Origins.web.{place}"]
    assert troubles(findings(it)) == {"distribution.known": "Warned"}


def test_a_free_origin_may_be_without_triggers() -> None:
    it = setting()
    it.config["Origins"]["Items"][1]["VpcOriginConfig"] = {"VpcOriginId": "vo-1"}
    assert troubles(findings(it)) == {}


@pytest.mark.parametrize(
    ("methods", "found"),
    [
        (["GET", "HEAD", "OPTIONS"], {"origin.groups": "Warned"}),
        (["GET", "HEAD"], {"origin.groups": "Warned", "viewer.methods": "Warned"}),
    ],
)
def test_no_method_is_asked_for_that_aws_refuses_for_a_group(
    methods: list[str], found: dict[str, str]
) -> None:
    it = setting()
    grouped(it)
    it.api["AllowedMethods"] = good.listed(methods)
    assert troubles(findings(it)) == found


def test_without_bundle_and_probes_the_rest_is_checked() -> None:
    it = setting()
    it.bundle.clear()
    for probe in Probe:
        it.probes[probe] = NotAsked("leave out --no-probes")
    found = findings(it)
    assert troubles(found) == {}
    groups = {name.partition(".")[0] for name in named(found, NotChecked)}
    assert groups == {"bundle", "routes", "headers", "probes"}
    unchecked = [name for name in named(found, NotChecked) if name[:7] == "headers"]
    assert unchecked == ["headers.cors"]


UNREAD = {"unread": "the role may not"}


@pytest.mark.parametrize(
    ("key", "group"),
    [("function", "function"), ("versions", "rotation"), ("role", "role")],
)
def test_what_may_not_be_read_is_not_checked(key: str, group: str) -> None:
    it = setting()
    it.answers[key] = UNREAD
    found = findings(it)
    assert troubles(found) == {}
    unchecked = named(found, NotChecked)
    assert {name.partition(".")[0] for name in unchecked} >= {group}


def test_policies_that_may_not_be_read_are_not_checked() -> None:
    it = setting()
    for key in ("CachePolicyId", "OriginRequestPolicyId", "ResponseHeadersPolicyId"):
        it.api[key] = "own"
    it.api["RealtimeLogConfigArn"] = "own"
    it.config["ContinuousDeploymentPolicyId"] = "own"
    it.answers["logPermission"] = UNREAD
    found = findings(it)
    assert troubles(found) == {}
    assert set(named(found, NotChecked)) == {
        "caching.policy",
        "headers.forwarded",
        "headers.query",
        "headers.answers",
        "headers.logged",
        "distribution.staging",
        "role.logs",
    }


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("CachePolicyId", "caching.policy"),
        ("OriginRequestPolicyId", "headers.forwarded"),
        ("ResponseHeadersPolicyId", "headers.answers"),
        ("RealtimeLogConfigArn", "headers.logged"),
    ],
)
def test_what_may_not_be_read_hides_nothing_that_is_wrong(key: str, name: str) -> None:
    """The first behaviour has a policy that nobody may read, the next a bad one."""
    it = setting()
    it.api[key] = "unread"
    premium = it.config["CacheBehaviors"]["Items"][1]
    it.answers["policies"] |= {
        "cachePolicies": {"bad": {"MinTTL": 1}},
        "responseHeadersPolicies": {
            "bad": {"RemoveHeadersConfig": good.listed([{"Header": "Retry-After"}])}
        },
        "realtimeLogConfigs": {"bad": {"Fields": ["cs-headers"]}},
    }
    premium[key] = "bad"
    if key == "OriginRequestPolicyId":
        del premium[key]
    assert name in named(findings(it), Failed, Warned)


def test_what_a_cache_policy_sends_is_in_doubt_until_it_is_read() -> None:
    it = setting()
    it.api["CachePolicyId"] = "unread"
    del it.api["OriginRequestPolicyId"]
    found = findings(it)
    assert troubles(found) == {}
    unchecked = {"caching.policy", "headers.forwarded", "headers.query"}
    assert set(named(found, NotChecked)) == unchecked


def test_an_alarm_in_doubt_hides_no_region_without_one() -> None:
    it = setting()
    doubtful = it.answers["regions"]["us-east-1"]["metricFilters"][1]
    assert doubtful["filterName"] == "VerifyErrors"
    doubtful["matched"] = UNREAD
    it.region["alarms"] = [
        each for each in it.region["alarms"] if each["AlarmName"] != "verify-errors"
    ]
    assert troubles(findings(it)) == {"alarms.verify-errors": "Failed"}


def test_a_region_that_may_not_be_read_hides_no_other() -> None:
    it = setting()
    it.answers["regions"]["eu-west-1"] = UNREAD
    found = findings(it)
    assert named(found, Failed, Warned, NotChecked) == {"logs.lost": "NotChecked"}
    it.answers["regions"] = {"eu-west-1": UNREAD}
    assert "logs.groups" in named(findings(it), NotChecked)


def test_an_alarm_that_cannot_be_judged_is_left_to_a_person() -> None:
    it = setting()
    it.filter("VerifyErrors")["matched"] = UNREAD
    found = findings(it)
    assert troubles(found) == {}
    assert [*named(found, NotChecked)] == ["alarms.verify-errors"]


def test_an_alarm_on_a_number_of_failures_has_a_threshold_of_its_own() -> None:
    it = setting()
    rate = it.alarm("verify-errors")
    del rate["Metrics"]
    rate |= {"Namespace": "Gate", "MetricName": "VerifyErrors", "Statistic": "Sum"}
    rate["Threshold"] = 50.0
    assert troubles(findings(it)) == {}


def test_a_configuration_that_was_saved_without_the_lines_leaves_alarms_open() -> None:
    it = setting()
    for region in it.answers["regions"].values():
        for each in region["metricFilters"]:
            del each["matched"]
    found = findings(it)
    assert troubles(found) == {}
    assert {name.partition(".")[0] for name in named(found, NotChecked)} == {"alarms"}


def test_a_distribution_without_triggers_has_nothing_else_to_say() -> None:
    it = setting()
    for behaviour in (*it.config["CacheBehaviors"]["Items"][:2], it.default):
        behaviour["LambdaFunctionAssociations"] = good.listed([])
    assert set(troubles(findings(it))) == {"triggers.attached", "triggers.around"}


def test_every_check_can_find_something() -> None:
    above = {"distribution.root-object", "logs.groups", "probes.paid"}
    tried = {name for name, _, _ in BROKEN} | above | {"rotation.practised"}
    assert tried == {check.name for check in CHECKS}
