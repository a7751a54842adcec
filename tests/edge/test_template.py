"""The templates: cfn-lint accepts them, and the check accepts what they deploy."""

import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from edge.aws.lambda_at_edge import RUNTIMES, TIMEOUT, X402_TIMEOUT
from edge.aws.managed_policies import CACHING_DISABLED, CACHING_OPTIMIZED
from edge.aws.session import Session
from edge.check.checklist import examine
from edge.check.finding import Passed
from edge.check.regions import read_regions
from edge.check.snapshot import parse
from edge.check.subject import gather
from edge.runtime.handler import Edge, bundled
from edge.runtime.nexflow import NexFlow
from edge.runtime.settings import Settings
from tests.edge.check import from_template, good
from tests.edge.check.fake_aws import knows_filter_patterns
from tests.edge.check.filter_patterns import matches
from tests.edge.check.from_template import ALARMS, TEMPLATE, Tree
from tests.edge.check.real_lines import INTENT, real_lines
from tests.edge.examples import PLENTY
from tests.support.cloudfront_events import origin_response, viewer_request
from tests.support.scripted_facilitator import ScriptedFacilitator, answer

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("file", [TEMPLATE, ALARMS], ids=lambda file: file.name)
def test_cfn_lint_finds_nothing(file: Any) -> None:
    config = import_module("cfnlint.config").ConfigMixIn(regions=["us-east-1"])
    runner = import_module("cfnlint.runner.cli").Runner(config)
    template = from_template.load(file.read_text())
    assert [each.rule.id for each in runner.validate_template(template)] == []


def variants(template: Tree) -> Iterator[dict[str, str]]:
    """The defaults, a path that is cached, and every value that a parameter allows."""
    yield {}
    yield {"CachedPathPattern": "/static/*"}
    for name, parameter in template["Parameters"].items():
        # The longer timeout is for another facilitator than the bundle's here.
        values = [] if name == "Timeout" else parameter.get("AllowedValues", [])
        for value in values:
            yield {name: value}


def not_passed(text: str) -> set[str]:
    """The checks that some deployment of this template does not pass."""
    template = from_template.load(text)
    found = [from_template.deployed(template, **each) for each in variants(template)]
    return set().union(*(failing(each, from_template.region(each)) for each in found))


def failing(found: Tree, *regions: Tree) -> set[str]:
    answers = good.answers() | {
        "distribution": from_template.distribution(found),
        "function": from_template.function(found),
        "role": {"RoleName": "r", **found["Role"]["Properties"]},
        "regions": dict(zip(("us-east-1", "eu-west-1"), regions, strict=False)),
    }
    subject = gather(parse(answers), good.bundle(), good.ROUTES, good.probes())
    return {
        finding.name
        for finding in examine(subject)
        if not isinstance(finding.outcome, Passed)
    }


ALARM_CHECKS = (
    "alarms.verify-errors",
    "alarms.verify-latency",
    "alarms.settle-errors",
    "alarms.unpaid",
    "alarms.actions",
)

# The checks that find it, the lines, and what they are replaced by.
BROKEN = [
    ({"function.timeout"}, "Timeout: !Ref Timeout", "Timeout: 30"),
    ({"function.timeout"}, "      Timeout: !Ref Timeout\n", ""),
    (
        {"function.environment"},
        "Handler: handler.handler",
        "Handler: handler.handler\n      Environment: {Variables: {KEY: value}}",
    ),
    (
        {"function.features"},
        "Timeout: !Ref Timeout",
        (
            "Timeout: !Ref Timeout\n"
            "      Layers: [arn:aws:lambda:us-east-1:111122223333:layer:l:1]"
        ),
    ),
    (
        {"function.features"},
        "Timeout: !Ref Timeout",
        (
            "Timeout: !Ref Timeout\n      VpcConfig: {SubnetIds: [subnet-1a2b3c4d],"
            " SecurityGroupIds: [sg-1a2b3c4d]}"
        ),
    ),
    (
        {"function.features"},
        "Timeout: !Ref Timeout",
        (
            "Timeout: !Ref Timeout\n      DeadLetterConfig:"
            " {TargetArn: arn:aws:sqs:us-east-1:111122223333:q}"
        ),
    ),
    (
        {"function.features"},
        "Timeout: !Ref Timeout",
        "Timeout: !Ref Timeout\n      TracingConfig: {Mode: Active}",
    ),
    (
        {"function.features"},
        "Timeout: !Ref Timeout",
        "Timeout: !Ref Timeout\n      EphemeralStorage: {Size: 1024}",
    ),
    ({"function.architecture"}, "[x86_64]", "[arm64]"),
    ({"function.runtime"}, "Runtime: !Ref Runtime", "Runtime: python3.11"),
    ({"function.runtime"}, "[python3.12, python3.13", "[python3.11, python3.13"),
    (
        {"role.trust"},
        "[lambda.amazonaws.com, edgelambda.amazonaws.com]",
        "lambda.amazonaws.com",
    ),
    (
        {"triggers.version"},
        "LambdaFunctionARN: !Ref Version",
        "LambdaFunctionARN: !GetAtt Function.Arn",
    ),
    (
        {"triggers.version"},
        "LambdaFunctionARN: !Ref Version",
        "LambdaFunctionARN: !Sub '${Function.Arn}:$LATEST'",
    ),
    (
        {"triggers.attached"},
        (
            "            - EventType: origin-response\n"
            "              LambdaFunctionARN: !Ref Version\n        CacheB"
        ),
        "        CacheB",
    ),
    ({"caching.policy"}, CACHING_DISABLED, CACHING_OPTIMIZED),
    (
        {
            "headers.forwarded",
            "headers.query",
        },  # CORS-CustomOrigin hands on one header, and not the gate's
        "- 216adef6-5c7f-47e4-b989-5492eafa07d3",
        "- 59781a5b-3903-41f3-afcb-af62929ccde1",
    ),
    (
        {"viewer.protocol"},
        "ViewerProtocolPolicy: https-only\n          All",
        "ViewerProtocolPolicy: allow-all\n          All",
    ),
    (
        {"origin.protocol"},
        "OriginProtocolPolicy: https-only",
        "OriginProtocolPolicy: http-only",
    ),
    (
        {"errors.pages"},
        "{ErrorCode: 503, ErrorCachingMinTTL: 0}",
        (
            "{ErrorCode: 503, ErrorCachingMinTTL: 0, ResponseCode: 200,"
            " ResponsePagePath: /sorry.html}"
        ),
    ),
    (
        {"triggers.conflicts"},
        "          AllowedMethods: [GET, HEAD, OPTIONS, PUT",
        (
            "          FunctionAssociations: [{EventType: viewer-response, FunctionARN:"
            " 'arn:aws:cloudfront::111122223333:function/f'}]\n"
            "          AllowedMethods: [GET, HEAD, OPTIONS, PUT"
        ),
    ),
    (
        {"viewer.grpc"},
        "          AllowedMethods: [GET, HEAD, OPTIONS, PUT",
        (
            "          GrpcConfig: {Enabled: true}\n"
            "          AllowedMethods: [GET, HEAD, OPTIONS, PUT"
        ),
    ),
    (
        {"alarms.verify-latency"},
        "MetricName: VerifyLatency\n      ExtendedStatistic",
        "MetricName: VerifyP99\n      ExtendedStatistic",
    ),
    (
        {"alarms.verify-latency"},
        "ExtendedStatistic: p99",
        "ExtendedStatistic: p99\n      Dimensions: [{Name: path, Value: /api/joke}]",
    ),
    (
        {"alarms.verify-latency"},
        "EvaluateLowSampleCountPercentile: evaluate",
        "EvaluateLowSampleCountPercentile: ignore",
    ),
    ({"alarms.unpaid"}, "($.hasPaymentHeader IS FALSE)", "($.paymentHeader IS FALSE)"),
    (
        {"alarms.settle-errors"},
        '{ $.eventType = "settle" }',
        '{ $.eventType = "settled" }',
    ),
    (
        {"alarms.verify-errors", "alarms.verify-latency", "alarms.settle-errors"},
        "MetricValue: $.latencyMs",
        "MetricValue: $.duration",
    ),
    ({"alarms.actions"}, "AlarmActions: [", "OKActions: ["),
    (
        {"logs.groups", "logs.lost", "logs.retention", *ALARM_CHECKS},
        '/aws/lambda/us-east-1.${FunctionName}"\n      Ret',
        '/aws/lambda/${FunctionName}"\n      Ret',
    ),
    ({"logs.retention"}, "AllowedValues: [30, 60", "AllowedValues: [7, 60"),
    ({"logs.retention"}, "      RetentionInDays: !Ref LogRetentionDays\n", ""),
    (
        {"function.features"},
        "Timeout: !Ref Timeout",
        (
            "Timeout: !Ref Timeout\n"
            "      FileSystemConfigs: [{Arn: arn, LocalMountPath: /mnt/a}]"
        ),
    ),
    (
        {"function.features"},
        "Timeout: !Ref Timeout",
        "Timeout: !Ref Timeout\n      KmsKeyArn: arn:aws:kms",
    ),
    (
        {"function.features"},
        "Timeout: !Ref Timeout",
        "Timeout: !Ref Timeout\n      PackageType: Image",
    ),
    (
        {"triggers.around"},
        (
            "                - EventType: viewer-request\n"
            "                  LambdaFunctionARN: !Ref Version\n"
        ),
        "",
    ),
]


@pytest.mark.parametrize(("checks", "before", "after"), BROKEN)
def test_what_cfn_lint_lets_through_does_not_pass_the_check(
    checks: set[str], before: str, after: str
) -> None:
    text = TEMPLATE.read_text()
    assert before in text
    assert not_passed(text.replace(before, after)) == checks


def test_every_deployment_of_the_template_passes_the_check() -> None:
    assert not_passed(TEMPLATE.read_text()) == set()


@pytest.mark.parametrize("file", [TEMPLATE, ALARMS], ids=lambda file: file.name)
def test_no_traffic_is_no_trouble(file: Any) -> None:
    for each in from_template.resources(file).values():
        if each["Type"] == "AWS::CloudWatch::Alarm":
            assert each["Properties"]["TreatMissingData"] == "notBreaching"


def test_every_runtime_of_lambda_at_edge_can_be_chosen() -> None:
    template = from_template.load(TEMPLATE.read_text())
    assert {*template["Parameters"]["Runtime"]["AllowedValues"]} == {*RUNTIMES}


def test_the_timeout_is_that_of_either_facilitator() -> None:
    parameter = from_template.load(TEMPLATE.read_text())["Parameters"]["Timeout"]
    assert parameter["Default"] == TIMEOUT
    assert parameter["AllowedValues"] == [TIMEOUT, X402_TIMEOUT]


def test_both_templates_have_the_same_logs_and_alarms() -> None:
    main, alarms = (from_template.load(file.read_text()) for file in (TEMPLATE, ALARMS))
    for name, resource in alarms["Resources"].items():
        assert main["Resources"][name] == resource
    for name, parameter in alarms["Parameters"].items():
        assert main["Parameters"][name] == parameter
    kinds = {each["Type"] for each in alarms["Resources"].values()}
    left = {
        each["Type"]
        for name, each in main["Resources"].items()
        if name not in alarms["Resources"]
    }
    assert kinds.isdisjoint(left)


def test_the_dashboard_shows_every_metric_of_the_logs() -> None:
    found = from_template.load(ALARMS.read_text())["Resources"]
    body = json.loads(found["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    shown = {
        (namespace, name)
        for widget in body["widgets"]
        for namespace, name, _ in widget["properties"]["metrics"]
    }
    made = {
        (each["MetricNamespace"]["Fn::Sub"], each["MetricName"])
        for resource in found.values()
        for each in resource["Properties"].get("MetricTransformations", ())
    }
    assert shown == made
    squares = {(widget["x"], widget["y"]) for widget in body["widgets"]}
    assert len(squares) == len(body["widgets"])


@pytest.mark.parametrize(
    "parameters", [{}, {"CachedPathPattern": "/static/*"}, {"HostHeader": "viewer"}]
)
def test_what_the_template_deploys_passes_the_check(parameters: Any) -> None:
    found = from_template.resources(TEMPLATE, **parameters)
    alarms = from_template.region(from_template.resources(ALARMS))
    assert failing(found, from_template.region(found), alarms) == set()


@pytest.mark.parametrize("file", [TEMPLATE, ALARMS], ids=lambda file: file.name)
def test_cloudwatch_takes_the_filters_and_alarms(file: Any) -> None:
    """moto keeps these as AWS does; botocore holds what it is given to AWS's model."""
    found = from_template.resources(file)
    group = found["LogGroup"]["Properties"]
    with import_module("moto").mock_aws():
        boto_session = import_module("boto3").Session(region_name="eu-west-1")
        knows_filter_patterns(boto_session)
        session = Session(boto_session)
        logs = session.client("logs", "eu-west-1")
        cloudwatch = session.client("cloudwatch", "eu-west-1")
        logs.create_log_group(logGroupName=group["LogGroupName"])
        logs.put_retention_policy(
            logGroupName=group["LogGroupName"],
            retentionInDays=int(group["RetentionInDays"]),
        )
        for each in from_template.region(found)["metricFilters"]:
            name = each["metricTransformations"][0]["metricName"]
            del each["matched"]
            logs.put_metric_filter(filterName=name, **each)
        for each in from_template.region(found)["alarms"]:
            cloudwatch.put_metric_alarm(**each)
        regions = read_regions(session, ["eu-west-1"], "x402-edge")
    snapshot = parse(good.answers() | {"regions": regions})
    findings = examine(gather(snapshot, good.bundle(), None, good.probes()))
    wanted = {
        finding.name: type(finding.outcome)
        for finding in findings
        if finding.name.startswith(("alarms.", "logs."))
    }
    assert set(wanted.values()) == {Passed}
    assert len(wanted) == 8


def test_a_role_may_log_in_every_region_and_nothing_else() -> None:
    role = from_template.resources(TEMPLATE)["Role"]["Properties"]
    [policy] = role["Policies"]
    [statement] = policy["PolicyDocument"]["Statement"]
    group = "arn:aws:logs:*:111122223333:log-group:/aws/lambda/us-east-1.x402-edge"
    assert statement == {
        "Effect": "Allow",
        "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": [group, f"{group}:*"],
    }
    assert "ManagedPolicyArns" not in role


def test_the_filters_match_the_lines_that_the_gate_writes(
    settings: Settings,
    facilitator: NexFlow,
    scripted: ScriptedFacilitator,
    capsys: Captured,
) -> None:
    # A second passes with each question, and none where there is no need to ask.
    edge = Edge(settings, facilitator, clock=lambda: float(len(scripted.asked)))
    lines = real_lines(edge, scripted, capsys)
    scripted.will(answer(402, {"ok": False, "error": "insufficient_funds"}))
    edge(origin_response(headers=INTENT), PLENTY)
    bundled()(viewer_request(), None)  # no settings.json is beside the sources
    lines += map(json.loads, capsys.readouterr().out.splitlines())
    filters = from_template.region(_resources())["metricFilters"]
    matched = {
        each["metricTransformations"][0]["metricName"]: [
            n for n, line in enumerate(lines) if matches(each["filterPattern"], line)
        ]
        for each in filters
    }
    assert matched == {
        "VerifyLatency": [0, 1, 3, 8],  # not 2, which nobody was asked for
        "VerifyErrors": [3, 8],
        "UnpaidRequests": [1, 2, 8],
        "SettleLatency": [4, 5, 7],
        "SettleErrors": [5, 7],
        "SettleRefused": [7],
    }
    for each in filters:
        [transformation] = each["metricTransformations"]
        field = transformation["metricValue"].removeprefix("$.")
        if field != transformation["metricValue"]:
            line = lines[matched[transformation["metricName"]][0]]
            assert isinstance(line[field], int)


def _resources() -> dict[str, Any]:
    return from_template.resources(TEMPLATE)
