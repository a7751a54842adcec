"""What is asked of AWS, and what is kept of the answers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge.aws.function import Function
from edge.aws.lambda_at_edge import EVENTS
from edge.aws.managed_policies import CACHING_OPTIMIZED
from edge.check.account import collect
from edge.check.checklist import examine
from edge.check.facts import Unread
from edge.check.finding import NotChecked, Passed
from edge.check.regions import all_regions
from edge.check.snapshot import load, parse, save
from edge.check.subject import gather
from edge.errors import AwsTrouble, Refused
from tests.edge.check import good
from tests.edge.check.fake_aws import NOW, Denied, FakeAws, account
from tests.edge.check.from_template import EDGE
from tests.support.iam_policy import allows
from tests.support.iam_requests import requests

Answer = dict[str, Any]


def collected(aws: FakeAws, *regions: str, name: str | None = None) -> Answer:
    wanted = regions or good.REGIONS
    return collect(aws.session, "EDFDVBD6EXAMPLE", name, wanted, NOW)


def refuse(code: str) -> Any:
    def reply(*_: Any) -> Answer:
        raise Denied(code)

    return reply


def test_a_good_account_passes_every_check() -> None:
    snapshot = parse(collected(account()))
    found = examine(gather(snapshot, good.bundle(), good.ROUTES, good.probes()))
    assert [each for each in found if not isinstance(each.outcome, Passed)] == []


def test_a_file_says_what_the_account_said(tmp_path: Path) -> None:
    answers = collected(account())
    save(answers, tmp_path / "saved.json")
    assert parse(load(tmp_path / "saved.json")) == parse(answers)


def test_what_is_asked_is_what_the_permissions_allow() -> None:
    """Every one of them reads, and each is used by some test of this file."""
    document = json.loads((EDGE / "check/permissions.json").read_text())
    allowed = {
        action.partition(":")[2]
        for statement in document["Statement"]
        for action in statement["Action"]
    }
    aws = account()
    collected(aws)
    rare = {
        "GetContinuousDeploymentPolicy",
        "GetOriginRequestPolicy",
        "GetRealtimeLogConfig",
        "GetResponseHeadersPolicy",
    }
    assert {operation for operation, _ in aws.calls} == allowed - rare
    text = (EDGE / "check/permissions.json").read_text()
    given = json.loads(text.replace("DISTRIBUTION-ID", "EDFDVBD6EXAMPLE"))
    wanted = [
        request
        for action, parameters in aws.requests
        for request in requests(action, parameters, "111122223333")
    ]
    named = [  # as IAM calls the service, not as requests to it are signed
        replace(each, action=each.action.replace("monitoring:", "cloudwatch:"))
        for each in wanted
    ]
    assert [each for each in named if not allows(given, each)] == []
    reads = ("Get", "List", "Describe", "Simulate", "Test")
    assert all(operation.startswith(reads) for operation in allowed)


def test_the_role_is_asked_about_a_region_that_is_not_the_functions() -> None:
    aws = account()
    asked: list[Answer] = []
    simulate = aws.replies["SimulatePrincipalPolicy"]

    def reply(parameters: Answer, region: str) -> Answer:
        asked.append(parameters)
        return simulate(parameters, region)

    aws.replies["SimulatePrincipalPolicy"] = reply
    collected(aws)
    [resource] = asked[0]["ResourceArns"]
    group = "111122223333:log-group:/aws/lambda/us-east-1.x402-edge:log-stream:check"
    assert resource == f"arn:aws:logs:ap-southeast-2:{group}"
    assert asked[0]["PolicySourceArn"] == good.function()["Role"]


@pytest.mark.parametrize(
    ("configured", "group"),
    [
        ("/my/gate", "/my/gate"),
        ("/aws/lambda/us-east-1.x402-edge", "/aws/lambda/us-east-1.x402-edge"),
        ("/aws/lambda/another", "/aws/lambda/another"),
        ("/aws/lambda/x402-edge", "/aws/lambda/us-east-1.x402-edge"),
        ("", "/aws/lambda/us-east-1.x402-edge"),
    ],
)
def test_the_log_group_is_that_of_the_configuration(
    configured: str, group: str
) -> None:
    """AWS puts the Region into the default name, and into no other."""
    answers = good.answers()
    answers["function"]["LoggingConfig"] = {"LogFormat": "Text"}
    if configured:
        answers["function"]["LoggingConfig"]["LogGroup"] = configured
    for region in answers["regions"].values():
        region["logGroups"][0]["logGroupName"] = group
        for each in region["metricFilters"]:
            each["logGroupName"] = group
    aws = account(answers)
    simulate, asked = aws.replies["SimulatePrincipalPolicy"], []

    def reply(parameters: Answer, region: str) -> Answer:
        asked.append(parameters["ResourceArns"][0])
        return simulate(parameters, region)

    aws.replies["SimulatePrincipalPolicy"] = reply
    found = examine(
        gather(parse(collected(aws)), good.bundle(), good.ROUTES, good.probes())
    )
    assert [each for each in found if not isinstance(each.outcome, Passed)] == []
    stream = f"log-group:{group}:log-stream:check"
    assert asked == [f"arn:aws:logs:ap-southeast-2:111122223333:{stream}"]


SECRET = "hush-hush"


def test_no_secret_gets_into_a_file(tmp_path: Path) -> None:
    answers = good.answers()
    config = answers["distribution"]["DistributionConfig"]
    header = {"HeaderName": "x-shared", "HeaderValue": SECRET}
    config["Origins"]["Items"][0]["CustomHeaders"] = good.listed([header])
    config["DefaultCacheBehavior"]["ResponseHeadersPolicyId"] = "own"
    answers["function"] |= {
        "Environment": {"Variables": {"NEXFLOW_API_KEY": SECRET}},
        "Description": SECRET,
    }
    [statement] = answers["role"]["AssumeRolePolicyDocument"]["Statement"]
    statement["Condition"] = {"StringEquals": {"sts:ExternalId": SECRET}}
    config["ContinuousDeploymentPolicyId"] = "canary"
    aws = account(answers)
    aws.replies["GetResponseHeadersPolicy"] = lambda *_: _headers_policy()
    aws.replies["GetContinuousDeploymentPolicy"] = lambda *_: _canary()
    save(collected(aws), tmp_path / "saved.json")
    text = (tmp_path / "saved.json").read_text()
    assert SECRET not in text
    assert "NEXFLOW_API_KEY" in text
    assert "x-shared" in text


def _headers_policy() -> Answer:
    custom = {"Header": "x-private", "Value": SECRET, "Override": True}
    config = {"Name": "own", "CustomHeadersConfig": good.listed([custom])}
    policy = {
        "Id": "own",
        "LastModifiedTime": NOW,
        "ResponseHeadersPolicyConfig": config,
    }
    return {"ResponseHeadersPolicy": policy}


def _canary() -> Answer:
    header = {"Header": "aws-cf-cd-canary", "Value": SECRET}
    config = {
        "StagingDistributionDnsNames": good.listed(["d2.cloudfront.net"]),
        "Enabled": True,
        "TrafficConfig": {"Type": "SingleHeader", "SingleHeaderConfig": header},
    }
    policy = {
        "Id": "canary",
        "LastModifiedTime": NOW,
        "ContinuousDeploymentPolicyConfig": config,
    }
    return {"ContinuousDeploymentPolicy": policy}


def test_the_policies_that_behaviours_name_are_read_once_each() -> None:
    aws = account()
    answers = collected(aws)
    assert [*answers["policies"]["cachePolicies"]] == [CACHING_OPTIMIZED]
    operations = [operation for operation, _ in aws.calls]
    assert operations.count("GetCachePolicy") == 1
    assert "GetOriginRequestPolicy" not in operations


def test_a_policy_of_ones_own_is_read() -> None:
    answers = good.answers()
    config = answers["distribution"]["DistributionConfig"]
    behaviour = config["CacheBehaviors"]["Items"][0]
    behaviour |= {
        "OriginRequestPolicyId": "own",
        "RealtimeLogConfigArn": "arn:aws:cloudfront::1:realtime-log-config/r",
    }
    config["ContinuousDeploymentPolicyId"] = "canary"
    aws = account(answers)
    aws.replies |= {
        "GetOriginRequestPolicy": lambda *_: {
            "OriginRequestPolicy": {
                "Id": "own",
                "LastModifiedTime": NOW,
                "OriginRequestPolicyConfig": {
                    "Name": "own",
                    "HeadersConfig": {"HeaderBehavior": "none"},
                    "CookiesConfig": {"CookieBehavior": "none"},
                    "QueryStringsConfig": {"QueryStringBehavior": "all"},
                },
            }
        },
        "GetRealtimeLogConfig": lambda asked, _: {
            "RealtimeLogConfig": {
                "ARN": asked["ARN"],
                "Name": "r",
                "SamplingRate": 100,
                "EndPoints": [],
                "Fields": ["cs-headers"],
            }
        },
        "GetContinuousDeploymentPolicy": lambda *_: {
            "ContinuousDeploymentPolicy": {
                "Id": "canary",
                "LastModifiedTime": NOW,
                "ContinuousDeploymentPolicyConfig": {
                    "StagingDistributionDnsNames": good.listed(["d2.cloudfront.net"]),
                    "Enabled": True,
                },
            }
        },
    }
    snapshot = parse(collected(aws))
    found = examine(gather(snapshot, good.bundle(), good.ROUTES, good.probes()))
    names = [each.name for each in found if not isinstance(each.outcome, Passed)]
    assert names == ["headers.forwarded", "headers.logged", "distribution.staging"]


def test_what_is_denied_is_said_and_the_rest_is_read() -> None:
    aws = account()
    for operation in ("GetRole", "SimulatePrincipalPolicy", "ListVersionsByFunction"):
        aws.replies[operation] = refuse("AccessDenied")
    snapshot = parse(collected(aws))
    assert isinstance(snapshot.function, Function)
    for unread in (snapshot.role, snapshot.may_not_log, snapshot.published):
        assert isinstance(unread, Unread)
        assert "edge/check/permissions.json" in unread.why


def test_a_function_that_may_not_be_read_leaves_its_role_unread() -> None:
    aws = account()
    aws.replies["GetFunctionConfiguration"] = refuse("AccessDeniedException")
    snapshot = parse(collected(aws))
    assert isinstance(snapshot.function, Unread)
    assert isinstance(snapshot.role, Unread)


def test_a_distribution_that_may_not_be_read_ends_it() -> None:
    aws = account()
    aws.replies["GetDistribution"] = refuse("NoSuchDistribution")
    with pytest.raises(AwsTrouble, match="there is no distribution EDFDVBD6EXAMPLE"):
        collected(aws)


def test_without_a_trigger_there_is_no_function_to_ask_for() -> None:
    answers = good.answers()
    config = answers["distribution"]["DistributionConfig"]
    for behaviour in (
        *config["CacheBehaviors"]["Items"],
        config["DefaultCacheBehavior"],
    ):
        behaviour["LambdaFunctionAssociations"] = good.listed([])
    snapshot = parse(collected(account(answers)))
    assert isinstance(snapshot.function, Unread)
    assert "no behaviour has a Lambda trigger" in snapshot.function.why
    assert snapshot.regions == {}


def test_the_function_can_be_named_where_several_run() -> None:
    answers = good.answers()
    config = answers["distribution"]["DistributionConfig"]
    other = "arn:aws:lambda:us-east-1:111122223333:function:other:3"
    config["CacheBehaviors"]["Items"][0]["LambdaFunctionAssociations"] = good.listed(
        [good.trigger("viewer-request", other)]
    )
    aws = account(answers)
    asked: list[str] = []

    def reply(parameters: Answer, _: str) -> Answer:
        asked.append(parameters["FunctionName"])
        return good.function()

    aws.replies["GetFunctionConfiguration"] = reply
    collected(aws, name="other")
    collected(aws, name="x402-edge")
    assert asked == [other, good.ARN]


@pytest.mark.parametrize("paths", [(), ("/api/joke",)])
@pytest.mark.parametrize("events", [EVENTS[:1], EVENTS])
def test_another_teams_function_is_not_taken_for_the_gate(
    paths: tuple[str, ...], events: tuple[str, ...]
) -> None:
    """It stands first, on a path of its own."""
    answers = good.answers()
    items = answers["distribution"]["DistributionConfig"]["CacheBehaviors"]["Items"]
    theirs = "arn:aws:lambda:us-east-1:111122223333:function:admin-login:4"
    association = good.listed([good.trigger(event, theirs) for event in events])
    admin = good.static_behaviour("/admin/*")
    items.insert(0, admin | {"LambdaFunctionAssociations": association})
    asked: list[str] = []

    def reply(parameters: Answer, _: str) -> Answer:
        asked.append(parameters["FunctionName"])
        return good.function()

    aws = account(answers)
    aws.replies["GetFunctionConfiguration"] = reply
    collect(aws.session, "EDFDVBD6EXAMPLE", None, good.REGIONS, NOW, paths=paths)
    is_alike = len(events) == 2 and not paths
    assert asked == [theirs if is_alike else good.ARN]


def test_alarms_of_others_are_not_kept() -> None:
    answers = collected(account())
    names = [alarm["AlarmName"] for alarm in answers["regions"]["eu-west-1"]["alarms"]]
    assert names == ["verify-errors", "verify-latency", "settle-errors", "unpaid"]


def test_what_an_alarm_does_with_few_calls_is_kept() -> None:
    answers = good.answers()
    name = "EvaluateLowSampleCountPercentile"
    answers["regions"]["eu-west-1"]["alarms"][1][name] = "ignore"
    found = collected(account(answers))["regions"]["eu-west-1"]["alarms"][1]
    assert found[name] == "ignore"


def test_aws_is_asked_which_lines_a_filter_matches() -> None:
    answers = good.answers()
    [_, errors, *_] = answers["regions"]["eu-west-1"]["metricFilters"]
    assert errors["filterName"] == "VerifyErrors"
    errors["filterPattern"] = '{ $.eventType = "settle" }'
    found = collected(account(answers))["regions"]["eu-west-1"]["metricFilters"]
    assert found[1]["matched"] == {"lines": ["settled", "settle-failed"]}
    assert found[2]["matched"] == {"lines": ["verified", "unpaid", "verify-failed"]}


def test_without_leave_to_test_a_filter_only_the_alarms_are_not_checked() -> None:
    aws = account()
    aws.replies["TestMetricFilter"] = refuse("AccessDeniedException")
    found = examine(
        gather(parse(collected(aws)), good.bundle(), good.ROUTES, good.probes())
    )
    unchecked = [each for each in found if not isinstance(each.outcome, Passed)]
    names = ("verify-errors", "verify-latency", "settle-errors", "unpaid", "actions")
    assert [each.name for each in unchecked] == [f"alarms.{name}" for name in names]
    for each in unchecked:
        assert isinstance(each.outcome, NotChecked)
    assert "permissions.json" in str(unchecked[0].outcome)


def test_regions_that_are_quiet_or_switched_off_are_left_out() -> None:
    aws = account()
    groups = aws.replies["DescribeLogGroups"]

    def reply(asked: Answer, region: str) -> Answer:
        if region == "af-south-1":
            raise Denied("UnrecognizedClientException")
        if region == "eu-north-1":
            raise Denied("AccessDeniedException")
        return groups(asked, region)

    aws.replies["DescribeLogGroups"] = reply
    regions = ("af-south-1", "eu-north-1", "eu-west-1", "sa-east-1")
    snapshot = parse(collected(aws, *regions))
    assert [*snapshot.regions] == ["eu-north-1", "eu-west-1"]
    assert isinstance(snapshot.regions["eu-north-1"], Unread)


def test_a_group_with_a_longer_name_is_not_the_gates() -> None:
    answers = good.answers()
    for region in answers["regions"].values():
        region["logGroups"][0]["logGroupName"] += "-staging"
        region["metrics"] = []
    assert collected(account(answers))["regions"] == {}


def test_all_regions_are_those_of_boto3() -> None:
    assert {"us-east-1", "eu-west-1", "ap-southeast-2"} < set(all_regions())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ("[]", "not written by --save"),
        ('{"schema": 2}', "--save"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(
    tmp_path: Path, text: str, reason: str
) -> None:
    file = tmp_path / "saved.json"
    file.write_text(text)
    with pytest.raises(Refused, match=reason):
        load(file)


@pytest.mark.parametrize("missing", ["Status", "DistributionConfig", "DomainName"])
def test_a_configuration_that_lacks_something_is_refused(missing: str) -> None:
    answers = good.answers()
    del answers["distribution"][missing]
    with pytest.raises(Refused, match=missing):
        parse(answers)


def test_a_configuration_without_its_default_behaviour_is_refused() -> None:
    answers = good.answers()
    del answers["distribution"]["DistributionConfig"]["DefaultCacheBehavior"]
    with pytest.raises(Refused, match="DefaultCacheBehavior"):
        parse(answers)


def test_a_file_that_cannot_be_read_or_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        load(tmp_path / "missing.json")
    with pytest.raises(Refused, match="cannot be written"):
        save(good.answers(), tmp_path / "missing" / "saved.json")


def test_a_saved_file_is_json_that_git_can_compare(tmp_path: Path) -> None:
    save(good.answers(), tmp_path / "saved.json")
    text = (tmp_path / "saved.json").read_text()
    assert json.loads(text) == good.answers()
    assert text.endswith("}\n")
    assert [each.name for each in tmp_path.iterdir()] == ["saved.json"]
