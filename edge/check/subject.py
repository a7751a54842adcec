"""The input of all checks. A check makes no calls: it sees only this."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..aws.distribution import Behaviour, behaviours, gated, sharing_origin
from ..aws.forwarding import X402_CONTRACT
from ..aws.path_patterns import example
from ..build.bundle import Bundle
from ..build.routes_file import RoutesFile
from ..runtime.intent import CONTRACT_HEADERS
from ..runtime.routes import Route
from .facts.behaviour import BehaviourFacts
from .facts.distribution import Origin
from .probe import Probe, ProbeResult
from .snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Subject:
    snapshot: Snapshot
    routes: tuple[Route, ...]
    """From the bundle, or else from routes.toml."""
    written: tuple[Route, ...] | None
    """From routes.toml, if it was given."""
    gated: tuple[BehaviourFacts, ...]
    """Behaviours that can serve a gated request."""
    reaching: tuple[BehaviourFacts, ...]
    """Those, and all others that lead to the same server."""
    bundle: Bundle | None
    probes: Mapping[Probe, ProbeResult]
    file: RoutesFile | None
    """routes.toml as a whole."""
    allows_plain_origin: bool

    @property
    def allowed_origins(self) -> tuple[str, ...] | None:
        """Pages that may read the gate's answers; None if unknown."""
        if self.bundle is not None:
            return self.bundle.settings.allowed_origins
        return self.file.allowed_origins if self.file else None

    @property
    def longest_intent(self) -> float | None:
        """In seconds; None if unknown."""
        if self.bundle is not None:
            return self.bundle.settings.lifetime.longest
        return self.file.lifetime.longest if self.file else None

    @property
    def is_x402(self) -> bool:
        """Before a standard facilitator."""
        if self.bundle is not None:
            return self.bundle.settings.x402 is not None
        return self.file is not None and self.file.x402 is not None

    @property
    def contract(self) -> frozenset[str]:
        """The headers that have to reach the origin."""
        return X402_CONTRACT if self.is_x402 else CONTRACT_HEADERS

    def example(self, behaviour: BehaviourFacts) -> str:
        """A gated path that this behaviour serves. Each of `gated` has one."""
        every = self.snapshot.behaviours
        earlier = [each.pattern for each in every[: every.index(behaviour)]]
        paths = (
            example(behaviour.pattern, earlier, route.path) for route in self.routes
        )
        return next(path for path in paths if path is not None)

    @property
    def paid_origins(self) -> tuple[Origin, ...]:
        return self._origins(*self.gated)

    def same_server(self, behaviour: BehaviourFacts) -> tuple[Origin, ...]:
        """Those of its origins that lead to the server of a paid one."""
        paid = {origin.domain.lower() for origin in self.paid_origins}
        return tuple(o for o in self._origins(behaviour) if o.domain.lower() in paid)

    def _origins(self, *behaviours: BehaviourFacts) -> tuple[Origin, ...]:
        distribution = self.snapshot.distribution
        wanted: set[str] = set()
        for behaviour in behaviours:
            target = behaviour.origin_id
            wanted |= set(distribution.groups.get(target, (target,)))
        return tuple(o for o in distribution.origins if o.origin_id in wanted)


def gather(
    snapshot: Snapshot,
    bundle: Bundle | None,
    written: tuple[Route, ...] | None,
    probes: Mapping[Probe, ProbeResult],
    *,
    file: RoutesFile | None = None,
    allows_plain_origin: bool = False,
) -> Subject:
    routes = bundle.settings.routes if bundle else written or ()
    config, paths = snapshot.distribution.config, [route.path for route in routes]
    return Subject(
        snapshot=snapshot,
        routes=routes,
        written=written,
        gated=_facts(snapshot, gated(config, paths)),
        reaching=_facts(snapshot, sharing_origin(config, paths)),
        bundle=bundle,
        probes=probes,
        file=file,
        allows_plain_origin=allows_plain_origin,
    )


def _facts(
    snapshot: Snapshot, chosen: Sequence[Behaviour]
) -> tuple[BehaviourFacts, ...]:
    every = behaviours(snapshot.distribution.config)
    return tuple(
        facts
        for behaviour, facts in zip(every, snapshot.behaviours, strict=True)
        if any(behaviour.raw is each.raw for each in chosen)
    )
