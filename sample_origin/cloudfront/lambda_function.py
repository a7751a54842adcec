"""The function: the bundle unpacked, and the environments that run it."""

import asyncio
import contextlib
import os
import sys
import tempfile
import uuid
import zipfile
from pathlib import Path
from typing import assert_never

from .distribution import Function
from .errors import FunctionError
from .lambda_environment import Environment, Outcome, Raised, Returned

# AWS "Quotas on Lambda@Edge".
BUNDLE_LIMIT = 50 * 1024 * 1024


class LambdaFunction:
    """Invocations reuse a warm environment or start one, up to the concurrency set.

    Beyond that they wait. Lambda would throttle, but only past a thousand at once.
    """

    def __init__(self, function: Function) -> None:
        _check_bundle(function)
        _check_log_file(function.log_file)
        self._function = function
        self._slots = asyncio.Semaphore(function.concurrency)
        self._warm: list[Environment] = []
        self._environments: set[Environment] = set()
        self._resources = contextlib.ExitStack()
        self._folder = Path()
        self._log = -1

    async def open(self) -> None:
        """Unpack the bundle and open the log; processes start with the invocations."""
        self._log = _open_log(self._function.log_file)
        self._resources.callback(os.close, self._log)
        folder = tempfile.TemporaryDirectory(prefix="lambda-")
        self._folder = Path(self._resources.enter_context(folder))
        with zipfile.ZipFile(self._function.bundle) as bundle:
            bundle.extractall(self._folder)

    async def close(self) -> None:
        """End every process, busy ones too, and remove what was unpacked."""
        await asyncio.gather(*(each.close() for each in self._environments))
        self._resources.close()

    async def invoke(self, event: object) -> object:
        """What the handler returned. Raises FunctionError if it did not."""
        async with self._slots:
            environment = await self._environment()
            try:
                outcome = await self._run(environment, event)
            except BaseException:
                # Timed out, ended, or this task was cancelled: it may be busy.
                await self._discard(environment)
                raise
            self._warm.append(environment)
        match outcome:
            case Returned(value):
                return value
            case Raised(message):
                raise FunctionError(f"The function raised {message}")
            case _:
                assert_never(outcome)

    async def _run(self, environment: Environment, event: object) -> Outcome:
        seconds = self._function.timeout
        try:
            return await environment.invoke(event, str(uuid.uuid4()), seconds)
        except TimeoutError as exc:
            message = f"Task timed out after {seconds:.2f} seconds"
            os.write(self._log, f"{message}\n".encode())
            raise FunctionError(message) from exc

    async def _environment(self) -> Environment:
        if self._warm:
            return self._warm.pop()
        environment = await Environment.start(self._function, self._folder, self._log)
        self._environments.add(environment)
        return environment

    async def _discard(self, environment: Environment) -> None:
        self._environments.discard(environment)
        await environment.close()


def _check_bundle(function: Function) -> None:
    bundle = function.bundle
    if not bundle.is_file():
        raise ValueError(
            f"there is no bundle {bundle}; `python -m edge build` makes one"
        )
    if bundle.stat().st_size > BUNDLE_LIMIT:
        raise ValueError(f"the bundle {bundle} is over 50 MB")
    if not zipfile.is_zipfile(bundle):
        raise ValueError(f"the bundle {bundle} is not a zip file")
    module = function.handler.rpartition(".")[0].replace(".", "/") + ".py"
    with zipfile.ZipFile(bundle) as archive:
        if module not in archive.namelist():
            raise ValueError(f"the bundle {bundle} has no {module} at its root")


def _check_log_file(path: Path | None) -> None:
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} for the log file")


def _open_log(path: Path | None) -> int:
    # Appending, so that every environment can add whole lines to one file.
    if path is None:
        return os.dup(sys.stderr.fileno())
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
