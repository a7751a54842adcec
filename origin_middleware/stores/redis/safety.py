"""May this server be trusted with a claim? Asked of each server when a
connection to it is opened.

It must not evict, and it must still have what it acknowledged. One that comes back as
another process, or from another copy of the data, may have lost the latest of it: then
a retry looks new. So new claims are refused for as long as retries may come.

    same process                                        trusted
    restarted with its append-only file, its mark and
    the latest claim that it acknowledged to us         trusted
    restarted without one of them, or empty             quarantine
    a promoted replica                                  quarantine, unless claims wait
                                                        for replicas
    not seen before                                     trusted

That it is not empty proves nothing: by the time this process asks, others have written.
So every server has a mark, made by the process that came first and kept like a record.
That it has its file and its mark does not prove everything: with `appendfsync everysec`
a server acknowledges what it has not written yet, for as long as its disk is slow. It
writes in order, so with our latest claim it has all that came before.
"""

import logging
import secrets
from dataclasses import dataclass
from typing import assert_never

from ...errors import StoreUnsafe
from .facts import Facts, facts
from .line import ErrorReply, Line, now
from .options import OnEviction
from .scripts import MARK
from .topology import Endpoint

_log = logging.getLogger("origin_middleware")

# To learn of a server that was just connected to, in seconds, at least.
_WITHIN = 1.0

# Every connection of every process makes the mark live as long again. A year, because
# processes stay connected for months, and a mark that has expired looks like a loss.
_MARK_LIVES = 365 * 86_400_000
_MARK_SIZE = 32


# What a service may leave out of INFO, and what the operator has to see to then.
_UNSAID = {
    "maxmemory_policy": (
        "maxmemory_policy: it may evict records, and a retry would run the handler "
        "again. Make sure that the policy is noeviction."
    ),
    "aof_enabled": (
        "aof_enabled: it may keep records in memory only, and lose them when it stops. "
        "Make sure that it has an append-only file."
    ),
    "run": (
        "run_id: a restart that loses records cannot be noticed, and no quarantine "
        "follows. Make sure that it keeps what it acknowledged."
    ),
}


@dataclass(frozen=True, slots=True)
class Known:
    """A server as it was at the last connection."""

    run: str
    history: str
    at: float


class Safety:
    def __init__(
        self,
        on_eviction: OnEviction,
        quarantine: float,
        *,
        replicated: bool,
        clustered: bool = False,
        namespace: str = "idem",
        budget: float = _WITHIN,
    ) -> None:
        self._on_eviction = on_eviction
        self._within = max(_WITHIN, budget)
        self._quarantine = quarantine
        self._replicated = replicated
        self._clustered = clustered
        self._namespace = namespace
        self._known: dict[Endpoint, Known] = {}
        self._marks: dict[str, bytes] = {}
        self._unmarked: set[Endpoint] = set()
        """That took none when they were last met."""
        self._said: set[str] = set()

    async def greet(self, endpoint: Endpoint, line: Line) -> None:
        """Raises StoreUnsafe for a server that evicts, or has only some of the keys."""
        if self._replicated and not line.in_order:
            raise StoreUnsafe(
                "RedisStore(replicas=...): WAIT covers one connection only, and this "
                "version of redis-py has none that can be kept. Install a supported "
                "one: pip install 'redis[hiredis]>=6,<9'."
            )
        began = now()
        until = began + self._within
        await endpoint.read_clock(line, until)
        try:
            seen = facts(await line.send(("INFO",), until))
        except ErrorReply as error:
            if error.passing:
                raise
            self._say(
                f"RedisStore cannot tell whether records are safe: INFO: {error}. "
                "Allow the command, or make sure that maxmemory-policy is noeviction."
            )
            return
        if seen.loading:
            # What it says of itself is not true yet: no append-only file, few keys.
            raise ErrorReply("LOADING the dataset in memory")
        self._check(seen)
        for what, consequence in _UNSAID.items():
            if not getattr(seen, what):
                self._say(f"INFO of Redis does not have {consequence}")
        told = now()
        marked = True
        if self._quarantine:
            before = self._known.get(endpoint)
            restarted = before is not None and before.run != seen.run
            lost = restarted and await _has_lost(endpoint.latest, line, until)
            mark = await self._mark(endpoint, line, until, lost)
            marked = self._is_as_before(endpoint, mark, restarted) and not lost
        if self._may_have_lost(endpoint, seen, marked):
            # Nobody says when a replica was promoted.
            since = told if seen.was_replica else told - seen.up
            if endpoint.latest is not None:
                # It counts by a clock that may have been set since it was started.
                since = max(since, endpoint.latest[1])
            self._distrust(endpoint, since + self._quarantine)
        self._known[endpoint] = Known(seen.run, seen.history, began)

    def run(self, endpoint: Endpoint) -> str:
        """Of the server at the last connection; '' if unknown."""
        known = self._known.get(endpoint)
        return known.run if known else ""

    async def _mark(
        self, endpoint: Endpoint, line: Line, until: float, lost: bool
    ) -> tuple[str, bytes] | None:
        """Its name, and the mark; None where the server takes none. One that has `lost`
        a claim gets another mark, from which other processes know it.
        """
        tag = endpoint.tag()
        if not tag:
            return None
        name = f"{self._namespace}:mark:{{{tag}}}"
        own = secrets.token_hex(_MARK_SIZE // 2)
        try:
            mark = await line.send(
                ("EVAL", MARK.source, 1, name, own, _MARK_LIVES, int(lost)), until
            )
        except ErrorReply as error:
            if error.passing and error.code not in ("MOVED", "ASK"):
                raise
            return None  # no permission, or the slot is on its way to another
        if not isinstance(mark, bytes) or len(mark) != _MARK_SIZE:
            return None
        return name, mark

    def _is_as_before(
        self, endpoint: Endpoint, mark: tuple[str, bytes] | None, restarted: bool
    ) -> bool:
        """Has the server the mark that it had? True as well where it takes none."""
        if mark is None:
            self._unmarked.add(endpoint)
            return True
        name, found = mark
        before, self._marks[name] = self._marks.get(name, found), found
        # Where it took none before, this one may be from after a loss.
        unclear = restarted and endpoint in self._unmarked
        self._unmarked.discard(endpoint)
        return before == found and not unclear

    def _distrust(self, endpoint: Endpoint, until: float) -> None:
        endpoint.quarantine = until
        if until > now():
            _log.warning(
                "Redis restarted or failed over, and may have lost what it "
                "acknowledged: new claims are refused for %.0f s.",
                until - now(),
            )

    def _check(self, seen: Facts) -> None:
        if seen.clustered and not self._clustered:
            raise StoreUnsafe(
                "Redis is a node of a cluster, and would refuse most keys: give "
                "RedisStore a redis.asyncio.cluster.RedisCluster. If this address "
                "serves all keys of the cluster, as that of ElastiCache Serverless "
                "does, say RedisStore(single_endpoint=True)."
            )
        if seen.aof_enabled == "0":
            self._say(
                "Redis keeps records in memory only (appendonly no): when it stops, "
                "they are lost, and a retry runs the handler again."
            )
        if not seen.evicts:
            return
        problem = (
            f"Redis may evict records (maxmemory-policy {seen.maxmemory_policy}): a "
            "retry would run the handler again. Set it to noeviction"
        )
        match self._on_eviction:
            case "refuse":
                raise StoreUnsafe(f'{problem}, or use RedisStore(on_eviction="warn").')
            case "warn":
                self._say(f"{problem}.")
            case _:
                assert_never(self._on_eviction)

    def _may_have_lost(self, endpoint: Endpoint, seen: Facts, marked: bool) -> bool:
        if not self._quarantine or not seen.run:
            return False
        before = self._known.get(endpoint)
        if before is not None and before.run == seen.run:
            # Another history that continues one: it was a replica in between.
            promoted = before.history != seen.history and seen.promoted
            return promoted and not self._replicated
        continued = self._continued(seen) or (before if seen.promoted else None)
        if continued is not None:
            # A snapshot carries its history as well: a replica has been running.
            return not (self._replicated and seen.up > now() - continued.at + 1)
        kept = seen.aof_enabled != "0" and marked and not seen.empty
        return before is not None and not kept

    def _continued(self, seen: Facts) -> Known | None:
        """The server whose history this one continues, if it still had that one at
        the last connection: with the first replica it begins another."""
        same = (k for k in self._known.values() if k.history == seen.continued)
        return next(same, None)

    def _say(self, text: str) -> None:
        """Once for each store, not at every connection."""
        if text not in self._said:
            self._said.add(text)
            _log.warning(text)


async def _has_lost(
    latest: tuple[bytes, float, float] | None, line: Line, until: float
) -> bool:
    """Is the latest claim gone, before its time?"""
    if latest is None:
        return False
    name, at, kept = latest
    try:
        begins = await line.send(("GETRANGE", name, 0, 0), until)
    except ErrorReply as error:
        if error.passing and error.code not in ("MOVED", "ASK"):
            raise
        return False  # no permission, or its slot is elsewhere by now
    return begins == b"" and now() < at + kept
