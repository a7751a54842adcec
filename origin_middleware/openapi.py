"""Adds to the app's OpenAPI schema what the middleware itself can answer.

    app.add_middleware(IdempotencyMiddleware, store=store, policy=paid)
    document(app)

Then `/docs` and generated clients know the header of the key, the problem responses
with their codes, and the mark of a replay.
"""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from .asgi import Scope
from .decision import Refusal
from .errors import ConfigurationError
from .key import is_intent
from .middleware import IdempotencyMiddleware
from .policy import Policy
from .problem import PROBLEMS, Problem
from .routes import PolicyOf, policy_of

Schema = dict[str, Any]

COMPONENT = "OriginMiddlewareProblem"

# OpenAPI 3.1, "Path Item Object".
_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")

_MEDIA_TYPE = "application/problem+json"

_REPLAYED: Schema = {
    "description": "true where this is the recorded response of an earlier request.",
    "schema": {"type": "string", "enum": ["true"]},  # OpenAPI 3.0 has no const
}

_PROBLEM: Schema = {
    "title": COMPONENT,
    "description": "Why the handler did not run (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri"},
    },
}


def document(app: object) -> None:
    """Replaces `app.openapi`, so that the schema of a FastAPI app says what its
    IdempotencyMiddleware answers. Call it after `add_middleware`.

    A policy's path may begin with the app's `root_path`. The server's root path, as in
    `uvicorn --root-path`, is not known here: leave it out of the policy's paths, or use
    `describe`.

    Raises ConfigurationError if the app has no such middleware, or no schema.
    """
    openapi: object = getattr(app, "openapi", None)
    if not callable(openapi):
        raise ConfigurationError(
            f"document(<{type(app).__name__}>): this app makes no OpenAPI schema. Give "
            "the FastAPI app itself; for other frameworks: describe(schema, policy)."
        )
    options = _options(app)
    policy = options.get("policy", Policy())
    signed = bool(options.get("secrets"))
    described: Schema | None = None

    def documented() -> Schema:
        nonlocal described
        schema: Schema = openapi()
        if schema is not described:  # FastAPI makes it once, and keeps it
            root_path = getattr(app, "root_path", "")
            described = describe(schema, policy, signed=signed, root_path=root_path)
        return described

    setattr(app, "openapi", documented)  # noqa: B010 - as FastAPI's pages do it, on any app


def describe(
    schema: Schema,
    policy: Policy | Mapping[str, Policy] | PolicyOf,
    *,
    signed: bool = False,
    root_path: str = "",
) -> Schema:
    """Adds to a schema what IdempotencyMiddleware(policy=policy) answers, and returns
    the schema. `signed` says whether the middleware has secrets, and `root_path` is
    where the app is mounted.

    For a template such as `/orders/{number}`, a policy for one literal path is not
    found; one for `/orders/*` is.
    """
    policy_for = policy_of(policy, lambda _: None)
    for path, item in schema.get("paths", {}).items():
        for method in _METHODS:
            if method not in item:
                continue
            found = policy_for(_scope(path, method, root_path))
            if found is not None:
                _describe(item[method], found, signed)
                schemas = schema.setdefault("components", {}).setdefault("schemas", {})
                schemas[COMPONENT] = _PROBLEM
    return schema


def _options(app: object) -> Mapping[str, Any]:
    for each in getattr(app, "user_middleware", ()):
        if isinstance(each.cls, type) and issubclass(each.cls, IdempotencyMiddleware):
            options: Mapping[str, Any] = each.kwargs
            return options
    raise ConfigurationError(
        f"document(<{type(app).__name__}>): the app has no IdempotencyMiddleware. Call "
        "document after app.add_middleware(IdempotencyMiddleware, ...). Where the "
        "middleware is around this app, or in a part of it: describe(schema, policy)."
    )


def _scope(path: str, method: str, root_path: str) -> Scope:
    """What a policy function may ask of a request: all that servers say of each."""
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "https",
        "client": None,
        "server": None,
        "method": method.upper(),
        "path": path,
        "root_path": root_path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
    }


def _describe(operation: Schema, policy: Policy, signed: bool) -> None:
    if policy.key_of is None:
        _add_parameter(operation, policy)
    responses = operation.setdefault("responses", {})
    for status, response in responses.items():
        if str(status).isdigit() and policy.counts("POST", int(status)):
            response.setdefault("headers", {})["Idempotent-Replayed"] = _REPLAYED
    by_status = sorted(_refusals(policy, signed), key=_status)
    for status, refusals in groupby(by_status, _status):
        _add_problem(responses.setdefault(str(status), {}), list(refusals))


def _refusals(policy: Policy, signed: bool) -> Iterator[Refusal]:
    never = {
        Refusal.KEY_MISSING: not policy.require_key,
        Refusal.SIGNATURE_REFUSED: not signed,
        Refusal.REQUEST_TOO_LARGE: policy.max_request_bytes is None,
        Refusal.NOT_ON_RECORD: not is_intent(policy.header, policy.key_of),
    }
    return (refusal for refusal in Refusal if not never.get(refusal))


def _status(refusal: Refusal) -> int:
    return PROBLEMS[refusal].status


def _add_parameter(operation: Schema, policy: Policy) -> None:
    parameters = operation.setdefault("parameters", [])
    name = policy.header.lower()
    if any(each.get("name", "").lower() == name for each in parameters):
        return  # the handler reads it, and describes it
    intent = is_intent(policy.header, policy.key_of)
    parameters.append(
        {
            "name": policy.header,
            "in": "header",
            # Who pays at the gate does not send an intent; the gate does.
            "required": policy.require_key and not intent,
            "description": (
                "The settlement intent of the payment. The gate sends it; without it, "
                "the path is not paid for."
                if intent
                else "Names this operation: the same in each retry of it, another for "
                "every other."
            ),
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "pattern": "^[!-~]+$",
            },
        }
    )


def _add_problem(response: Schema, refusals: list[Refusal]) -> None:
    ours: Schema = {
        "allOf": [{"$ref": f"#/components/schemas/{COMPONENT}"}],
        "properties": {"code": {"enum": [each.value for each in refusals]}},
    }
    media = response.setdefault("content", {}).setdefault(_MEDIA_TYPE, {})
    theirs: Schema | None = media.get("schema")
    if theirs is not None and ours in (theirs, *theirs.get("anyOf", ())):
        return  # described before
    media["schema"] = ours if theirs is None else {"anyOf": [theirs, ours]}
    lines = [response.get("description", "")]
    lines += [f"`{each.value}`: {PROBLEMS[each].title}" for each in refusals]
    response["description"] = "\n\n".join(filter(None, lines))
    for name, header in _headers([PROBLEMS[each] for each in refusals]):
        response.setdefault("headers", {}).setdefault(name, header)


def _headers(problems: list[Problem]) -> Iterator[tuple[str, Schema]]:
    if any(each.retry_after is not None for each in problems):
        seconds = "How many seconds to wait, where a retry can help."
        yield "Retry-After", {"description": seconds, "schema": {"type": "integer"}}
    if any(each.status == 401 for each in problems):
        yield "WWW-Authenticate", {"schema": {"type": "string", "enum": ["Signature"]}}
