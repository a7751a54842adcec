"""RedisStore: the promises of `Store`, kept by the scripts in lua/."""

import hashlib
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ...errors import ConfigurationError
from ...key import Key
from ...record import (
    Absent,
    Answer,
    Claim,
    Evidence,
    Finished,
    Held,
    Outcome,
    Preceded,
    Recorded,
)
from .. import codec
from ..codec import milliseconds
from ..waiting import Waiting
from . import scripts
from .checks import check
from .claims import CLAIM, TAKE_OVER, Claims
from .replies import finished, stored
from .scripts import Script
from .server import MAX_CONNECTIONS, Argument, Server
from .wakeups import WakeUps


class RedisStore:
    """Keeps records in Redis 6.2 or newer, or Valkey.

    Every call is over after `budget` seconds, with the client's own retries inside it:
    give more where large responses cross a slow network. For one event loop.
    `namespace` begins the name of every key; services that share a server but not their
    records need different ones.
    The client stays the caller's: `aclose` does not close it, except after `from_url`.

    Raises ConfigurationError for a client that cannot work.
    """

    def __init__(
        self, client: Redis, *, namespace: str = "idem", budget: float = 1.0
    ) -> None:
        check(client, namespace, budget)
        self._client = client
        self._owns_client = False
        self._namespace = namespace
        self._server = Server(client, budget)
        self._claims = Claims(self._server)
        self._waiting = Waiting()
        self._wakeups = WakeUps(client, self._waiting, namespace)

    @classmethod
    def from_url(
        cls, url: str, *, namespace: str = "idem", budget: float = 1.0
    ) -> "RedisStore":
        """With a client of its own, configured so that a request never waits for Redis
        longer than `budget`.

        `url` is what redis-py takes: redis://, rediss://, unix://. Raises
        ConfigurationError for another one.
        """
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=MAX_CONNECTIONS,
                timeout=budget,
                # Retries are ours: they carry the owner token. So are time limits.
                retry=Retry(NoBackoff(), 0),
                socket_timeout=None,
                socket_connect_timeout=None,
                health_check_interval=15,
            )
        except ValueError as exc:
            # Without the URL, which may carry a password.
            raise ConfigurationError(f"RedisStore.from_url(...): {exc}") from exc
        store = cls(Redis.from_pool(pool), namespace=namespace, budget=budget)
        store._owns_client = True
        return store

    async def check(self) -> None:
        """Raises StoreUnavailable where the server cannot be reached; for a start-up
        that wants to know.
        """
        await self._server.read_clock()

    async def claim(self, key: Key, claim: Claim, /) -> Answer:
        return await self._claims.make(CLAIM, self._name(key), claim)

    async def take_over(self, key: Key, claim: Claim, /) -> Answer:
        return await self._claims.make(TAKE_OVER, self._name(key), claim)

    async def wait(
        self, key: Key, held: Held, timeout: float, /
    ) -> Absent | Held | Finished:
        name = self._name(key)

        async def look() -> Absent | Held | Finished:
            channel = await self._wakeups.channel()
            reply = await self._server.run(scripts.WATCH, name, channel)
            return Absent() if reply is None else stored(reply).seen

        return await self._waiting.wait(name, held, timeout, look)

    async def renew(self, key: Key, claim: Claim, /) -> bool:
        retention = milliseconds(claim.retention)
        return bool(
            await self._run_owned(
                scripts.RENEW, key, claim, retention, codec.lease(claim)
            )
        )

    async def complete(
        self, key: Key, claim: Claim, outcome: Outcome, /
    ) -> Recorded | Preceded:
        record = codec.finished(claim, outcome)
        retention = milliseconds(claim.retention)
        reply = await self._server.run(
            scripts.COMPLETE, self._name(key), record, retention
        )
        self._claims.finished(claim)
        if isinstance(reply, list):
            return Preceded(finished(reply[0]))
        return Recorded(Evidence(reply.decode()))

    async def release(self, key: Key, claim: Claim, /) -> bool:
        released = bool(await self._run_owned(scripts.RELEASE, key, claim))
        self._claims.released(claim)
        return released

    async def abandon(self, key: Key, claim: Claim, /) -> bool:
        self._claims.finished(claim)
        return bool(await self._run_owned(scripts.ABANDON, key, claim))

    async def aclose(self) -> None:
        """End the subscription and, after `from_url`, the connections. The store may be
        used again afterwards.
        """
        await self._wakeups.aclose()
        await self._claims.aclose()
        if self._owns_client:
            await self._client.aclose()

    async def _run_owned(
        self, script: Script, key: Key, claim: Claim, *more: Argument
    ) -> Any:
        return await self._server.run(
            script, self._name(key), codec.header(b"P", claim.owner), *more
        )

    def _name(self, key: Key) -> bytes:
        """A digest: of fixed length and alphabet, not to be guessed from a list of
        keys. Braces fix the cluster slot.
        """
        return (
            f"{self._namespace}:{{{hashlib.sha256(key.encode()).hexdigest()}}}".encode()
        )
