"""The fakes see what AWS would refuse before it is on its way."""

from typing import Any

import pytest
from botocore.session import get_session  # type: ignore[import-untyped] # no types

from edge.aws.lambda_at_edge import RUNTIMES
from tests.edge.deploy.service_model import violations

SESSION = get_session()
CREATE = {
    "FunctionName": "x402-edge",
    "Role": "arn:aws:iam::123456789012:role/x402-edge-role",
    "Code": {"ZipFile": b"zip"},
    "Runtime": "python3.14",
    "Timeout": 5,
    "Architectures": ["x86_64"],
}


def found(service: str, operation: str, parameters: dict[str, Any]) -> list[str]:
    model = SESSION.get_service_model(service).operation_model(operation)
    return list(violations(model.input_shape, parameters))


def test_a_good_request_has_no_violations() -> None:
    assert found("lambda", "CreateFunction", CREATE) == []


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ({"Runtime": "python3.99"}, ".Runtime is 'python3.99', not one of"),
        ({"Role": "mine"}, ".Role is 'mine', which is not arn:"),
        ({"Timeout": 0}, ".Timeout is 0, not from 1 to"),
        ({"Timeout": "5"}, ".Timeout is '5', no integer"),
        ({"Architectures": []}, ".Architectures is 0, not from 1 to 1"),
        ({"Architectures": ["sparc"]}, ".Architectures[0] is 'sparc', not one of"),
        ({"Memory": 128}, ".Memory is unknown"),
        ({"Publish": 1}, ".Publish is 1, no boolean"),
        ({"Code": {"ZipFile": "text"}}, ".Code.ZipFile is 'text', no blob"),
        ({"Description": "x" * 257}, ".Description is 257, not from 0 to 256"),
    ],
)
def test_a_violation_is_found(change: dict[str, Any], violation: str) -> None:
    (first, *_) = found("lambda", "CreateFunction", CREATE | change)
    assert first.startswith(violation)


def test_what_is_missing_is_found() -> None:
    assert found("lambda", "CreateFunction", {}) == [
        ".FunctionName is missing",
        ".Role is missing",
        ".Code is missing",
    ]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_lambda_knows_the_runtimes_we_offer(runtime: str) -> None:
    assert found("lambda", "CreateFunction", CREATE | {"Runtime": runtime}) == []
