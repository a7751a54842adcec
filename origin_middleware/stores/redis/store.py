"""RedisStore: the promises of `Store`, kept by the scripts in lua/."""

import asyncio
from collections.abc import Iterable
from typing import Any, TypeVar, Unpack

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from ...errors import RecordDamaged, ResponseUnavailable, StoreUnavailable
from ...events import Observers, StoreCalled, StoreObserver
from ...key import Key, key_digest
from ...record import (
    Absent,
    Answer,
    Claim,
    Claimed,
    Completed,
    Exhausted,
    Facts,
    Finished,
    Held,
    NotReplayable,
    Outcome,
    Preceded,
    Recorded,
)
from .. import codec
from ..codec import milliseconds
from . import scripts
from .bodies import LARGE
from .claims import CLAIM, TAKE_OVER, Kind
from .line import Argument
from .observed import tell
from .options import OnEviction, Options, check, client_for, observers
from .scripts import Script, finished, recorded, stored
from .session import Session
from .topology import places

S = TypeVar("S", bound="RedisStore")

# What observers are told of. A wait is one or several looks, and much of nothing.
_CALLS = (
    *("check", "claim", "take_over", "renew", "begin_effects"),
    *("complete", "release", "abandon", "look", "_watch"),
)


class RedisStore:
    """Keeps records in Redis 6.2 or newer, or Valkey: a server, Sentinel, a cluster.

    `client` comes from redis.asyncio: Redis, Sentinel(...).master_for(...) or
    RedisCluster. Its settings say how to connect; from then on all requests of the
    process share a connection. It stays the caller's: `aclose` does not close it,
    except after `from_url`. Each event loop has connections of its own.

    - `namespace` begins the name of every key. Services that share a server but not
      their records need different ones.
    - `budget`: every call is over after so many seconds. Give more where large
      responses cross a slow network; at most half of the shortest lease.
    - `on_eviction`: a server that may evict records is refused, or warned about.
    - `quarantine`: for how many seconds new claims are refused after the server came
      back and may have lost records; 0 for never. Longer than retries go on.
    - `single_endpoint`: the address serves all keys of a cluster, as that of
      ElastiCache Serverless does. Otherwise a node of a cluster is refused.
    - `replicas`: how many replicas must acknowledge a claim before it counts (WAIT),
      within `replicas_timeout` seconds.
    - `observer`, one or several, is told of each call (`StoreCalled`). Without it, a
      call costs nothing more. Give the middleware its own as well.

    Raises ConfigurationError for a client or an option that cannot work.
    """

    def __init__(
        self,
        client: Redis | RedisCluster,
        *,
        namespace: str = "idem",
        budget: float = 1.0,
        on_eviction: OnEviction = "refuse",
        quarantine: float = 120.0,
        single_endpoint: bool = False,
        replicas: int = 0,
        replicas_timeout: float = 0.1,
        observer: StoreObserver | Iterable[StoreObserver] | None = None,
    ) -> None:
        options = Options(
            namespace=namespace,
            budget=budget,
            on_eviction=on_eviction,
            quarantine=quarantine,
            single_endpoint=single_endpoint,
            replicas=replicas,
            replicas_timeout=replicas_timeout,
            observer=observer,
        )
        check(client, options)
        self.budget = budget
        self.observers: Observers[StoreCalled] = Observers(*observers(observer))
        self._client = client
        self._places = places(client)
        self._owns_client = False
        self._options = options
        self._prefix = f"{namespace}:{{"
        self._sessions: dict[asyncio.AbstractEventLoop, Session] = {}
        tell(self, _CALLS, self.observers)

    @classmethod
    def from_url(cls, url: str, **options: Unpack[Options]) -> "RedisStore":
        """With a client of its own, and the options of `RedisStore`.

        `url` is what redis-py takes: redis://, rediss://, unix://, with its options.
        Raises ConfigurationError for another one.
        """
        store = cls(client_for(url, options), **options)
        store._owns_client = True
        return store

    def __eq__(self, other: object) -> bool:
        """Do both have the same records?"""
        if not isinstance(other, RedisStore) or self._prefix != other._prefix:
            return False
        return not self._places.isdisjoint(other._places)

    def __hash__(self) -> int:
        return hash(self._prefix)

    def like(self, kind: "type[S]", **changes: Unpack[Options]) -> "S":
        """Another kind of store for the same server, with connections of its own."""
        options: Options = {**self._options, **changes}
        other = kind(self._client, **options)
        other._owns_client = self._owns_client  # noqa: SLF001 - it is one of us
        return other

    async def check(self) -> None:
        """Raises StoreUnavailable where the server cannot be reached or refuses, and
        StoreUnsafe where it may evict; for a start-up that wants to know.
        """
        await self._session.calls.connect(self._name(Key("")))

    async def claim(self, key: Key, claim: Claim, /) -> Answer:
        return await self._claimed(CLAIM, key, claim)

    async def take_over(self, key: Key, claim: Claim, /) -> Answer:
        return await self._claimed(TAKE_OVER, key, claim)

    async def wait(
        self, key: Key, held: Held, timeout: float, /
    ) -> Absent | Held | Finished:
        name = self._name(key)

        async def look() -> Absent | Held | Finished:
            return await self._watch(name)

        return await self._session.waiting.wait(name, held, timeout, look)

    async def renew(self, key: Key, claim: Claim, /) -> bool:
        more = milliseconds(claim.retention), codec.lease(claim)
        renewed = bool(await self._run_owned(scripts.RENEW, key, claim, *more))
        if not renewed:
            self._session.claims.released(claim)
        return renewed

    async def begin_effects(self, key: Key, claim: Claim, /) -> bool:
        return await self._session.claims.begin_effects(self._name(key), claim)

    async def complete(
        self, key: Key, claim: Claim, outcome: Outcome, status: int = 0, /
    ) -> Recorded | Preceded:
        name, session = self._name(key), self._session
        session.claims.finished(claim)
        until = session.calls.deadline()
        response = outcome.response if isinstance(outcome, Completed) else b""
        if len(response) > LARGE:
            record = codec.finished_elsewhere(claim, status)
            reply = await session.bodies.complete(name, claim, record, response, until)
        else:
            record = codec.finished(claim, outcome, status)
            retention = milliseconds(claim.retention)
            reply = await session.calls.evaluate(
                scripts.COMPLETE, name, record, retention, response, until=until
            )
        if isinstance(reply, list):
            found = codec.decode(reply[0])
            try:
                return Preceded(finished(await session.bodies.seen(name, found, until)))
            except RecordDamaged:  # its body is gone, and it was first all the same
                first = finished(found.seen)
                return Preceded(first._replace(outcome=NotReplayable()))
        return recorded(reply)

    async def release(self, key: Key, claim: Claim, /) -> bool:
        released = await self._run_owned(scripts.RELEASE, key, claim)
        self._session.claims.released(claim)
        if released == b"":
            raise RecordDamaged("A record in progress does not tell its attempt.")
        return bool(released)

    async def abandon(self, key: Key, claim: Claim, /) -> bool:
        self._session.claims.finished(claim)
        return bool(await self._run_owned(scripts.ABANDON, key, claim))

    async def look(self, key: Key, /) -> Facts | None:
        name, session = self._name(key), self._session
        until = session.calls.deadline()
        reply = await session.calls.evaluate(
            scripts.LOOK, name, codec.LOOKED_AT - 1, until=until
        )
        return await session.bodies.facts(name, reply, until)

    async def aclose(self) -> None:
        """End what the store opened in this event loop, when the calls that are under
        way have ended. It may be used again afterwards.
        """
        await self._session.aclose()
        if self._owns_client:
            await self._client.aclose()

    async def _watch(self, name: bytes) -> Absent | Held | Finished:
        session = self._session
        channel = await session.wakeups.channel()
        until = session.calls.deadline()
        reply = await session.calls.evaluate(scripts.WATCH, name, channel, until=until)
        if reply is None:
            return Absent()
        seen = await session.bodies.seen(name, stored(reply), until)
        return Absent() if isinstance(seen, Exhausted) else seen

    async def _claimed(self, kind: Kind, key: Key, claim: Claim) -> Answer:
        name, session = self._name(key), self._session
        until = session.calls.deadline()
        found = await session.claims.make(kind, name, claim, until)
        if isinstance(found, int):
            return Claimed(found)
        if found is None:
            return Absent()
        try:
            return await session.bodies.seen(name, found, until)
        except StoreUnavailable as away:
            raise ResponseUnavailable(str(away), reason=away.reason) from away

    async def _run_owned(
        self, script: Script, key: Key, claim: Claim, *more: Argument
    ) -> Any:
        session, owned = self._session, codec.header(b"P", claim.owner)
        until = session.calls.deadline()
        try:
            return await session.calls.evaluate(
                script, self._name(key), owned, *more, until=until
            )
        except StoreUnavailable:
            # After so long a time, no try of the claim can arrive any more.
            session.claims.finished(claim)
            raise

    @property
    def _session(self) -> Session:
        session = self._sessions.get(asyncio.get_running_loop())
        return session or self._begin_session()

    def _begin_session(self) -> Session:
        for loop in list(self._sessions):
            if loop.is_closed():  # it took its connections along
                self._sessions.pop(loop, None)
        loop = asyncio.get_running_loop()
        session = self._sessions[loop] = Session(self._client, self._options)
        return session

    def _name(self, key: Key) -> bytes:
        """A digest: of fixed length and alphabet, not to be guessed from a list of
        keys. Braces fix the cluster slot.
        """
        return f"{self._prefix}{key_digest(key)}}}".encode()
