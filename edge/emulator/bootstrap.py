"""What an execution environment runs: AWS's own runtime, or else the one below.

Started as `python -ISB bootstrap.py FOLDER` in the unpacked bundle: isolated, because
Lambda has the standard library, its runtime and the bundle, and no more. FOLDER has
AWS's runtime interface client; it is empty where that is not installed, as there is no
wheel of it for this system.

Both runtimes are clients of the Lambda Runtime API. Standard output is the function's
log. Standard input is a pipe that ends with the emulator, and then this process ends.
"""

import fcntl
import http.client
import importlib
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
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


def main(folder: str) -> None:
    """Serve invocations until this process is ended."""
    _end_with_the_emulator()
    sys.path.insert(0, os.environ["LAMBDA_TASK_ROOT"])
    handler_name = os.environ["_HANDLER"]
    if folder:
        sys.path.append(folder)
        runtime = importlib.import_module("awslambdaric.__main__")
        runtime.main(["bootstrap", handler_name])
    else:
        serve(handler_name)


def serve(handler_name: str) -> None:
    """The runtime for where there is none of AWS's."""
    try:
        handler = _imported(handler_name)
    except Exception as error:
        _ask("POST", "/init/error", _described(error))
        sys.exit(1)
    while True:
        headers, event = _ask("GET", "/invocation/next")
        invocation = f"/invocation/{headers['Lambda-Runtime-Aws-Request-Id']}"
        try:
            result = json.dumps(handler(json.loads(event), Context(headers))).encode()
        except Exception as error:
            _ask("POST", f"{invocation}/error", _described(error))
        else:
            sys.stdout.flush()
            _ask("POST", f"{invocation}/response", result)


def _imported(handler_name: str) -> Handler:
    module, _, function = handler_name.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), function)
    return handler


def _ask(
    method: str, path: str, body: bytes | None = None
) -> tuple[HTTPMessage, bytes]:
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, PREFIX + path, body)
    with connection.getresponse() as response:
        return response.headers, response.read()


def _described(error: Exception) -> bytes:
    """For the Runtime API; the log gets the traceback, as from AWS's runtime."""
    name = type(error).__name__
    print(f"[ERROR] {name}: {error}")
    traceback.print_exc(file=sys.stdout)
    sys.stdout.flush()
    return json.dumps({"errorType": name, "errorMessage": str(error)}).encode()


def _end_with_the_emulator() -> None:
    # Linux ends a process at SIGIO, also one that holds the interpreter's lock for
    # ages. Other systems ignore the signal; there a thread does it.
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(0, fcntl.F_GETFL)
    fcntl.fcntl(0, fcntl.F_SETFL, flags | os.O_ASYNC)
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    os.read(0, 1)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
