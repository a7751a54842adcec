"""One execution environment: a process that runs one invocation at a time."""

import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from .distribution import Function
from .errors import FunctionError

RUNTIME = Path(__file__).with_name("lambda_runtime.py")

# AWS "Understanding the Lambda execution environment lifecycle": init has 10 seconds.
INIT_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Returned:
    """The handler returned."""

    value: object


@dataclass(frozen=True, slots=True)
class Raised:
    """The handler raised; its environment lives on, as Lambda's does."""

    message: str


Outcome: TypeAlias = Returned | Raised


class Environment:
    """A process and the socket it answers on. Made by `start`, warm from then on."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer

    @classmethod
    async def start(cls, function: Function, folder: Path, log: int) -> "Environment":
        """Import the handler in a new process; its output goes to the descriptor `log`.

        Raises FunctionError if the handler cannot be imported in time.
        """
        ours, theirs = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            with theirs:
                process = await _spawn(function, folder, log, theirs.fileno())
        except BaseException:
            writer.close()
            raise
        environment = cls(process, reader, writer)
        try:
            await environment._initialise()
        except BaseException:
            await environment.close()
            raise
        return environment

    async def invoke(self, event: object, request_id: str, seconds: float) -> Outcome:
        """Run the handler. After a TimeoutError or FunctionError, `close`."""
        deadline = time.time() + seconds
        async with asyncio.timeout(seconds):
            await self._write(
                {"event": event, "requestId": request_id, "deadline": deadline}
            )
            answer = await self._read()
        if "error" in answer:
            return Raised(answer["error"])
        return Returned(answer["result"])

    async def close(self) -> None:
        """Kill the process, whatever it is doing, and wait until it is gone."""
        if self._process.returncode is None:
            self._process.kill()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()
        await self._process.wait()

    async def _initialise(self) -> None:
        try:
            async with asyncio.timeout(INIT_TIMEOUT):
                answer = await self._read()
        except TimeoutError as exc:
            raise FunctionError("The function did not initialise in time.") from exc
        if "error" in answer:
            raise FunctionError(f"The handler cannot be imported: {answer['error']}")

    async def _write(self, frame: dict[str, Any]) -> None:
        payload = json.dumps(frame).encode()
        self._writer.write(len(payload).to_bytes(4, "big") + payload)
        await self._drain()

    async def _drain(self) -> None:
        try:
            await self._writer.drain()
        except ConnectionError as exc:
            raise FunctionError("The function's process ended.") from exc

    async def _read(self) -> dict[str, Any]:
        try:
            length = await self._reader.readexactly(4)
            payload = await self._reader.readexactly(int.from_bytes(length, "big"))
        except (asyncio.IncompleteReadError, ConnectionError) as exc:
            raise FunctionError("The function's process ended.") from exc
        frame: dict[str, Any] = json.loads(payload)
        return frame


async def _spawn(
    function: Function, folder: Path, log: int, channel: int
) -> asyncio.subprocess.Process:
    # I and S: the standard library and the bundle, no more; B: the bundle is read-only.
    # A session of its own, because Ctrl-C is for the parent.
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-ISB",
        RUNTIME,
        str(channel),
        function.handler,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=folder,
        env=_environment_variables(function, folder),
        pass_fds=(channel,),
        start_new_session=True,
    )


def _environment_variables(function: Function, folder: Path) -> dict[str, str]:
    # Lambda@Edge has the reserved variables only (AWS "Restrictions on Lambda@Edge").
    # LD_LIBRARY_PATH is one of them, and an interpreter may not start without it.
    inherited = ("LD_LIBRARY_PATH",)
    name = "x402-edge"
    return {key: os.environ[key] for key in inherited if key in os.environ} | {
        "AWS_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "1",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/us-east-1.{name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "local",
        "LAMBDA_TASK_ROOT": str(folder),
        "LANG": "en_US.UTF-8",
        "PATH": os.defpath,
        "TZ": ":UTC",
        "_HANDLER": function.handler,
    }
