"""One execution environment: a process that runs one invocation at a time.

Lambda's part around a runtime is done here: the time limits, the log, and the end of
the process.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

from ..aws.lambda_at_edge import log_group
from .distribution import Function
from .errors import FunctionError
from .runtime_api import Invocation, RuntimeApi

BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
NAME, VERSION = "x402-edge", "1"
ARN = f"arn:aws:lambda:us-east-1:000000000000:function:{NAME}:{VERSION}"

# AWS "Understanding the Lambda execution environment lifecycle": init has 10 seconds.
INIT_TIMEOUT = 10.0


class Environment:
    """Starts with the first invocation, and is warm from then on."""

    def __init__(self, function: Function, folder: Path) -> None:
        """`folder` has the unpacked bundle in `task` and the runtime in `runtime`."""
        self._function = function
        self._task = folder / "task"
        self._runtime = folder / "runtime"
        self._api = RuntimeApi()
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None
        # The process ends when this end of its standard input is closed: also when
        # this process is killed.
        self._stdin, self._lifeline = os.pipe()
        self._log = Log()

    async def invoke(self, event: object) -> object:
        """The handler's result. Raises FunctionRaisedError. After a FunctionError that
        is none, and after a cancellation, the process may be busy: `close`."""
        if self._process is None:
            await self._start()
        seconds = self._function.timeout
        invocation = Invocation(event, time.time() + seconds, ARN)
        try:
            async with asyncio.timeout(seconds):
                return await self._api.invoke(invocation)
        except TimeoutError as exc:
            message = f"Task timed out after {seconds:.2f} seconds"
            self._log.add(message)
            raise FunctionError(message) from exc

    def printed(self) -> list[str]:
        """What the function has printed since the last time, in lines."""
        return self._log.taken()

    async def close(self) -> None:
        """Kill the process, whatever it is doing, and wait until it is gone."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        if self._watching is not None:
            await self._watching
        os.close(self._lifeline)
        os.close(self._stdin)
        self._log.close()
        await self._api.close()

    async def _start(self) -> None:
        await self._api.open()
        self._log.open()
        # I and S: the standard library and what the bootstrap adds, no more.
        # B: the bundle is read-only. A session of its own: Ctrl-C is for the parent.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-ISB",
            BOOTSTRAP,
            self._runtime,
            "awslambdaric.__main__" if self._function.aws_runtime else "lambda_runtime",
            stdin=self._stdin,
            stdout=self._log.input,
            stderr=self._log.input,
            cwd=self._task,
            env=self._variables(),
            start_new_session=True,
        )
        self._watching = asyncio.create_task(self._watch(self._process))
        try:
            async with asyncio.timeout(INIT_TIMEOUT):
                await self._api.initialised()
        except TimeoutError as exc:
            raise FunctionError("The function did not initialise in time.") from exc

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        self._api.end(FunctionError("The function's process ended."))

    def _variables(self) -> dict[str, str]:
        # Lambda@Edge has the reserved variables only (AWS "Restrictions on
        # Lambda@Edge"). LD_LIBRARY_PATH is one of them, and an interpreter may not
        # start without it.
        inherited = ("LD_LIBRARY_PATH",)
        python = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return {key: os.environ[key] for key in inherited if key in os.environ} | {
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{python}",
            "AWS_REGION": "us-east-1",
            "AWS_LAMBDA_FUNCTION_NAME": NAME,
            "AWS_LAMBDA_FUNCTION_VERSION": VERSION,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self._function.memory),
            "AWS_LAMBDA_LOG_GROUP_NAME": log_group(NAME),
            "AWS_LAMBDA_LOG_STREAM_NAME": "local",
            "AWS_LAMBDA_RUNTIME_API": self._api.address,
            "LAMBDA_TASK_ROOT": str(self._task),
            "LANG": "en_US.UTF-8",
            "PATH": os.defpath,
            "TZ": ":UTC",
            "_HANDLER": self._function.handler,
        }


class Log:
    """The output of one process, in whole lines."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._rest = b""
        self._output, self.input = os.pipe()
        os.set_blocking(self._output, False)

    def open(self) -> None:
        """Read what comes, so that the pipe is never full."""
        asyncio.get_running_loop().add_reader(self._output, self._read)

    def add(self, line: str) -> None:
        """A line of Lambda's own, after what was printed before."""
        self._end_line()
        self._lines.append(line)

    def taken(self) -> list[str]:
        """The lines since the last time. One that has no end yet ends here."""
        self._end_line()
        lines, self._lines = self._lines, []
        return lines

    def close(self) -> None:
        self._read()
        asyncio.get_running_loop().remove_reader(self._output)
        os.close(self._output)
        os.close(self.input)
        self._output = -1

    def _end_line(self) -> None:
        self._read()
        if self._rest:
            self._lines.append(self._rest.decode(errors="replace"))
            self._rest = b""

    def _read(self) -> None:
        while printed := self._available():
            # AWS's runtime ends the lines of a traceback with a carriage return.
            whole = (self._rest + printed).replace(b"\r", b"\n")
            *lines, self._rest = whole.split(b"\n")
            self._lines.extend(line.decode(errors="replace") for line in lines)

    def _available(self) -> bytes:
        if self._output < 0:
            return b""
        try:
            return os.read(self._output, 65_536)
        except BlockingIOError:
            return b""
