"""The OpenAPI schema that FastAPI makes says what a protected path answers."""

import json
from typing import Annotated, Any

import httpx
import jsonschema
import pytest
from fastapi import FastAPI, Header
from fastapi.openapi.models import OpenAPI
from starlette.applications import Starlette

from origin_middleware import (
    ConfigurationError,
    IdempotencyMiddleware,
    MemoryStore,
    Policy,
    Refusal,
)
from origin_middleware.asgi import Message
from origin_middleware.key import Key
from origin_middleware.openapi import COMPONENT, describe, document
from origin_middleware.problem import refuse

PAID = {"/reports/*": Policy(require_key=True)}
SECRETS = {"2026-02": b"0123456789abcdef0123456789abcdef"}


def shop(**options: Any) -> FastAPI:
    app = FastAPI()
    if options:
        app.add_middleware(IdempotencyMiddleware, store=MemoryStore(), **options)

    @app.post(
        "/reports/{number}", status_code=201, responses={409: {"description": "Sold."}}
    )
    async def report(number: int) -> int:
        return number

    @app.get("/free")
    async def free() -> str:
        return "free"

    return app


def documented(**options: Any) -> dict[str, Any]:
    app = shop(**options)
    document(app)
    schema = app.openapi()
    OpenAPI.model_validate(schema)
    return schema


def paid(**options: Any) -> dict[str, Any]:
    operation: dict[str, Any] = documented(**options)["paths"]["/reports/{number}"][
        "post"
    ]
    return operation


def codes(operation: dict[str, Any]) -> dict[str, set[str]]:
    return {
        status: set(problem["schema"]["properties"]["code"]["enum"])
        for status, response in operation["responses"].items()
        if (problem := response.get("content", {}).get("application/problem+json"))
    }


def header(operation: dict[str, Any]) -> dict[str, Any]:
    (found,) = [each for each in operation["parameters"] if each["in"] == "header"]
    return dict(found)


async def test_the_served_schema_has_what_the_paid_path_answers() -> None:
    app = shop(policy=PAID)
    document(app)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as http:
        served = (await http.get("/openapi.json")).json()
        again = (await http.get("/openapi.json")).json()
        docs = await http.get("/docs")
    assert served == again == documented(policy=PAID)
    assert docs.status_code == 200
    operation = served["paths"]["/reports/{number}"]["post"]
    assert codes(operation) == {
        "400": {"key-missing", "key-malformed"},
        "409": {
            *("record-damaged", "in-progress", "not-replayable", "outcome-unknown"),
            *("attempts-exhausted", "not-on-record"),
        },
        "413": {"request-too-large"},
        "422": {"different-request"},
        "503": {"no-room", "store-unavailable"},
    }
    assert header(operation)["name"] == "x-settlement-intent-id"
    assert "Idempotent-Replayed" in operation["responses"]["201"]["headers"]


def test_a_free_path_is_as_fastapi_describes_it() -> None:
    before, after = shop().openapi(), documented(policy=PAID)
    assert after["paths"]["/free"] == before["paths"]["/free"]


def test_what_the_app_says_of_the_same_status_stays() -> None:
    before = shop().openapi()["paths"]["/reports/{number}"]["post"]["responses"]
    after = paid(policy=PAID)["responses"]
    assert after["409"]["description"].startswith("Sold.\n\n`record-damaged`: ")
    name = "application/json"
    assert after["422"]["content"][name] == before["422"]["content"][name]


@pytest.mark.parametrize("refusal", Refusal)
async def test_a_refusal_is_as_described(refusal: Refusal) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await refuse(send, refusal, "More about it.", key=Key("intent-1"))
    start, body = sent
    schema = documented(policy=PAID, secrets=SECRETS)
    operation = schema["paths"]["/reports/{number}"]["post"]
    described = operation["responses"][str(start["status"])]
    headers = {name.decode() for name, _ in start["headers"]}
    told_headers = {name.lower() for name in described.get("headers", {})}
    assert {"retry-after", "www-authenticate"} & headers <= told_headers
    told = described["content"]["application/problem+json"]["schema"]
    validator = jsonschema.Draft202012Validator(
        {**told, "components": schema["components"]}
    )
    answer = json.loads(body["body"])
    validator.validate(answer)
    assert (
        answer.keys() == schema["components"]["schemas"][COMPONENT]["properties"].keys()
    )
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**answer, "code": "another"})
    del answer["title"]
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(answer)


def test_the_schema_follows_the_policy() -> None:
    optional = paid(policy=Policy(max_request_bytes=None))
    assert codes(optional)["400"] == {"key-malformed"}
    assert "413" not in codes(optional)
    assert "401" not in codes(optional)
    signed = paid(policy=PAID, secrets=SECRETS)
    assert codes(signed)["401"] == {"signature-refused"}
    for required in (True, False):
        keyed = paid(policy=Policy(header="idempotency-key", require_key=required))
        assert header(keyed)["name"] == "idempotency-key"
        assert header(keyed)["required"] is required
        assert "not-on-record" not in codes(keyed)["409"]
    found = paid(policy=Policy(key_of=lambda _: None))
    assert [each["in"] for each in found["parameters"]] == ["path"]
    assert "x-settlement" not in str(found)


def test_a_client_is_not_asked_for_the_intent_that_the_gate_sends() -> None:
    assert header(paid(policy=PAID))["required"] is False


def test_a_header_that_the_handler_reads_is_not_described_twice() -> None:
    app = FastAPI()
    app.add_middleware(IdempotencyMiddleware, store=MemoryStore(), policy=PAID)

    @app.get("/reports/a")
    async def report(x_settlement_intent_id: Annotated[str, Header()]) -> str:
        return x_settlement_intent_id

    document(app)
    operation = app.openapi()["paths"]["/reports/a"]["get"]
    assert header(operation)["name"] == "x-settlement-intent-id"


def test_a_function_chooses_the_policy_here_too() -> None:
    def policy(scope: Any) -> Policy | None:
        is_ours = scope["client"] is None and scope["scheme"] == "https"
        return Policy() if scope["method"] == "POST" and is_ours else None

    schema = documented(policy=policy)
    assert codes(schema["paths"]["/reports/{number}"]["post"])
    assert not codes(schema["paths"]["/free"]["get"])


@pytest.mark.filterwarnings("ignore:The `root_path` parameter")
def test_a_policy_is_found_by_the_path_with_the_prefix_of_the_app() -> None:
    app = FastAPI(root_path="/api")
    app.add_middleware(
        IdempotencyMiddleware,
        store=MemoryStore(),
        policy={"/api/with": Policy(), "/without": Policy()},
    )
    for path in ("/with", "/without", "/free"):
        app.get(path)(lambda: None)
    document(app)
    paths = app.openapi()["paths"]
    found = [path for path, item in paths.items() if codes(item["get"])]
    assert found == ["/with", "/without"]


def test_a_schema_of_openapi_3_0_has_no_const() -> None:
    app = shop(policy=PAID, secrets=SECRETS)
    app.openapi_version = "3.0.3"
    document(app)
    schema = app.openapi()
    assert '"const"' not in json.dumps(schema)
    responses = schema["paths"]["/reports/{number}"]["post"]["responses"]
    replayed = responses["201"]["headers"]["Idempotent-Replayed"]["schema"]
    asked_for = responses["401"]["headers"]["WWW-Authenticate"]["schema"]
    assert (replayed["enum"], asked_for["enum"]) == (["true"], ["Signature"])


def test_a_schema_that_is_described_again_stays_the_same() -> None:
    app = shop(policy=PAID)
    document(app)
    once = str(app.openapi())
    document(app)
    assert str(app.openapi()) == once
    app.openapi_schema = None  # as an app does that adds a route later
    assert str(app.openapi()) == once


def test_the_schema_of_any_app_can_be_described() -> None:
    described = describe(shop().openapi(), PAID, signed=True)
    assert described == documented(policy=PAID, secrets=SECRETS)


def test_what_cannot_be_documented_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match=r"after app\.add_middleware"):
        document(shop())
    with pytest.raises(ConfigurationError, match=r"describe\(schema, policy\)"):
        document(Starlette())
