"""The far end of botocore's wire: clients serialise, sign, send again and parse as
ever; what would go to AWS goes to a plain fake, and comes back as AWS's bytes.
"""

import json
from collections.abc import Callable
from typing import Any
from xml.sax.saxutils import escape

import boto3  # type: ignore[import-untyped] # ships no types
from botocore.awsrequest import AWSResponse  # type: ignore[import-untyped] # same
from botocore.parsers import create_parser  # type: ignore[import-untyped] # same

from edge.aws.session import Session
from tests.edge.deploy.service_model import violations

Parameters = dict[str, Any]
# Service, operation and parameters in; the answer, or an AwsError, out.
Answer = Callable[[str, str, Parameters], Parameters]


class AwsError(Exception):
    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message)
        self.code = code


class WiredSession(Session):
    """Clients are made once: their models take long to read."""

    def __init__(self) -> None:
        boto_session = boto3.Session(
            aws_access_key_id="AKIAEXAMPLE",
            aws_secret_access_key="example",
            region_name="us-east-1",
        )
        super().__init__(boto_session)
        self.answer: Answer | None = None
        self.sent: Callable[[str], str] = str
        """What AWS makes of a distribution's XML before it sends it."""
        self._made: dict[str, Any] = {}
        self._parameters: Parameters = {}
        boto_session.events.register("before-parameter-build.*.*", self._requested)

    def client(self, service: str, region: str = "us-east-1") -> Any:
        if service not in self._made:
            client = super().client(service, region)
            client.meta.events.register(
                "before-send.*.*",
                lambda request, event_name, **_: self._sent(
                    client, request, event_name
                ),
            )
            self._made[service] = client
        return self._made[service]

    def _requested(self, params: Parameters, model: Any, **_: Any) -> None:
        assert list(violations(model.input_shape, params, model.name)) == []
        self._parameters = params

    def _sent(self, client: Any, request: Any, event_name: str) -> AWSResponse:
        service, name = event_name.split(".")[1:]
        operation = client.meta.service_model.operation_model(name)
        if name == "UpdateDistribution":
            arrived = _parsed(operation, request.body)
            assert arrived == self._parameters["DistributionConfig"]
        assert self.answer is not None
        try:
            given = self.answer(service, name, self._parameters)
        except AwsError as refused:
            return _refusal(operation, refused)
        return _answer(operation, given, self.sent)


class _Raw:
    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self) -> list[bytes]:
        return [self._body]


def _parsed(operation: Any, body: bytes) -> Any:
    """What a reader of the bytes makes of them: with botocore's parser of answers,
    because requests are written by the same rules."""
    response = {"body": body, "headers": {}, "status_code": 200}
    found = create_parser("rest-xml").parse(response, operation.input_shape)
    return found["DistributionConfig"]


def _answer(
    operation: Any, given: Parameters, sent: Callable[[str], str]
) -> AWSResponse:
    protocol = operation.service_model.protocol
    shape, headers = operation.output_shape, {"x-amzn-RequestId": "request-1"}
    if protocol == "rest-json":
        return _response(operation.http["responseCode"], headers, json.dumps(given))
    if protocol == "rest-xml":
        payload = shape.serialization.get("payload")
        headers["ETag"] = given.get("ETag", "")
        body = (
            _xml(shape.members[payload], given[payload], payload)
            if payload
            else _xml(shape, given, shape.name)
        )
        body = sent(body) if operation.name == "GetDistribution" else body
        return _response(200, headers, body)
    inner = "" if shape is None else _xml(shape, given, f"{operation.name}Result")
    body = f"<{operation.name}Response>{inner}</{operation.name}Response>"
    return _response(200, headers, body)


def _refusal(operation: Any, refused: AwsError) -> AWSResponse:
    status = 403 if "Denied" in refused.code or "Client" in refused.code else 400
    for shape in operation.error_shapes:
        if shape.name == refused.code or refused.code == shape.error_code:
            status = shape.metadata.get("error", {}).get("httpStatusCode", 400)
    if operation.service_model.protocol == "rest-json":
        headers = {"x-amzn-ErrorType": refused.code}
        return _response(status, headers, json.dumps({"Message": str(refused)}))
    error = f"<Code>{refused.code}</Code><Message>{escape(str(refused))}</Message>"
    return _response(
        status, {}, f"<ErrorResponse><Error>{error}</Error></ErrorResponse>"
    )


def _response(status: int, headers: dict[str, str], body: str) -> AWSResponse:
    return AWSResponse("https://aws.invalid", status, headers, _Raw(body.encode()))


def _xml(shape: Any, value: Any, tag: str) -> str:
    match shape.type_name:
        case "structure":
            inner = "".join(
                _xml(member, value[name], member.serialization.get("name", name))
                for name, member in shape.members.items()
                if name in value
            )
        case "list":
            item = shape.member.serialization.get("name", "member")
            inner = "".join(_xml(shape.member, each, item) for each in value)
        case "boolean":
            inner = str(value).lower()
        case _:
            inner = escape(str(value))
    return f"<{tag}>{inner}</{tag}>"
