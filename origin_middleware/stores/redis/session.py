"""What of a store belongs to one event loop: its lines, its waiters, its subscription.

An app has one loop for life. Tests have more: Starlette's TestClient begins one for
each request, unless it is used in a `with`.
"""

import asyncio

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from ..waiting import Waiting
from .bodies import Bodies
from .claims import Claims
from .options import Options
from .replicas import Replicas
from .safety import Safety
from .server import Server
from .wakeups import WakeUps


class Session:
    def __init__(self, client: Redis | RedisCluster, options: Options) -> None:
        self.loop = asyncio.get_running_loop()
        safety = Safety(
            options["on_eviction"],
            options["quarantine"],
            replicated=options["replicas"] > 0,
            clustered=isinstance(client, RedisCluster),
        )
        self.server = Server(client, options["budget"], safety)
        replicas = Replicas(options["replicas"], options["replicas_timeout"])
        self.claims = Claims(self.server, replicas)
        self.bodies = Bodies(self.server)
        self.waiting = Waiting()
        self.wakeups = WakeUps(client, self.waiting, options["namespace"])

    async def aclose(self) -> None:
        await self.wakeups.aclose()
        await self.claims.aclose()
        await self.server.aclose()
