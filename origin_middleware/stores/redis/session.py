"""The part of a store that belongs to one event loop.

An app has one loop for life. Tests have more: Starlette's TestClient begins one for
each request, unless it is used in a `with`; a live server in a thread has its own.
"""

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from ..waiting import Waiting
from .bodies import Bodies
from .calls import Calls
from .claims import Claims
from .line import Line
from .options import Options
from .replicas import Replicas
from .safety import Safety
from .topology import Endpoint
from .wakeups import WakeUps


class Session:
    """Its lines, its waiters, its subscription."""

    def __init__(self, client: Redis | RedisCluster, options: Options) -> None:
        self._safety = Safety(
            options["on_eviction"],
            options["quarantine"],
            replicated=options["replicas"] > 0,
            clustered=isinstance(client, RedisCluster) or options["single_endpoint"],
            namespace=options["namespace"],
            budget=options["budget"],
        )
        self.calls = Calls(client, options["budget"], self._greet)
        replicas = Replicas(options["replicas"], options["replicas_timeout"])
        self.claims = Claims(self.calls, replicas)
        self.bodies = Bodies(self.calls)
        self.waiting = Waiting()
        self.wakeups = WakeUps(client, self.waiting, options["namespace"])

    async def _greet(self, endpoint: Endpoint, line: Line) -> None:
        before = self._safety.run(endpoint)
        await self._safety.greet(endpoint, line)
        if not before or before != self._safety.run(endpoint):
            self.wakeups.renew()

    async def aclose(self) -> None:
        await self._close()
        await self.claims.aclose()  # withdraws those that ended in doubt, on new lines
        await self._close()

    async def _close(self) -> None:
        self.waiting.look_no_more()
        await self.wakeups.aclose()
        await self.calls.aclose()
