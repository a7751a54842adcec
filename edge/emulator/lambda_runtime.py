"""A small runtime, for systems without awslambdaric: it has wheels for Linux only.

As AWS's own it is a client of the Lambda Runtime API, and started by bootstrap.py.
"""

import http.client
import importlib
import io
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from http.client import HTTPMessage
from typing import Any

PREFIX = "/2018-06-01/runtime"


class Context:
    """What AWS "Using the Lambda context object" lists."""

    def __init__(self, headers: HTTPMessage) -> None:
        self.aws_request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.identity = None
        self.client_context = None
        self._deadline = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds before this process is killed; never negative."""
        return max(0, int(self._deadline - time.time() * 1000))


Handler = Callable[[Any, Context], Any]


def main(arguments: Sequence[str]) -> None:
    """Import the handler, and serve one invocation after the other."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # this process may be killed
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = _imported(arguments[1])
    except Exception as error:
        _ask(api, "POST", "/init/error", _described(error))
        sys.exit(1)
    while True:
        headers, event = _ask(api, "GET", "/invocation/next")
        outcome, body = _outcome(handler, event, Context(headers))
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        _ask(api, "POST", f"/invocation/{request_id}/{outcome}", body)


def _imported(name: str) -> Handler:
    module, _, function = name.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), function)
    return handler


def _outcome(handler: Handler, event: bytes, context: Context) -> tuple[str, bytes]:
    try:
        # A result that is not JSON is the function's error too.
        return "response", json.dumps(handler(json.loads(event), context)).encode()
    except Exception as error:
        return "error", _described(error)
    finally:
        sys.stdout.flush()


def _described(error: Exception) -> bytes:
    """For the Runtime API; the log gets the traceback, as from AWS's runtime."""
    name = type(error).__name__
    print(f"[ERROR] {name}: {error}")
    traceback.print_exc(file=sys.stdout)
    sys.stdout.flush()
    return json.dumps({"errorType": name, "errorMessage": str(error)}).encode()


def _ask(
    api: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[HTTPMessage, bytes]:
    api.request(method, PREFIX + path, body)
    with api.getresponse() as response:
        return response.headers, response.read()
