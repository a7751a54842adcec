"""Runs inside an execution environment: imports the handler, serves event after event.

Started as `python -I -S lambda_runtime.py FD MODULE.FUNCTION` in the unpacked bundle:
isolated, because Lambda has the standard library and the bundle and no more.
FD is a socket to whoever started it; standard output is the function's log.

A frame is four bytes of length and that much JSON. When the socket ends the process
ends, even under a handler that never returns: it does not outlive a killed parent.
Where the handler keeps the interpreter's lock, an alarm does it after the deadline.
"""

import importlib
import io
import json
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

Events = queue.SimpleQueue[dict[str, Any]]

# After the deadline it is for the parent to act; then for the alarm.
ALARM_AFTER = 1.0


class Context:
    """What AWS "Using the Lambda context object" lists."""

    def __init__(self, request_id: str, deadline: float) -> None:
        self.aws_request_id = request_id
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.invoked_function_arn = (
            "arn:aws:lambda:us-east-1:000000000000:function:"
            f"{self.function_name}:{self.function_version}"
        )
        self.identity = None
        self.client_context = None
        self._deadline = deadline

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds before this process is killed; never negative."""
        return max(0, int((self._deadline - time.time()) * 1000))


Handler = Callable[[Any, Context], Any]


def main(descriptor: str, handler_name: str) -> None:
    """Serve events until the socket ends."""
    channel = socket.socket(fileno=int(descriptor))
    incoming, outgoing = channel.makefile("rb"), channel.makefile("wb")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Whole lines, at once: environments share a log, and may be killed.
        sys.stdout.reconfigure(line_buffering=True)
    try:
        handler = _imported(handler_name)
    except Exception as error:
        traceback.print_exc()
        _write(outgoing, {"error": _described(error)})
        return
    _write(outgoing, {"ready": True})
    events = _events(incoming)
    while True:
        _write(outgoing, _answer(handler, events.get()))


def _imported(handler_name: str) -> Handler:
    sys.path.insert(0, str(Path.cwd()))
    module, _, function = handler_name.rpartition(".")
    handler: Handler = getattr(importlib.import_module(module), function)
    return handler


def _answer(handler: Handler, frame: dict[str, Any]) -> dict[str, Any]:
    context = Context(frame["requestId"], frame["deadline"])
    seconds = context.get_remaining_time_in_millis() / 1000 + ALARM_AFTER
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        # Serialised here: a result that is not JSON is the function's error too.
        return {"result": json.loads(json.dumps(handler(frame["event"], context)))}
    except Exception as error:
        traceback.print_exc()
        return {"error": _described(error)}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.stdout.flush()


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _events(incoming: BinaryIO) -> Events:
    events: Events = queue.SimpleQueue()
    threading.Thread(target=_read, args=(incoming, events), daemon=True).start()
    return events


def _read(incoming: BinaryIO, events: Events) -> None:
    while length := incoming.read(4):
        events.put(json.loads(incoming.read(int.from_bytes(length, "big"))))
    os._exit(0)


def _write(outgoing: BinaryIO, frame: dict[str, Any]) -> None:
    payload = json.dumps(frame).encode()
    outgoing.write(len(payload).to_bytes(4, "big") + payload)
    outgoing.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
