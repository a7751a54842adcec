"""An account behind botocore's own clients: plain answers, held to AWS's models.

botocore checks what is asked; what is answered is checked here in the same way, so a
test cannot pass on an answer that AWS would not give.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import import_module
from typing import Any
from urllib.parse import quote

from edge.aws.session import Session
from tests.edge.check import good
from tests.edge.check.filter_patterns import matches

Answer = dict[str, Any]
# The parameters and the Region in, the answer out; or it raises Denied.
Reply = Callable[[Answer, str], Answer]

_validate: Any = import_module("botocore.validate")
_boto3: Any = import_module("boto3")

NOW = datetime(2026, 2, 7, 8, 12, 34, tzinfo=UTC)


class Denied(Exception):
    """As AWS refuses: with a code."""


class FakeAws:
    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}
        self.calls: list[tuple[str, str]] = []
        """Operation and Region."""
        self.requests: list[tuple[str, Answer]] = []
        """The action, as IAM calls it, and the parameters."""
        boto_session = _boto3.Session(
            aws_access_key_id="AKIAEXAMPLE",
            aws_secret_access_key="example",
            region_name="us-east-1",
        )
        boto_session.events.register("before-parameter-build", self._asked)
        boto_session.events.register("before-call", self._answer)
        self.session = Session(boto_session)

    def _asked(self, params: Answer, context: Answer, **_: Any) -> None:
        context["asked"] = params

    def _answer(self, model: Any, context: Answer, **_: Any) -> tuple[Any, Answer]:
        region = context["client_region"]
        self.calls.append((model.name, region))
        service = model.service_model.signing_name
        self.requests.append((f"{service}:{model.name}", context["asked"]))
        try:
            answer = self.replies[model.name](context["asked"], region)
        except Denied as denied:
            said = f"User is not authorized to perform: {model.name}"
            error = {"Code": str(denied), "Message": said}
            return _Response(403), {"Error": error}
        report = _validate.ParamValidator().validate(answer, model.output_shape)
        assert not report.has_errors(), report.generate_report()
        return _Response(200), answer


class _Response:
    def __init__(self, status: int) -> None:
        self.status_code = status


def account(answers: Answer | None = None) -> FakeAws:
    """One in which everything is as in `good`, or as in these answers."""
    is_like = answers or good.answers()
    aws = FakeAws()
    aws.replies = {
        "GetDistribution": lambda *_: {"Distribution": _distribution(is_like)},
        "GetCachePolicy": lambda asked, _: {
            "CachePolicy": {
                "Id": asked["Id"],
                "LastModifiedTime": NOW,
                "CachePolicyConfig": is_like["policies"]["cachePolicies"][asked["Id"]],
            }
        },
        "GetFunctionConfiguration": lambda *_: is_like["function"],
        "ListVersionsByFunction": lambda *_: is_like["versions"],
        "GetRole": lambda *_: {"Role": _role(is_like)},
        "SimulatePrincipalPolicy": lambda asked, _: _simulated(asked),
        "DescribeLogGroups": lambda _, region: {
            "logGroups": _region(is_like, region)["logGroups"]
        },
        "ListMetrics": lambda _, region: {
            "Metrics": _region(is_like, region)["metrics"]
        },
        "DescribeMetricFilters": lambda _, region: {
            "metricFilters": [
                {key: each[key] for key in each if key != "matched"}
                for each in _region(is_like, region)["metricFilters"]
            ]
        },
        "TestMetricFilter": lambda asked, _: _tested(asked),
        "DescribeAlarms": lambda _, region: {
            "MetricAlarms": [*_region(is_like, region)["alarms"], _somebody_elses()]
        },
    }
    return aws


def _distribution(answers: Answer) -> Answer:
    return {
        **answers["distribution"],
        "LastModifiedTime": NOW,
        "InProgressInvalidationBatches": 0,
    }


def _role(answers: Answer) -> Answer:
    """IAM sends documents as escaped JSON, and botocore decodes them."""
    document = json.dumps(answers["role"]["AssumeRolePolicyDocument"])
    return {
        "RoleName": answers["role"]["RoleName"],
        "AssumeRolePolicyDocument": quote(document),
        "Path": "/",
        "RoleId": "AROAEXAMPLEEXAMPLE",
        "Arn": answers["function"]["Role"],
        "CreateDate": NOW,
    }


def _simulated(asked: Answer) -> Answer:
    [resource] = asked["ResourceArns"]
    return {
        "EvaluationResults": [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": "allowed",
            }
            for action in asked["ActionNames"]
        ]
    }


def knows_filter_patterns(boto_session: Any) -> None:
    """For moto, which has no TestMetricFilter."""
    operation = "cloudwatch-logs.TestMetricFilter"

    def asked(params: Answer, context: Answer, **_: Any) -> None:
        context["asked"] = params

    def answer(context: Answer, **_: Any) -> tuple[Any, Answer]:
        return _Response(200), _tested(context["asked"])

    boto_session.events.register(f"before-parameter-build.{operation}", asked)
    boto_session.events.register(f"before-call.{operation}", answer)


def _tested(asked: Answer) -> Answer:
    """As TestMetricFilter answers."""
    messages = asked["logEventMessages"]
    return {
        "matches": [
            {"eventNumber": number, "eventMessage": message, "extractedValues": {}}
            for number, message in enumerate(messages, start=1)
            if matches(asked["filterPattern"], json.loads(message))
        ]
    }


def _region(answers: Answer, region: str) -> Answer:
    nothing: Answer = {
        "logGroups": [],
        "metrics": [],
        "metricFilters": [],
        "alarms": [],
    }
    found: Answer = answers["regions"].get(region, nothing)
    return found


def _somebody_elses() -> Answer:
    return good.alarm("billing", Namespace="AWS/Billing", MetricName="Charges")
