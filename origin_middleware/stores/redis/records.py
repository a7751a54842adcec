"""The records of a store as an operator sees them: by name, all of them, and in full.

Reading changes nothing. What changes a record goes through the same scripts as the
requests of an app.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from functools import cached_property
from typing import Any

from redis.asyncio.cluster import RedisCluster
from redis.exceptions import AuthenticationError, NoPermissionError, RedisError

from ...errors import RecordDamaged, StoreUnavailable
from ...key import Key
from ...record import Completed, Finished
from .. import codec
from . import scripts
from .bodies import place_of
from .facts import Facts as ServerFacts
from .facts import facts as server_facts
from .line import error_reply
from .store import RedisStore

# Names in one page of a scan: a call of some milliseconds, even of a million records.
_PAGE = 500


class Records(RedisStore):
    """A store whose keys are digests: the name of a record does not tell its key."""

    @property
    def namespace(self) -> str:
        return self._options["namespace"]

    @cached_property
    def _pattern(self) -> "re.Pattern[bytes]":
        """Of the name of a record: not of a body, and not of the mark of a server."""
        namespace = re.escape(self.namespace.encode())
        return re.compile(namespace + rb":\{([0-9a-f]{64})\}")

    async def response(self, digest: Key) -> bytes | None:
        """The recorded one, None where there is none. Raises as `Store`."""
        name, session = self._name(digest), self._session
        until = session.calls.deadline()
        record = await session.calls.run(
            name, lambda visit: visit.send("GET", name), until
        )
        if record is None:
            return None
        stored = codec.decode(record)
        seen = await session.bodies.seen(name, stored, until)
        if isinstance(seen, Finished) and isinstance(seen.outcome, Completed):
            return seen.outcome.response
        return None

    async def forget(self, digest: Key) -> bool:
        """Remove what is there, whatever it is; False where there is nothing. Raises
        as `Store`."""
        name, session = self._name(digest), self._session
        until = session.calls.deadline()
        try:
            begin = await session.calls.run(
                name, lambda visit: visit.send("GETRANGE", name, 0, 17), until
            )
        except RecordDamaged:  # a list or the like, which no request can change
            return bool(
                await session.calls.run(
                    name, lambda visit: visit.send("UNLINK", name), until
                )
            )
        body = place_of(name, begin[2:18])
        return bool(begin) and bool(
            await session.calls.run(
                name,
                lambda visit: visit.evaluate(scripts.FORGET, name, body, begin, keys=2),
                until,
            )
        )

    async def scan(self, rate: float) -> AsyncIterator[Key]:
        """The digests of all records. The server looks at `rate` of its keys in a
        second at most, whoever wrote them. Raises StoreUnavailable."""
        try:
            for node in await self._nodes():
                cursor: Any = 0
                while True:
                    cursor, names = await self._page(cursor, node)
                    for name in names:
                        if found := self._pattern.fullmatch(name):
                            yield Key(found[1].decode())
                    if not cursor:
                        break
                    await asyncio.sleep(_PAGE / rate)
        except RedisError as error:
            raise _refused("SCAN", error) from error

    async def _nodes(self) -> list[dict[str, Any]]:
        """Whom to ask for all keys: redis-py's arguments."""
        if not isinstance(self._client, RedisCluster):
            return [{}]
        await self._client.initialize()
        return [{"target_nodes": node} for node in self._client.get_primaries()]

    async def _page(self, cursor: int, node: dict[str, Any]) -> tuple[int, list[bytes]]:
        """Of names, and the cursor of the next one; 0 after the last."""
        pattern = f"{self.namespace}:{{*"
        found: Any = await self._client.scan(cursor, pattern, _PAGE, **node)
        following, names = found
        if isinstance(following, dict):  # by the nodes of a cluster
            (following,) = following.values()
        return int(following), names

    async def sample(self, number: int) -> list[Key]:
        """Digests of records that the server picks: some may come twice."""
        picked = []
        try:
            for _ in range(number):
                name: Any = await self._client.randomkey()
                found = self._pattern.fullmatch(name or b"")
                picked += [Key(found[1].decode())] if found else []
        except RedisError as error:
            raise _refused("RANDOMKEY", error) from error
        return picked

    async def keys_of_the_server(self) -> int:
        """How many keys this database has, whoever wrote them (DBSIZE). Raises
        StoreUnavailable."""
        try:
            everywhere = {"target_nodes": RedisCluster.PRIMARIES}
            clustered = isinstance(self._client, RedisCluster)
            return int(await self._client.dbsize(**(everywhere if clustered else {})))
        except RedisError as error:
            raise _refused("DBSIZE", error) from error

    async def clock(self) -> float:
        """Of the server, in Unix time. Raises StoreUnavailable."""
        seconds, microseconds = await self._session.calls.run(
            b"", lambda visit: visit.send("TIME"), self._session.calls.deadline()
        )
        return int(seconds) + int(microseconds) / 1e6

    async def clock_offset(self) -> float:
        """From this machine's clock to the server's, in seconds."""
        return await self.clock() - time.time()

    async def servers(self) -> dict[str, ServerFacts]:
        """What each says of itself (INFO). Raises StoreUnavailable."""
        try:
            told: Any = await self._client.info()
        except RedisError as error:
            raise _refused("INFO", error) from error
        many = all(isinstance(each, dict) for each in told.values()) and bool(told)
        nodes: dict[str, Any] = told if many and ":" in next(iter(told)) else {"": told}
        return {address: server_facts(info) for address, info in nodes.items()}

    def _name(self, key: Key) -> bytes:
        return f"{self._prefix}{key}}}".encode()


def _refused(command: str, error: RedisError) -> StoreUnavailable:
    denied = isinstance(error, (AuthenticationError, NoPermissionError))
    why = error_reply(error).advice if denied else error
    return StoreUnavailable(f"{command}: {why}", reason="denied" if denied else None)
