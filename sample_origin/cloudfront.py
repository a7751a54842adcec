"""`python -m edge emulate`, which also writes down what passes through it.

    python -m sample_origin.cloudfront --bundle ZIP --origin URL --fd N ...

The same emulator and the same bundle: only the function's events and results, and the
lines that it logs, are seen on their way.
"""

import argparse
import asyncio
import json
import signal
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edge.emulator.distribution import (
    ALL_VIEWER_EXCEPT_HOST_HEADER,
    Behaviour,
    Distribution,
    Function,
    Origin,
)
from edge.emulator.errors import FunctionError
from edge.emulator.lambda_function import LambdaFunction
from edge.emulator.server import CloudFront, Server

from .messages import Messages
from .watched import Watched


class WatchedFunction(LambdaFunction):
    """The gate."""

    def __init__(self, function: Function, messages: Messages) -> None:
        super().__init__(function)
        self._messages = messages

    async def invoke(self, event: object, log: list[str]) -> object:
        self._asked(event)
        try:
            result = await super().invoke(event, log)
        except FunctionError as error:
            title = f"failed: {error}"
            self._messages.add("gate", "cloudfront", title, failed=True)
            raise
        finally:
            for line in log:
                self._logged(line)
        self._answered(result)
        return result

    def _asked(self, event: Any) -> None:
        cf = event["Records"][0]["cf"]
        trigger, request = cf["config"]["eventType"], cf["request"]
        response = cf.get("response")
        said = (
            response["status"] if response else f"{request['method']} {request['uri']}"
        )
        headers = _headers(response or request)
        self._messages.add("cloudfront", "gate", f"{trigger} {said}", headers=headers)

    def _logged(self, line: str) -> None:
        try:
            event = json.loads(line)
            kind = event["eventType"]
        except (ValueError, KeyError, TypeError):
            return
        failed = "error" in event or kind == "settle_skipped"
        facts = (event.get(name) for name in ("error", "reason"))
        why = next((f": {fact}" for fact in facts if fact), "")
        title = f"logs {kind}{why}"
        self._messages.add("gate", "gate", title, body=line.encode(), failed=failed)

    def _answered(self, result: Any) -> None:
        headers = _headers(result)
        status = result.get("status")
        names = {name.lower() for name, _ in headers}
        title = f"answer {status}" if status else "go on"
        title += ", signed" if "signature" in names and not status else ""
        body = str(result.get("body") or "").encode()
        failed = status is not None and int(status) >= 400
        self._messages.add(
            "gate", "cloudfront", title, headers=headers, body=body, failed=failed
        )


def _headers(message: Mapping[str, Any]) -> list[tuple[str, str]]:
    """From their form in events."""
    return [
        (line.get("key", name), line["value"])
        for name, lines in (message.get("headers") or {}).items()
        for line in lines
    ]


def main() -> None:
    options = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn stops in good order first, then raises the signal again for us.
        signal.signal(number, lambda *_: sys.exit(0))
    messages = Messages(options.messages)
    function = Function(options.bundle, log_file=options.log_file)
    distribution = Distribution(
        origin=Origin(options.origin, response_timeout=options.origin_response_timeout),
        function=function,
        behaviours=(Behaviour(origin_request_policy=ALL_VIEWER_EXCEPT_HOST_HEADER),),
    )
    cloudfront = CloudFront(
        distribution, function=WatchedFunction(function, messages), show=_show
    )
    app = Watched(cloudfront, messages, "cloudfront", lambda _: "client")
    with socket.socket(fileno=options.fd) as listener:
        asyncio.run(Server(app, _show).serve(sockets=[listener]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sample_origin.cloudfront")
    for name in ("--bundle", "--log-file", "--messages"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--origin", required=True)
    parser.add_argument("--origin-response-timeout", type=float, required=True)
    parser.add_argument("--fd", type=int, required=True)
    return parser


def _show(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
