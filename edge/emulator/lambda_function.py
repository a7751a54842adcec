"""The function: the bundle unpacked, and the environments that run it."""

import asyncio
import contextlib
import os
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

from ..aws.lambda_at_edge import HANDLER
from ..build.bundle import DAMAGED
from ..errors import COMMAND
from .distribution import Function
from .errors import FunctionRaisedError
from .lambda_environment import Environment

# AWS "Quotas on Lambda@Edge".
BUNDLE_LIMIT = 50 * 1024 * 1024

OWN_RUNTIME = Path(__file__).with_name("lambda_runtime.py")

# AWS's runtime interface client, and what it imports.
AWS_RUNTIME = ("awslambdaric", "runtime_client", "simplejson", "snapshot_restore_py")


class LambdaFunction:
    """Invocations reuse a warm environment or start one, up to the concurrency set.

    Beyond that they wait. Lambda would throttle, but only past a thousand at once.
    """

    def __init__(self, function: Function) -> None:
        check_bundle(function.bundle, function.handler)
        _check_log_file(function.log_file)
        self._function = function
        self._runtime = _runtime(function)
        self._slots = asyncio.Semaphore(function.concurrency)
        self._warm: list[Environment] = []
        self._environments: set[Environment] = set()
        self._resources = contextlib.ExitStack()
        self._folder = Path()
        self._log = -1

    async def open(self) -> None:
        """Unpack the bundle and open the log; processes start with the invocations."""
        # Appending, so that whole lines of several emulators can be in one file.
        file = self._function.log_file or Path(os.devnull)
        self._log = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._resources.callback(os.close, self._log)
        temporary = tempfile.TemporaryDirectory(prefix="lambda-")
        self._folder = Path(self._resources.enter_context(temporary))
        with zipfile.ZipFile(self._function.bundle) as bundle:
            bundle.extractall(self._folder / "task")
        # The runtime alone: the function must not find what else is installed here.
        runtime = self._folder / "runtime"
        runtime.mkdir()
        for installed in self._runtime:
            (runtime / installed.name).symlink_to(installed)

    async def close(self) -> None:
        """End every process, busy ones too, and remove what was unpacked."""
        await asyncio.gather(*(each.close() for each in self._environments))
        self._resources.close()

    async def invoke(self, event: object, log: list[str]) -> object:
        """What the handler returned; `log` gets the lines that it printed.

        Raises FunctionError if it did not return."""
        async with self._slots:
            environment = self._warm.pop() if self._warm else self._new()
            try:
                value = await environment.invoke(event)
            except FunctionRaisedError:
                self._warm.append(environment)
                raise
            except BaseException:
                # Timed out, ended, or this task was cancelled: it may be busy.
                await self._discard(environment)
                raise
            else:
                self._warm.append(environment)
            finally:
                lines = environment.printed()
                log.extend(lines)
                os.write(self._log, "".join(f"{line}\n" for line in lines).encode())
        return value

    def _new(self) -> Environment:
        environment = Environment(self._function, self._folder)
        self._environments.add(environment)
        return environment

    async def _discard(self, environment: Environment) -> None:
        self._environments.discard(environment)
        await environment.close()


def _runtime(function: Function) -> list[Path]:
    """The modules and packages that the function runs under."""
    return [*map(_installed, AWS_RUNTIME)] if function.aws_runtime else [OWN_RUNTIME]


def _installed(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise ValueError(f"awslambdaric is installed, but not {name}: install it again")
    file = Path(spec.origin)
    return file.parent if file.name == "__init__.py" else file


def check_bundle(bundle: Path, handler: str = HANDLER) -> None:
    """Raises ValueError."""
    if not bundle.is_file():
        raise ValueError(f"there is no bundle {bundle}; `{COMMAND} build` makes one")
    if bundle.stat().st_size > BUNDLE_LIMIT:
        raise ValueError(f"the bundle {bundle} is over 50 MB")
    if not zipfile.is_zipfile(bundle):
        raise ValueError(f"the bundle {bundle} is not a zip file")
    module = handler.rpartition(".")[0].replace(".", "/") + ".py"
    try:
        with zipfile.ZipFile(bundle) as archive:
            names, damaged = archive.namelist(), archive.testzip() is not None
    except DAMAGED:
        names, damaged = [], True
    if damaged:
        raise ValueError(
            f"the bundle {bundle} is damaged. Build it again with {COMMAND} build."
        )
    if module not in names:
        raise ValueError(f"the bundle {bundle} has no {module} at its root")


def _check_log_file(path: Path | None) -> None:
    if path is None:
        return
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {path.parent} for the log file")
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file for the log")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ValueError(f"the log file {path} cannot be written: name another")
