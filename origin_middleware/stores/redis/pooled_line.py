"""For clients whose connections cannot be taken over, such as fakeredis, and where
hiredis is missing: one command at a time on a connection of the client's pool.
"""

import asyncio
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError, RedisError, ResponseError

from .line import Command
from .refused import refused

# More would queue in the pool, where waiting looks like a server that does not answer.
_AT_ONCE = 32


class PooledLine:
    """A `Line` that opens and closes nothing."""

    closed = False
    in_order = False

    def __init__(self, client: Redis, silence: float) -> None:
        self._client = client
        self._silence = silence
        self._places = asyncio.Semaphore(_places(client))
        self.offset = 0
        self.quarantine = 0.0

    async def send(self, command: Command, until: float) -> Any:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(until):
            await self._places.acquire()
        try:
            async with asyncio.timeout_at(min(loop.time() + self._silence, until)):
                return await self._client.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py's gap
        except (ResponseError, BusyLoadingError) as error:
            raise refused(error) from error
        except RedisError as lost:
            raise ConnectionError(str(lost)) from lost
        finally:
            self._places.release()

    def close(self, reason: str) -> None:
        """The connections are the client's."""


def _places(client: Any) -> int:
    """As many as the client has connections, less two for the subscription."""
    pool = getattr(client, "connection_pool", None)
    most: int = getattr(pool, "max_connections", _AT_ONCE)
    return max(1, min(most, _AT_ONCE) - 2)
