"""One place where CloudFront serves a distribution, and what it keeps between requests:
functions that are warm, responses in the cache, connections to the origins.
"""

from .cache import Cache, Clock
from .distribution import Distribution
from .lambda_function import LambdaFunction
from .origin_client import OriginClient
from .origins import Origin


class EdgeLocation:
    def __init__(self, distribution: Distribution, clock: Clock) -> None:
        self.distribution = distribution
        self.function = LambdaFunction(distribution.function)
        self.cache = Cache(clock)
        self._clients = {each: OriginClient(each) for each in distribution.origins()}

    def client_of(self, origin: Origin) -> OriginClient:
        """What asks this origin."""
        return self._clients[origin]

    async def open(self) -> None:
        """Before the first request."""
        await self.function.open()

    async def close(self) -> None:
        """After the last one; nothing of it is left behind."""
        await self.function.close()
        for client in self._clients.values():
            await client.close()
