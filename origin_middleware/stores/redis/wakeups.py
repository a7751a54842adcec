"""How a process learns that somebody else's claim has ended: one subscription, opened
at the first wait.
"""

import asyncio
import logging
import secrets
from contextlib import suppress

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import ResponseError

from ..waiting import Waiting

_log = logging.getLogger("origin_middleware")

_FIRST_SUBSCRIPTION = 0.25
_RECONNECT, _LONGEST_PAUSE = 0.25, 60.0
_IDLE = 15.0
_SILENCE = 1.0


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

    async def aclose(self) -> None:
        task, self._task = self._task, None  # it may be closed twice at once
        # redis-py may take one cancellation for a time limit of its own.
        while task is not None and not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=0.1)

    async def _listen(self) -> None:
        pause = _RECONNECT
        while True:
            try:
                async with self._client.pubsub() as pubsub:
                    async with asyncio.timeout(_SILENCE):
                        await pubsub.subscribe(self._channel)
                    await self._forward(pubsub)
            except Exception as exc:  # a credential provider raises what it likes
                words = f"{type(exc).__name__}: {exc}"
                if isinstance(exc, ResponseError) and not self._subscribed.is_set():
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    self._note_refusal(words)
                else:
                    pause = _RECONNECT
                    _log.info("Wake-ups are interrupted: %s", words)
            finally:
                self._subscribed.clear()
            await asyncio.sleep(pause)

    def _note_refusal(self, words: str) -> None:
        """Once: the server will say the same for as long as nobody changes it."""
        if words != self._refused:
            self._refused = words
            _log.warning(
                "Wake-ups are interrupted, and duplicates look again every second: "
                "SUBSCRIBE: %s",
                words,
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
