"""Configurations that are one change away from good, and the check that names each."""

from collections.abc import Callable
from typing import Any, NamedTuple

from edge.aws.managed_policies import CACHING_OPTIMIZED
from edge.build.bundle import Bundle
from edge.check.finding import Failed, Warned
from edge.check.probe import Answered, Probe, ProbeResult, Unanswered
from edge.runtime.gate import Lifetime
from edge.runtime.routes import Route
from edge.runtime.settings import endpoint
from tests.edge.check import good
from tests.edge.check.filter_patterns import matched
from tests.support.zips import doubled, rewritten

Answer = dict[str, Any]


class Setting(NamedTuple):
    """All that is looked at, to be changed in place or replaced."""

    answers: Answer
    bundle: list[Bundle]
    written: list[Route]
    probes: dict[Probe, ProbeResult]

    @property
    def config(self) -> Answer:
        config: Answer = self.answers["distribution"]["DistributionConfig"]
        return config

    @property
    def api(self) -> Answer:
        """The behaviour /api/*, which serves a paid path."""
        behaviour: Answer = self.config["CacheBehaviors"]["Items"][0]
        return behaviour

    @property
    def default(self) -> Answer:
        """Serves nothing paid; leads to the paid origin."""
        behaviour: Answer = self.config["DefaultCacheBehavior"]
        return behaviour

    @property
    def origin(self) -> Answer:
        origin: Answer = self.config["Origins"]["Items"][0]
        return origin

    @property
    def region(self) -> Answer:
        region: Answer = self.answers["regions"]["eu-west-1"]
        return region

    def filter(self, metric: str) -> Answer:
        filters = self.region["metricFilters"]
        return next(each for each in filters if each["filterName"] == metric)

    def alarm(self, name: str) -> Answer:
        return next(a for a in self.region["alarms"] if a["AlarmName"] == name)


def setting() -> Setting:
    return Setting(good.answers(), [good.bundle()], [*good.ROUTES], good.probes())


Change = Callable[[Setting], object]


def into(name: str, **changes: Any) -> Change:
    """Changes what is called so in a Setting."""
    return lambda it: getattr(it, name).update(changes)


def function(**changes: Any) -> Change:
    return lambda it: it.answers["function"].update(changes)


def baked(**changes: Any) -> Change:
    def change(it: Setting) -> None:
        bundle = it.bundle[0]
        it.bundle[0] = Bundle(bundle.content, bundle.settings._replace(**changes))

    return change


def coded(content: bytes) -> Change:
    """Another zip, which is the one that was deployed."""

    def change(it: Setting) -> None:
        it.bundle[0] = Bundle(content, it.bundle[0].settings)
        it.answers["function"]["CodeSha256"] = it.bundle[0].code

    return change


def asked(probe: Probe, result: ProbeResult) -> Change:
    return lambda it: it.probes.update({probe: result})


def policy(kind: str, key: str, **config: Any) -> Change:
    """Gives /api/* a policy of its own."""

    def change(it: Setting) -> None:
        it.answers["policies"][kind]["own"] = config
        it.api[key] = "own"

    return change


def request_policy(behaviour: str, *names: str, query: str = "all") -> Change:
    return policy(
        "originRequestPolicies",
        "OriginRequestPolicyId",
        Name="own",
        HeadersConfig={"HeaderBehavior": behaviour, "Headers": good.listed([*names])},
        CookiesConfig={"CookieBehavior": "all"},
        QueryStringsConfig={"QueryStringBehavior": query},
    )


def legacy(**changes: Any) -> Change:
    def change(it: Setting) -> None:
        del it.api["CachePolicyId"], it.api["OriginRequestPolicyId"]
        values = {
            "QueryString": True,
            "Cookies": {"Forward": "all"},
            "Headers": good.listed(["*"]),
        }
        it.api.update({"ForwardedValues": values | changes, "MinTTL": 0})
        it.api.update(DefaultTTL=0, MaxTTL=0)

    return change


def triggers(where: str, *associations: Answer) -> Change:
    listed = good.listed([*associations])
    return into(where, LambdaFunctionAssociations=listed)


VERIFY, SETTLE = good.trigger("viewer-request"), good.trigger("origin-response")
CONTRACT = (
    "x-settlement-intent-id",
    "x-settlement-resource-id",
    "x-settlement-network",
    "Signature-Input",
    "Signature",
)


def everywhere(arn: str) -> Change:
    def change(it: Setting) -> None:
        it.answers["distribution"] = replaced(it.answers["distribution"], arn)

    return change


def replaced(value: Any, arn: str) -> Any:
    """The same tree with another ARN in it."""
    if isinstance(value, dict):
        return {key: replaced(each, arn) for key, each in value.items()}
    if isinstance(value, list):
        return [replaced(each, arn) for each in value]
    return arn if value == good.ARN else value


def origin_settings(**changes: Any) -> Change:
    return lambda it: it.origin["CustomOriginConfig"].update(changes)


def error_response(status: int, **changes: Any) -> Change:
    def change(it: Setting) -> None:
        kept = [e for e in good.ERRORS if e != status]
        responses = [*map(good.error, kept), good.error(status, **changes)]
        it.config["CustomErrorResponses"] = good.listed(responses)

    return change


def metric_filter(metric: str, pattern: str) -> Change:
    def change(it: Setting) -> None:
        it.filter(metric).update(filterPattern=pattern, matched=matched(pattern))

    return change


def value_of(metric: str, value: str) -> Change:
    def change(it: Setting) -> None:
        [found] = it.filter(metric)["metricTransformations"]
        found["metricValue"] = value

    return change


def elsewhere(metric: str) -> Change:
    """The filter is on the log group of another function."""
    group = "/aws/lambda/us-east-1.another"
    return lambda it: it.filter(metric).update(logGroupName=group)


def alarm(name: str, **changes: Any) -> Change:
    return lambda it: it.alarm(name).update(changes)


def third_origin(it: Setting) -> None:
    it.config["Origins"]["Items"].append(good.origin("third"))
    premium = good.paid_behaviour("/premium/*") | {"TargetOriginId": "third"}
    it.config["CacheBehaviors"]["Items"].insert(0, premium)


def grouped(it: Setting) -> None:
    members = good.listed([{"OriginId": "api"}, {"OriginId": "third"}])
    codes = {"StatusCodes": good.listed([503])}
    group = {"Id": "both", "FailoverCriteria": codes, "Members": members}
    it.config["OriginGroups"] = good.listed([group])
    it.config["Origins"]["Items"].append(good.origin("third"))
    it.api["TargetOriginId"] = "both"


CERTIFICATE = {
    "ClientCertificateArn": "arn:aws:acm:us-east-1:111122223333:certificate/c"
}


def in_a_vpc(it: Setting) -> None:
    del it.origin["CustomOriginConfig"]
    it.origin["VpcOriginConfig"] = {"VpcOriginId": "vo-1", "OriginReadTimeout": 30}


def signers(*names: str) -> Answer:
    return {"Enabled": True, **good.listed([*names])}


def canary(it: Setting) -> None:
    it.config["ContinuousDeploymentPolicyId"] = "canary"
    it.answers["continuousDeploymentPolicy"] = {
        "Enabled": True,
        "StagingDistributionDnsNames": good.listed(["d2.cloudfront.net"]),
    }


def trusts(*statements: Answer) -> Change:
    """What the role's trust policy says besides."""
    return lambda it: it.answers["role"]["AssumeRolePolicyDocument"][
        "Statement"
    ].extend(statements)


def unwatched(it: Setting) -> None:
    """A Region that traffic has moved to since the alarms were made."""
    region = it.answers["regions"]["ap-south-1"] = good.region()
    region["alarms"] = [a for a in region["alarms"] if a["AlarmName"] != "unpaid"]


def ahead(pattern: str) -> Change:
    """A behaviour before all others that somebody made for something free."""
    free = good.paid_behaviour(pattern) | {
        "LambdaFunctionAssociations": good.listed([])
    }
    return lambda it: it.config["CacheBehaviors"]["Items"].insert(0, free)


def same_server(it: Setting) -> None:
    """The site's origin is the API's server under another name."""
    it.config["Origins"]["Items"][1]["DomainName"] = "API.example.org"


def same_server_below(prefix: str) -> Change:
    """What is free leads to the API's server by another way."""

    def change(it: Setting) -> None:
        below = good.origin("below", DomainName="API.example.org", OriginPath=prefix)
        it.config["Origins"]["Items"].append(below)
        it.default["TargetOriginId"] = "below"

    return change


def legacy_kept(it: Setting) -> None:
    """As long as the origin says, told apart by some headers."""
    legacy(Headers=good.listed(["Host", *CONTRACT]))(it)
    it.api["MaxTTL"] = 60


BROKEN: list[tuple[str, type, Change]] = [
    (
        "bundle.facilitator",
        Failed,
        baked(facilitator=endpoint("https://localhost:8443/x402")),
    ),
    ("function.features", Failed, function(SnapStart={"ApplyOn": "PublishedVersions"})),
    ("function.features", Failed, function(FileSystemConfigs=[{"Arn": "arn"}])),
    ("function.features", Failed, function(KMSKeyArn="arn:aws:kms:key")),
    ("function.features", Failed, function(PackageType="Image")),
    (
        "role.trust",
        Failed,
        trusts(
            {
                "Effect": "Deny",
                "Principal": {"Service": "edgelambda.amazonaws.com"},
                "Action": "sts:*",
            }
        ),
    ),
    ("triggers.around", Failed, same_server),
    ("caching.policy", Failed, legacy_kept),
    ("headers.query", Failed, request_policy("allViewer", query="whitelist")),
    (
        "triggers.version",
        Failed,
        triggers("default", VERIFY, good.trigger("origin-response", "arn:other:1")),
    ),
    ("alarms.unpaid", Failed, unwatched),
    ("triggers.attached", Failed, ahead("/api/j*")),
    ("triggers.attached", Failed, ahead("*oke")),
    ("triggers.around", Failed, ahead("/docs/*")),
    ("bundle.key", Failed, baked(api_key="nf_test_SECRETKEY")),
    (
        "bundle.key-is-live",
        Failed,
        asked(Probe.FACILITATOR, Answered(401, {}, b'{"error": "unauthorized"}')),
    ),
    (
        "bundle.key-is-live",
        Failed,
        asked(Probe.FACILITATOR, Answered(400, {}, b"null")),
    ),
    (
        "bundle.key-is-live",
        Failed,
        asked(Probe.FACILITATOR, Answered(200, {}, b'{"valid": true}')),
    ),
    ("bundle.key-is-live", Failed, asked(Probe.FACILITATOR, Unanswered("no route"))),
    (
        "bundle.facilitator",
        Failed,
        baked(facilitator=endpoint("http://facilitator.example.org/x402")),
    ),
    ("bundle.signing", Warned, baked(signing=())),
    ("bundle.lifetime", Warned, baked(lifetime=Lifetime(longest=24 * 3600.0))),
    ("bundle.code", Warned, coded(rewritten(good.CONTENT, "edge/gate.py", b"pass"))),
    ("bundle.code", Warned, coded(rewritten(good.CONTENT, "json.py", b"pass"))),
    ("bundle.code", Warned, coded(rewritten(good.CONTENT, "edge/gate.py", None))),
    ("bundle.code", Warned, coded(doubled(good.CONTENT, "handler.py", b"pass"))),
    ("bundle.digest", Failed, function(CodeSha256="another")),
    ("function.timeout", Failed, function(Timeout=3)),
    ("function.timeout", Warned, function(Timeout=10)),
    ("function.memory", Failed, function(MemorySize=64)),
    ("function.runtime", Failed, function(Runtime="python3.11")),
    ("function.runtime", Failed, function(Runtime="nodejs22.x")),
    ("function.architecture", Failed, function(Architectures=["arm64"])),
    ("function.handler", Failed, function(Handler="edge.handler")),
    (
        "function.region",
        Failed,
        function(FunctionArn=good.ARN.replace("us-east-1", "eu-west-1")),
    ),
    ("function.state", Failed, function(State="Pending")),
    ("function.state", Failed, function(LastUpdateStatus="Failed")),
    (
        "function.environment",
        Failed,
        function(Environment={"Variables": {"NEXFLOW_API_KEY": "(removed)"}}),
    ),
    ("function.features", Failed, function(Layers=[{"Arn": "arn:aws:lambda:layer"}])),
    ("function.features", Failed, function(VpcConfig={"VpcId": "vpc-1"})),
    ("function.features", Failed, function(DeadLetterConfig={"TargetArn": "arn"})),
    ("function.features", Failed, function(TracingConfig={"Mode": "Active"})),
    ("function.features", Failed, function(EphemeralStorage={"Size": 1024})),
    ("function.log-format", Warned, function(LoggingConfig={"LogFormat": "JSON"})),
    (
        "role.trust",
        Failed,
        lambda it: it.answers["role"]["AssumeRolePolicyDocument"]["Statement"][
            0
        ].update(Principal={"Service": "lambda.amazonaws.com"}),
    ),
    (
        "role.logs",
        Failed,
        lambda it: it.answers["logPermission"]["EvaluationResults"][0].update(
            EvalDecision="implicitDeny"
        ),
    ),
    ("routes.baked", Failed, lambda it: it.written.pop()),
    ("routes.served", Warned, third_origin),
    (
        "routes.unlisted",
        Warned,
        lambda it: it.config["CacheBehaviors"]["Items"][2].update(
            LambdaFunctionAssociations=good.listed([VERIFY])
        ),
    ),
    ("triggers.attached", Failed, triggers("api", VERIFY)),
    ("triggers.attached", Failed, triggers("api", SETTLE)),
    ("triggers.attached", Failed, triggers("api")),
    ("triggers.around", Failed, triggers("default")),
    ("triggers.around", Failed, triggers("default", SETTLE)),
    ("triggers.version", Failed, everywhere(f"{good.FUNCTION}:$LATEST")),
    ("triggers.version", Failed, everywhere(good.FUNCTION)),
    ("triggers.version", Failed, everywhere(f"{good.FUNCTION}:live")),
    ("triggers.version", Failed, everywhere("arn:of:something:else")),
    (
        "triggers.version",
        Failed,
        triggers("api", VERIFY, good.trigger("origin-response", f"{good.FUNCTION}:6")),
    ),
    ("triggers.body", Warned, triggers("api", VERIFY | {"IncludeBody": True}, SETTLE)),
    (
        "triggers.conflicts",
        Failed,
        into(
            "default",
            FunctionAssociations=good.listed(
                [{"EventType": "viewer-response", "FunctionARN": "arn"}]
            ),
        ),
    ),
    (
        "triggers.others",
        Warned,
        triggers("api", VERIFY, SETTLE, good.trigger("origin-request", "arn:other:1")),
    ),
    ("caching.policy", Failed, into("api", CachePolicyId=CACHING_OPTIMIZED)),
    (
        "caching.policy",
        Failed,
        policy("cachePolicies", "CachePolicyId", Name="own", MinTTL=0, DefaultTTL=0),
    ),
    ("caching.errors", Warned, error_response(404, ErrorCachingMinTTL=300)),
    (
        "caching.errors",
        Warned,
        lambda it: it.config["CustomErrorResponses"]["Items"][0].pop(
            "ErrorCachingMinTTL"
        ),
    ),
    (
        "caching.errors",
        Warned,
        lambda it: it.config["CustomErrorResponses"]["Items"].pop(),
    ),
    ("errors.pages", Failed, error_response(503, ResponseCode="200")),
    (
        "errors.pages",
        Failed,
        error_response(400, ResponsePagePath="/400.html", ResponseCode="400"),
    ),
    (
        "errors.pages",
        Warned,
        error_response(404, ResponsePagePath="/index.html", ResponseCode="200"),
    ),
    ("headers.forwarded", Failed, lambda it: it.api.pop("OriginRequestPolicyId")),
    ("headers.forwarded", Failed, request_policy("whitelist", *CONTRACT[:4])),
    ("headers.forwarded", Failed, request_policy("allExcept", "host", "Signature")),
    ("headers.forwarded", Failed, request_policy("none")),
    ("headers.forwarded", Warned, legacy(Headers=good.listed(["Host"]))),
    ("headers.forwarded", Warned, legacy(Headers=good.listed([]))),
    ("headers.signed-urls", Warned, into("api", TrustedKeyGroups=signers("group"))),
    ("headers.signed-urls", Warned, into("api", TrustedSigners=signers("self"))),
    ("headers.query", Failed, request_policy("allViewer", query="none")),
    ("headers.query", Failed, legacy(QueryString=False)),
    ("headers.path", Failed, into("origin", OriginPath="/v1")),
    ("headers.path", Failed, same_server_below("/api")),
    ("distribution.root-object", Failed, into("config", DefaultRootObject="api/joke")),
    (
        "headers.added",
        Failed,
        into(
            "origin",
            CustomHeaders=good.listed(
                [{"HeaderName": "X-Settlement-Intent-Id", "HeaderValue": "1"}]
            ),
        ),
    ),
    (
        "headers.answers",
        Warned,
        policy(
            "responseHeadersPolicies",
            "ResponseHeadersPolicyId",
            RemoveHeadersConfig=good.listed([{"Header": "Idempotent-Replayed"}]),
        ),
    ),
    ("headers.cors", Warned, baked(allowed_origins=())),
    (
        "headers.logged",
        Failed,
        policy(
            "realtimeLogConfigs",
            "RealtimeLogConfigArn",
            Fields=["timestamp", "cs-headers"],
        ),
    ),
    ("viewer.protocol", Failed, into("api", ViewerProtocolPolicy="allow-all")),
    (
        "viewer.methods",
        Warned,
        into("api", AllowedMethods=good.listed(["GET", "HEAD"])),
    ),
    ("viewer.grpc", Failed, into("api", GrpcConfig={"Enabled": True})),
    ("viewer.grpc", Failed, into("default", GrpcConfig={"Enabled": True})),
    ("origin.triggers", Failed, in_a_vpc),
    ("origin.triggers", Failed, origin_settings(OriginMtlsConfig=CERTIFICATE)),
    (
        "distribution.known",
        Warned,
        lambda it: it.answers["distribution"].update(unknown=["FutureShield"]),
    ),
    ("origin.protocol", Failed, origin_settings(OriginProtocolPolicy="http-only")),
    ("origin.protocol", Failed, origin_settings(OriginProtocolPolicy="match-viewer")),
    ("origin.timeout", Warned, origin_settings(OriginReadTimeout=20)),
    ("origin.groups", Warned, grouped),
    ("origin.shield", Warned, into("origin", OriginShield={"Enabled": True})),
    ("distribution.enabled", Failed, into("config", Enabled=False)),
    (
        "distribution.deployed",
        Failed,
        lambda it: it.answers["distribution"].update(Status="InProgress"),
    ),
    ("distribution.staging", Warned, into("config", Staging=True)),
    ("distribution.staging", Warned, canary),
    ("logs.lost", Failed, lambda it: it.region["logGroups"].clear()),
    (
        "logs.retention",
        Failed,
        lambda it: it.region["logGroups"][0].update(retentionInDays=14),
    ),
    (
        "logs.retention",
        Warned,
        lambda it: it.region["logGroups"][0].pop("retentionInDays"),
    ),
    (
        "alarms.verify-errors",
        Failed,
        lambda it: it.region["alarms"].remove(it.alarm("verify-errors")),
    ),
    ("alarms.verify-errors", Failed, alarm("verify-errors", Threshold=50.0)),
    ("alarms.verify-errors", Failed, alarm("verify-errors", Threshold=-1.0)),
    (
        "alarms.verify-errors",
        Failed,
        metric_filter("VerifyErrors", '{ $.eventType = "VERIFY" }'),
    ),
    ("alarms.verify-latency", Failed, alarm("verify-latency", Threshold=5000.0)),
    (
        "alarms.verify-latency",
        Failed,
        alarm("verify-latency", MetricName="NobodyWritesThis"),
    ),
    (
        "alarms.verify-latency",
        Failed,
        alarm("verify-latency", Dimensions=[{"Name": "path", "Value": "/api/joke"}]),
    ),
    (
        "alarms.settle-errors",
        Failed,
        metric_filter("SettleErrors", "{ $.eventType = settle_error }"),
    ),
    (
        "alarms.unpaid",
        Failed,
        metric_filter("Unpaid", '{ $.hasPaymentHeader = "false" }'),
    ),
    (
        "alarms.verify-latency",
        Failed,
        alarm("verify-latency", ExtendedStatistic="p50"),
    ),
    (
        "alarms.verify-latency",
        Failed,
        alarm("verify-latency", ComparisonOperator="LessThanThreshold"),
    ),
    (
        "alarms.verify-latency",
        Failed,
        metric_filter("VerifyLatency", '{ $.eventType = "verify" }'),
    ),
    (
        "alarms.verify-latency",
        Warned,
        alarm("verify-latency", EvaluateLowSampleCountPercentile="ignore"),
    ),
    ("alarms.verify-latency", Failed, value_of("VerifyLatency", "1")),
    ("alarms.verify-latency", Failed, value_of("VerifyLatency", "$.valid")),
    (
        "alarms.settle-errors",
        Failed,
        metric_filter("Settles", '{ $.eventType = "settled" }'),
    ),
    ("alarms.unpaid", Failed, elsewhere("Unpaid")),
    ("alarms.actions", Failed, alarm("unpaid", AlarmActions=[])),
    ("alarms.actions", Failed, alarm("unpaid", ActionsEnabled=False)),
    ("probes.unpaid", Failed, asked(Probe.UNPAID, Answered(200, {}, b"a joke"))),
    ("probes.unpaid", Failed, asked(Probe.UNPAID, Unanswered("no route to host"))),
    (
        "probes.unpaid",
        Failed,
        asked(Probe.UNPAID, Answered(402, good.NO_STORE, b"<html>")),
    ),
    (
        "probes.unpaid",
        Failed,
        asked(Probe.UNPAID, Answered(402, good.NO_STORE, b'{"status": "payment"}')),
    ),
    (
        "probes.unpaid",
        Failed,
        asked(
            Probe.UNPAID,
            Answered(402, good.NO_STORE, good.UNPAID.replace(b"x402", b"x403")),
        ),
    ),
    ("probes.unpaid", Failed, asked(Probe.UNPAID, Answered(402, {}, good.UNPAID))),
    ("probes.replay", Failed, asked(Probe.REPEATED, Answered(200, {}, b"a joke"))),
    (
        "probes.replay",
        Failed,
        asked(Probe.REPEATED, Answered(200, good.REPLAYED, b"another joke")),
    ),
    ("probes.replay", Failed, asked(Probe.REPEATED, Answered(409, good.PROBLEM, b""))),
    ("probes.forged", Failed, asked(Probe.FORGED, Answered(400, good.PROBLEM, b""))),
    ("probes.direct", Failed, asked(Probe.DIRECT, Answered(200, {}, b"a joke"))),
    ("probes.direct", Failed, asked(Probe.DIRECT, Answered(400, {}, b"bad topic"))),
]
