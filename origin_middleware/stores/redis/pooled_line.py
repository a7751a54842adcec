"""For clients whose connections cannot be taken over, such as fakeredis: one command at
a time on a connection of the client's pool.
"""

import asyncio
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError, ResponseError

from .error_reply import error_reply
from .line import Command

# More would queue in the pool, where waiting looks like a server that does not answer.
_AT_ONCE = 32

FEWEST = 3
"""Connections: one for commands, and two while a subscription is replaced."""


class PooledLine:
    """A `Line` that opens and closes nothing. It ends with the first connection that is
    lost, so that the server is asked anew what it is."""

    in_order = False

    def __init__(
        self, client: Redis, silence: float, places: asyncio.Semaphore
    ) -> None:
        self._client = client
        self._silence = silence
        self._places = places
        self.closed = False
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
            raise error_reply(error) from error
        except (TimeoutError, asyncio.CancelledError):
            self.closed = True  # redis-py gives up the connection of who gives up
            raise
        except Exception as lost:  # a credential provider raises what it likes
            self.closed = True
            raise ConnectionError(str(lost)) from lost
        finally:
            self._places.release()

    def close(self, _: str, /) -> None:
        """The connections are the client's."""
        self.closed = True

    async def wait_closed(self) -> None:
        """There is nothing to wait for."""


def places(client: Redis) -> asyncio.Semaphore:
    """One for each connection that the client may have, less those of a
    subscription."""
    most = min(client.connection_pool.max_connections, _AT_ONCE)
    return asyncio.Semaphore(most - FEWEST + 1)
