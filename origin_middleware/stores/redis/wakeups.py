"""How a process learns that somebody else's claim has ended: one subscription, opened
at the first wait.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import AuthenticationError, ResponseError

from ..waiting import Waiting
from .connection import words

_log = logging.getLogger("origin_middleware")

_FIRST_SUBSCRIPTION = 0.25
_RECONNECT, _LONGEST_PAUSE = 0.25, 60.0
_IDLE = 15.0
_SILENCE = 1.0
_CANCEL_AGAIN = 0.1


class WakeUps:
    def __init__(
        self, client: Redis | RedisCluster, waiting: Waiting, namespace: str
    ) -> None:
        self._client = client
        self._waiting = waiting
        self._channel = f"{namespace}:wake:{secrets.token_hex(8)}"
        self._subscribed = asyncio.Event()
        self._refused = ""
        """The server's words."""
        self._task: asyncio.Task[None] | None = None
        self._subscription: asyncio.Task[None] | None = None
        self._renewed = False

    async def channel(self) -> str:
        """The channel that wakes this process; '' while there is no subscription."""
        if self._task is None or self._task.done():
            self._subscribed = asyncio.Event()
            self._task = asyncio.get_running_loop().create_task(self._listen())
        if self._refused:
            return ""
        with suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_SUBSCRIPTION):
                await self._subscribed.wait()
        return self._channel if self._subscribed.is_set() else ""

    def renew(self) -> None:
        """The records may be at another server now, and the subscription at the one of
        before."""
        if self._subscription is not None:
            self._renewed = True
            self._subscription.cancel()

    async def aclose(self) -> None:
        task, self._task = self._task, None  # it may be closed twice at once
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _listen(self) -> None:
        """Ends when it is cancelled, whatever redis-py makes of that: it may raise
        something else while it closes the connection, and then it would be opened anew.
        An event loop that ends asks only once, and waits.
        """
        while True:
            subscription = asyncio.create_task(self._stay_subscribed())
            self._subscription, self._renewed = subscription, False
            try:
                await asyncio.wait([subscription])
                if not self._renewed:  # by a credential provider that was cancelled
                    await asyncio.sleep(_RECONNECT)
            except asyncio.CancelledError:
                while not subscription.done():
                    subscription.cancel()
                    await asyncio.wait([subscription], timeout=_CANCEL_AGAIN)
                raise

    async def _stay_subscribed(self) -> None:
        pause, told = _RECONNECT, False
        while True:
            try:
                async with _subscription(self._client) as pubsub:
                    async with asyncio.timeout(_SILENCE):
                        await pubsub.subscribe(self._channel)
                    await self._forward(pubsub)
            except Exception as exc:  # a credential provider raises what it likes
                said = f"{type(exc).__name__}: {words(exc)}"
                denied = isinstance(exc, (AuthenticationError, ResponseError))
                if denied and not self._subscribed.is_set():
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    self._note_refusal(said)
                else:
                    pause = _RECONNECT
                    if self._subscribed.is_set() or not told:  # once for each outage
                        _log.info("Wake-ups are interrupted: %s", said)
                    told = True
            finally:
                self._subscribed.clear()
            await asyncio.sleep(pause)

    def _note_refusal(self, said: str) -> None:
        """Once: the server will say the same for as long as nobody changes it."""
        if said != self._refused:
            self._refused = said
            _log.warning(
                "Wake-ups are interrupted, and duplicates look again every second: "
                "SUBSCRIBE: %s",
                said,
            )

    async def _forward(self, pubsub: PubSub) -> None:
        pause = _SILENCE
        while True:
            message = await pubsub.get_message(timeout=pause)
            if message is None and pause == _SILENCE:
                raise ConnectionError("the subscription fell silent")
            if message is None:
                await pubsub.ping()  # does the connection still lead anywhere?
                pause = _SILENCE
                continue
            pause = _IDLE
            if message["type"] == "subscribe":
                self._refused = ""
                self._subscribed.set()
                self._waiting.wake_all()  # whatever was published in between is lost
            elif message["type"] == "message":
                self._waiting.wake(message["data"])


@asynccontextmanager
async def _subscription(client: Redis | RedisCluster) -> AsyncIterator[PubSub]:
    """With a pool of its own. That of a client has a lock which belongs to one event
    loop, and there may be several, in threads.
    """
    if not isinstance(client, Redis):
        async with client.pubsub() as pubsub:
            yield pubsub
        return
    shared = client.connection_pool
    pool = ConnectionPool(shared.connection_class, **shared.connection_kwargs)
    pool.make_connection = shared.make_connection  # type: ignore[method-assign] # the user's pool may know more
    async with Redis.from_pool(pool) as own, own.pubsub() as pubsub:
        yield pubsub
