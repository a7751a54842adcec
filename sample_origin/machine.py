"""The whole chain on one machine: Valkey, facilitator, origin, gate and CloudFront."""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import httpx

from .facilitator import BASE_PATH
from .ledger import Ledger
from .messages import Messages
from .payers import Payer, SdkPayer, StubPayer
from .processes import RedisServer, Service, ServiceError, embedded

ROUTES = Path(__file__).parent.parent / "routes.toml"
X402_ROUTES = Path(__file__).with_name("x402_routes.toml")
X402_BASE = "/x402"  # of facilitator/x402.py, which needs the SDK
_TEST_KEY = {"NEXFLOW_API_KEY": "nf_test_demo"}

_SDK = ("x402", "eth_account", "web3")  # the last two come with its extra `evm`
_NO_SDK = (
    "--facilitator x402 needs the official SDK, whose client pays: "
    "pip install 'x402[evm,httpx]'"
)

# CloudFront waits 30 s for an origin, and a lease lasts 10 s. A demo has less time.
RESPONSE_TIMEOUT = 4.0
LEASE = 2.0


@contextmanager
def running(port: int = 0, *, standard: bool = False) -> Iterator["Machine"]:
    """The chain, with CloudFront on `port`. It leaves no process and no file.
    `standard`: with a standard x402 facilitator, in place of NexFlow's.

    Raises ServiceError and NoServerError.
    """
    with ExitStack() as stack:  # ends from the last to the first, also on Ctrl-C
        prefix = "origin-middleware-demo-"
        directory = stack.enter_context(TemporaryDirectory(prefix=prefix))
        machine = Machine(Path(directory), port, standard=standard)
        stack.callback(machine.redis.kill)
        machine.redis.start()
        stack.callback(machine.facilitator.stop)
        machine.facilitator.start()
        machine.facilitator.check("/_ledger")
        machine.build_bundle()  # which asks a standard facilitator what it settles
        for service in (machine.origin, machine.cloudfront):
            stack.callback(service.stop)
            service.start()
        machine.origin.check("/health")
        machine.cloudfront.check("/health")
        yield machine


class Counts(NamedTuple):
    """What has happened since the start, each once however often it was asked for."""

    payments: int
    effects: int
    settlements: int


class Machine:
    """The processes, and a directory for their files."""

    def __init__(self, directory: Path, port: int, *, standard: bool = False) -> None:
        if standard and not all(map(find_spec, _SDK)):
            raise ServiceError(_NO_SDK)
        self.directory = directory
        self.standard = standard
        self.payer: Payer = SdkPayer() if standard else StubPayer()
        self._bundle = directory / "lambda-edge.zip"
        self._edge_log = directory / "edge.log"
        # The gate signs with this secret, and the origin verifies with it.
        self.signing_secret = secrets.token_hex(32)
        self._signing = {
            "EDGE_SIGNING_SECRET": self.signing_secret,
            "EDGE_SIGNING_KEY_ID": "demo",
        }
        ledger = directory / "ledger.jsonl"
        self.ledger = Ledger(ledger)
        self.numbers = count(1)
        """Whoever plays a step with a new payment takes the next."""
        self._verified: set[str] = set()
        self._settled: set[str] = set()
        self.redis = RedisServer(embedded(), directory)
        self.messages = Messages(directory / "messages.jsonl")
        written = {"MESSAGES": str(self.messages.path)}
        kind = "sample_origin.facilitator" + (".x402" if standard else "")
        self.facilitator = Service(
            "facilitator",
            ["uvicorn", f"{kind}:app"],
            directory,
            {"CHAIN": str(directory / "chain"), **written},
        )
        self.origin = Service(
            "origin",
            ["uvicorn", "sample_origin.app:app", "--workers", "2"],
            directory,
            {
                "REDIS_URL": self.redis.url,
                "LEDGER": str(ledger),
                "LEASE": str(LEASE),
                **self._signing,
                **written,
            },
        )
        self.cloudfront = Service(
            "cloudfront",
            [
                "sample_origin.cloudfront",
                *("--bundle", str(self._bundle)),
                *("--origin", self.origin.url),
                *("--origin-response-timeout", str(RESPONSE_TIMEOUT)),
                *("--log-file", str(self._edge_log)),
                *("--messages", str(self.messages.path)),
            ],
            directory,
            {"TMPDIR": str(directory)},
            port,
        )

    def build_bundle(self) -> None:
        """As an operator builds it, but for this machine's facilitator."""
        url = self.facilitator.url
        if self.standard:
            routes, own = X402_ROUTES, {"X402_FACILITATOR_URL": url + X402_BASE}
        else:
            nexflow = url + BASE_PATH
            routes, own = ROUTES, {"NEXFLOW_FACILITATOR_URL": nexflow, **_TEST_KEY}
        options = ["--routes", str(routes), "--output", str(self._bundle)]
        built = subprocess.run(
            [sys.executable, "-m", "edge", "build", *options],
            env=os.environ | own | self._signing,
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            raise ServiceError(f"The bundle could not be built.\n{built.stderr}")

    def counts(self) -> Counts:
        """From the books of the facilitator, and from the ledger of the origin."""
        self._read_books()
        effects = len(self.ledger.rows())
        return Counts(len(self._verified), effects, len(self._settled))

    def _read_books(self) -> None:
        try:
            report = httpx.get(self.facilitator.url + "/_ledger").json()
        except httpx.TransportError:  # it is down, and was read before
            return
        self._verified.update(report["intents"])
        self._settled.update(report["settlements"])

    def edge_log(self) -> str:
        return self._edge_log.read_text() if self._edge_log.exists() else ""

    @contextmanager
    def outage(self) -> Iterator[None]:
        """The paid API's dependency is down meanwhile."""
        self.ledger.outage.touch()
        try:
            yield
        finally:
            self.ledger.outage.unlink()

    def spoil_settlements(self, *faults: str) -> None:
        """The next ones of a standard facilitator: facilitator/x402.py lists how."""
        url = self.facilitator.url + "/_simulate"
        httpx.put(url, json={"faults": faults}).raise_for_status()

    def stop_facilitator(self) -> None:
        """Its books are in its memory, so they are read before."""
        self._read_books()
        self.facilitator.kill()
        self.messages.add("facilitator", "facilitator", "killed", failed=True)

    def start_facilitator(self) -> None:
        self.facilitator.start()
        self.facilitator.check("/_ledger")

    def stop_redis(self) -> None:
        self.redis.stop()
        self.messages.add("redis", "redis", "stopped", failed=True)

    def start_redis(self) -> None:
        self.redis.start()
        self.messages.add("redis", "redis", "starts")

    def kill_worker(self, pid: int) -> None:
        """SIGKILL, as the kernel does when memory runs out."""
        os.kill(pid, signal.SIGKILL)
        self.messages.add("worker", "worker", "killed", failed=True, pid=pid)
