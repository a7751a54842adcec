"""The whole chain on one machine: Valkey, facilitator, origin, gate and CloudFront."""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from .facilitator import BASE_PATH
from .guardian import Guardian
from .ledger import Ledger
from .redis_server import RedisServer, embedded
from .service import Service, ServiceError

ROUTES = Path(__file__).parent.parent / "routes.toml"

# CloudFront waits 30 s for an origin, and a lease lasts 10 s. A demo has less time.
RESPONSE_TIMEOUT = 4.0
LEASE = 2.0


class Machine:
    """Processes, and a directory for what they write; both are gone at the end."""

    def __init__(self, port: int = 0) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="origin-middleware-demo-"))
        guardian = Guardian(self.directory)
        started = guardian.watch
        self._stack = ExitStack()  # from the last to the first
        self._stack.callback(guardian.dismiss)
        self._stack.callback(shutil.rmtree, self.directory)
        self._bundle = self.directory / "lambda-edge.zip"
        self._edge_log = self.directory / "edge.log"
        # The gate signs with it what it tells the origin, and the origin verifies.
        self._signing = {
            "EDGE_SIGNING_SECRET": secrets.token_hex(32),
            "EDGE_SIGNING_KEY_ID": "demo",
        }
        ledger = self.directory / "ledger.jsonl"
        self.ledger = Ledger(ledger)
        self.redis = RedisServer(embedded(), self.directory, started)
        self.facilitator = Service(
            "facilitator",
            ["uvicorn", "sample_origin.facilitator:app"],
            self.directory,
            started,
        )
        self.origin = Service(
            "origin",
            ["uvicorn", "sample_origin.app:app", "--workers", "2"],
            self.directory,
            started,
            {
                "REDIS_URL": self.redis.url,
                "LEDGER": str(ledger),
                "LEASE": str(LEASE),
                **self._signing,
            },
        )
        self.cloudfront = Service(
            "cloudfront",
            self._emulator(),
            self.directory,
            started,
            {"TMPDIR": str(self.directory)},
            port,
        )

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:  # also Ctrl-C: whatever was started is stopped
            self._stack.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def kill_worker(self, pid: int) -> None:
        """SIGKILL, as the kernel does when memory runs out."""
        os.kill(pid, signal.SIGKILL)

    def outage(self, *, begins: bool) -> None:
        """What the paid API depends on goes down, or comes back."""
        if begins:
            self.ledger.outage.touch()
        else:
            self.ledger.outage.unlink()

    def edge_log(self) -> str:
        return self._edge_log.read_text() if self._edge_log.exists() else ""

    def _start(self) -> None:
        self._build_bundle()
        self._stack.callback(self.redis.kill)
        self.redis.start()
        for service in (self.facilitator, self.origin, self.cloudfront):
            self._stack.callback(service.stop)
            service.start()
        self.facilitator.check("/_ledger")
        self.origin.check("/health")
        self.cloudfront.check("/health")

    def _build_bundle(self) -> None:
        """As an operator does it, and for this machine's facilitator."""
        options = ["--routes", str(ROUTES), "--output", str(self._bundle)]
        built = subprocess.run(
            [sys.executable, "-m", "edge", "build", *options],
            env=os.environ
            | {
                "NEXFLOW_FACILITATOR_URL": self.facilitator.url + BASE_PATH,
                "NEXFLOW_API_KEY": "nf_test_demo",
            }
            | self._signing,
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            raise ServiceError(f"The bundle could not be built.\n{built.stderr}")

    def _emulator(self) -> list[str]:
        return [
            "sample_origin.cloudfront",
            *("--bundle", str(self._bundle)),
            *("--origin", self.origin.url),
            *("--origin-response-timeout", str(RESPONSE_TIMEOUT)),
            *("--log-file", str(self._edge_log)),
        ]


def billed(machine: Machine) -> int:
    """How many intents the facilitator has settled since it was started."""
    count: int = httpx.get(machine.facilitator.url + "/_ledger").json()["billed"]
    return count
