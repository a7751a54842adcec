"""What happened in a schedule, as no process and no server can forget it."""

from dataclasses import dataclass, field

from origin_middleware.events import Event

from .plan import Plan, Request, Run
from .wire import Fault


@dataclass(eq=False)
class Asked:
    """One request, and what its client got."""

    number: int
    request: Request
    at: float
    process: int
    is_probe: bool = False
    """Sent when everything was quiet: it has to be served."""
    status: int = 0
    headers: dict[bytes, bytes] = field(default_factory=dict)
    body: bytes = b""
    answered: float | None = None
    """When its client had the last byte."""
    raised: BaseException | None = None
    cancelled: bool = False
    gone: bool = False
    over: bool = False
    """The server's call of the app has ended."""
    code: str = ""
    """Of a refusal."""
    claims: list[tuple[float, str, bytes]] = field(default_factory=list)
    """When, "claim" or "take over", and the owner token."""

    @property
    def replayed(self) -> bool:
        return b"idempotent-replayed" in self.headers

    @property
    def served(self) -> bool:
        return self.answered is not None and 200 <= self.status < 300


@dataclass(eq=False)
class Started:
    """One start of a handler."""

    number: int
    asked: Asked
    plan: Run
    at: float
    process: int
    protected: bool
    owner: bytes | None
    """Of the claim under which it runs."""
    record: bytes | None
    """What the server held at that moment."""
    declared: float | None = None
    """When it began to say that its effects begin."""
    effect: float | None = None
    failed: float | None = None
    """When it began to report that it failed."""
    may_run_again: bool = False
    """It failed so that a retry may run."""
    delivering: float | None = None
    """When it gave away its last byte."""
    ended: float | None = None
    body: bytes = b""

    @property
    def key(self) -> int:
        return self.asked.request.key


@dataclass(eq=False)
class Told:
    """An event, and what the server held when it was told."""

    at: float
    process: int
    event: Event
    asked: Asked | None


@dataclass
class Disturbance:
    """Of one process; of all where it is -1."""

    at: float
    until: float
    process: int
    what: str


@dataclass
class Books:
    plan: Plan
    asked: list[Asked] = field(default_factory=list)
    started: list[Started] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    disturbances: list[Disturbance] = field(default_factory=list)
    died: dict[int, float] = field(default_factory=dict)
    """Processes that were killed, and when."""
    stopped: dict[int, float] = field(default_factory=dict)
    """Processes that began to shut down, and when."""
    connected: dict[int, float] = field(default_factory=dict)
    """When a process began."""
    ruled: list[tuple[float, int, str]] = field(default_factory=list)
    """When, for which key, and what a reconciler said."""
    quiet: float = 0.0
    """From here on, nothing is planned any more."""
    left: list[tuple[int, str]] = field(default_factory=list)
    """What a process left behind: tasks, connections, doubts."""
    escaped: list[str] = field(default_factory=list)
    """Errors that nobody caught, and what must not be at the end."""

    def disturb(self, at: float, process: int, what: str, seconds: float = 0.0) -> None:
        self.disturbances.append(Disturbance(at, at + seconds, process, what))

    def disturbed(self, since: float, until: float, process: int | None = None) -> bool:
        """Did anything happen to this process, or to any, in between?"""
        return any(
            each.at <= until and each.until >= since
            for each in self.disturbances
            if process is None or each.process in (process, -1)
        )

    def fault(self, at: float, process: int, fault: Fault) -> None:
        self.disturb(at, process, fault.kind, fault.seconds)

    def runs_of(self, key: int) -> list[Started]:
        return [run for run in self.started if run.key == key]


@dataclass(frozen=True)
class Violation:
    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what}"
