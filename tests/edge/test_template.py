"""The templates: accepted by cfn-lint, by our rules, and by the check itself."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from edge.aws.managed_policies import CACHING_DISABLED, CACHING_OPTIMIZED
from edge.aws.session import Session
from edge.check.checklist import examine
from edge.check.evidence import gather
from edge.check.facts.logs import parse_region
from edge.check.facts.snapshot import parse
from edge.check.facts.unread import Unread
from edge.check.finding import Failed, Passed, Warned
from edge.check.regions import read_regions
from edge.check.simulation.filter_pattern import matcher, select
from edge.runtime.handler import Edge
from tests.edge.check import from_template, good
from tests.edge.check.from_template import ALARMS, EDGE, TEMPLATE
from tests.edge.check.real_lines import real_lines
from tests.support.scripted_facilitator import ScriptedFacilitator

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def lint() -> Callable[[str], list[str]]:
    """The ids of the rules that a template breaks: cfn-lint's and ours in one run."""
    config = import_module("cfnlint.config").ConfigMixIn(
        append_rules=[str(EDGE / "template_rules")], regions=["us-east-1"]
    )
    runner = import_module("cfnlint.runner.cli").Runner(config)

    def ids(text: str) -> list[str]:
        matches = runner.validate_template(from_template.load(text))
        return sorted({match.rule.id for match in matches})

    return ids


@pytest.mark.parametrize("file", [TEMPLATE, ALARMS], ids=lambda file: file.name)
def test_a_template_breaks_no_rule(lint: Any, file: Any) -> None:
    assert lint(file.read_text()) == []


# The rule that finds it, the lines, and what they are replaced by.
BROKEN = [
    ("E9501", "Timeout: 5", "Timeout: 30"),
    ("E9501", "      Timeout: 5\n", ""),
    (
        "E9502",
        "Handler: handler.handler",
        "Handler: handler.handler\n      Environment: {Variables: {KEY: value}}",
    ),
    (
        "E9503",
        "Timeout: 5",
        "Timeout: 5\n      Layers: [arn:aws:lambda:us-east-1:111122223333:layer:l:1]",
    ),
    (
        "E9503",
        "Timeout: 5",
        (
            "Timeout: 5\n      VpcConfig: {SubnetIds: [subnet-1a2b3c4d],"
            " SecurityGroupIds: [sg-1a2b3c4d]}"
        ),
    ),
    (
        "E9503",
        "Timeout: 5",
        (
            "Timeout: 5\n      DeadLetterConfig:"
            " {TargetArn: arn:aws:sqs:us-east-1:111122223333:q}"
        ),
    ),
    ("E9503", "Timeout: 5", "Timeout: 5\n      TracingConfig: {Mode: Active}"),
    ("E9503", "Timeout: 5", "Timeout: 5\n      EphemeralStorage: {Size: 1024}"),
    ("E9504", "[x86_64]", "[arm64]"),
    ("E9505", "Runtime: !Ref Runtime", "Runtime: python3.11"),
    ("E9505", "[python3.12, python3.13", "[python3.11, python3.13"),
    (
        "E9506",
        "[lambda.amazonaws.com, edgelambda.amazonaws.com]",
        "lambda.amazonaws.com",
    ),
    (
        "E9511",
        "LambdaFunctionARN: !Ref Version",
        "LambdaFunctionARN: !GetAtt Function.Arn",
    ),
    (
        "E9511",
        "LambdaFunctionARN: !Ref Version",
        "LambdaFunctionARN: !Sub '${Function.Arn}:$LATEST'",
    ),
    (
        "E9512",
        (
            "            - EventType: origin-response\n"
            "              LambdaFunctionARN: !Ref Version\n        CacheB"
        ),
        "        CacheB",
    ),
    ("E9513", CACHING_DISABLED, CACHING_OPTIMIZED),
    (
        "E9514",  # CORS-CustomOrigin hands on one header, and not the gate's
        "- 216adef6-5c7f-47e4-b989-5492eafa07d3",
        "- 59781a5b-3903-41f3-afcb-af62929ccde1",
    ),
    (
        "E9515",
        "ViewerProtocolPolicy: https-only\n          All",
        "ViewerProtocolPolicy: allow-all\n          All",
    ),
    ("E9515", "OriginProtocolPolicy: https-only", "OriginProtocolPolicy: http-only"),
    (
        "E9516",
        "{ErrorCode: 503, ErrorCachingMinTTL: 0}",
        (
            "{ErrorCode: 503, ErrorCachingMinTTL: 0, ResponseCode: 200,"
            " ResponsePagePath: /sorry.html}"
        ),
    ),
    (
        "E9517",
        "          AllowedMethods: [GET, HEAD, OPTIONS, PUT",
        (
            "          FunctionAssociations: [{EventType: viewer-response, FunctionARN:"
            " 'arn:aws:cloudfront::111122223333:function/f'}]\n"
            "          AllowedMethods: [GET, HEAD, OPTIONS, PUT"
        ),
    ),
    (
        "E9518",
        "          AllowedMethods: [GET, HEAD, OPTIONS, PUT",
        (
            "          GrpcConfig: {Enabled: true}\n"
            "          AllowedMethods: [GET, HEAD, OPTIONS, PUT"
        ),
    ),
    (
        "E9521",
        "MetricName: VerifyLatency\n      ExtendedStatistic",
        "MetricName: VerifyP99\n      ExtendedStatistic",
    ),
    (
        "E9522",
        "ExtendedStatistic: p99",
        "ExtendedStatistic: p99\n      Dimensions: [{Name: path, Value: /api/joke}]",
    ),
    ("E9523", "($.hasPaymentHeader IS FALSE)", "($.paymentHeader IS FALSE)"),
    ("E9523", '{ $.eventType = "settle" }', '{ $.eventType = "settled" }'),
    ("E9523", "MetricValue: $.latencyMs", "MetricValue: $.duration"),
    ("E9524", "AlarmActions: [", "OKActions: ["),
    ("E9524", "TreatMissingData: notBreaching", "TreatMissingData: breaching"),
    (
        "E9525",
        '/aws/lambda/us-east-1.${FunctionName}"\n      Ret',
        '/aws/lambda/${FunctionName}"\n      Ret',
    ),
    ("E9525", "AllowedValues: [30, 60", "AllowedValues: [7, 60"),
]


@pytest.mark.parametrize(("rule", "before", "after"), BROKEN)
def test_what_cfn_lint_lets_through_breaks_one_of_our_rules(
    lint: Any, rule: str, before: str, after: str
) -> None:
    text = TEMPLATE.read_text()
    assert before in text
    assert lint(text.replace(before, after)) == [rule]


def test_a_log_group_for_ever_breaks_one_of_our_rules(lint: Any) -> None:
    """Without the reference the parameter would be unused, and cfn-lint says so."""
    text = ALARMS.read_text().replace(
        "RetentionInDays: !Ref LogRetentionDays", "LogGroupClass: STANDARD"
    )
    assert lint(text) == ["E9525", "W2001"]


def test_what_is_not_of_the_gate_is_left_alone(lint: Any) -> None:
    """Somebody else's alarm, log group and role in the same template."""
    text = TEMPLATE.read_text()
    mine = (EDGE.parent / "tests/edge/check/others.yaml").read_text()
    assert lint(text.replace("Resources:\n", f"Resources:\n{mine}", 1)) == []


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


@pytest.mark.parametrize(
    "parameters", [{}, {"CachedPathPattern": "/static/*"}, {"HostHeader": "viewer"}]
)
def test_what_the_template_deploys_passes_the_check(parameters: Any) -> None:
    found = from_template.resources(TEMPLATE, **parameters)
    function, role = found["Function"]["Properties"], found["Role"]["Properties"]
    answers = good.answers() | {
        "distribution": from_template.distribution(found),
        "function": good.function()
        | {
            name: function[name]
            for name in ("Runtime", "Handler", "Timeout", "MemorySize", "Architectures")
        },
        "role": {"RoleName": "r", **role},
        "regions": {
            "us-east-1": from_template.region(found),
            "eu-west-1": from_template.region(from_template.resources(ALARMS)),
        },
    }
    evidence = gather(parse(answers), good.bundle(), good.ROUTES, good.probes())
    wrong = [
        finding
        for finding in examine(evidence)
        if isinstance(finding.outcome, Failed | Warned)
    ]
    assert wrong == []


@pytest.mark.parametrize("file", [TEMPLATE, ALARMS], ids=lambda file: file.name)
def test_cloudwatch_takes_the_filters_and_alarms_and_they_can_fire(file: Any) -> None:
    """moto keeps these as AWS does; botocore holds what it is given to AWS's model."""
    found = from_template.resources(file)
    group = found["LogGroup"]["Properties"]
    with import_module("moto").mock_aws():
        session = Session(import_module("boto3").Session(region_name="eu-west-1"))
        logs = session.client("logs", "eu-west-1")
        cloudwatch = session.client("cloudwatch", "eu-west-1")
        logs.create_log_group(logGroupName=group["LogGroupName"])
        logs.put_retention_policy(
            logGroupName=group["LogGroupName"],
            retentionInDays=int(group["RetentionInDays"]),
        )
        for each in from_template.region(found)["metricFilters"]:
            name = each["metricTransformations"][0]["metricName"]
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
    edge: Edge, scripted: ScriptedFacilitator, capsys: Captured
) -> None:
    lines = real_lines(edge, scripted, capsys)
    region = parse_region("us-east-1", from_template.region(_resources()))
    assert not isinstance(region, Unread)
    matched = {
        each.metric: [n for n, line in enumerate(lines) if matcher(each.pattern)(line)]
        for each in region.filters
    }
    assert matched == {
        "VerifyLatency": [0, 1, 2],
        "VerifyErrors": [2],
        "UnpaidRequests": [1],
        "SettleLatency": [3, 4],
        "SettleErrors": [4],
    }
    for each in region.filters:
        if each.value.startswith("$"):
            assert isinstance(select(lines[matched[each.metric][0]], each.value), int)


def _resources() -> dict[str, Any]:
    return from_template.resources(TEMPLATE)
