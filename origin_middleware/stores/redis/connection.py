"""How a line to a server is opened: a connection of redis-py is taken over, or the pool
of a client is used as it is.

redis-py opens the connection, so it goes wherever redis-py can: TCP, TLS, a unix
socket, a primary that Sentinel names. There are no public names for taking it over, and
this file has every private one that the store relies on. Where redis-py lacks one, its
pool is used, which is slower.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import redis
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection, Connection
from redis.asyncio.connection import UnixDomainSocketConnection as UnixConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, ResponseError

from .line import Command, ErrorReply, Line, error_reply, now
from .shared_line import SharedLine

_log = logging.getLogger("origin_middleware")

_WITHOUT_HELLO = (
    "(With ?protocol=2 in the URL, or protocol=2 for the client, redis-py does not say "
    "HELLO.)"
)

_PRIVATE = ("_connect", "_reader", "_writer")

# More would queue in the pool, where waiting looks like a server that does not answer.
_AT_ONCE = 32

# So many times as long as for one reply: all of the budget.
_LONGEST = 4

# An outage of so many seconds may have moved the server far away.
_OUTAGE = 10.0


class ConnectTimeout:
    """How long it may take to connect.

    No longer than a reply at first, because packets that were lost are not worth
    waiting for. But TLS and a login take several round trips, and each takes its time
    where the server is far away: what was too short is doubled. Not so where it was
    reached before: an attempt that began in a short outage would outlast it.
    """

    def __init__(self, silence: float) -> None:
        self.silence = silence
        """How long a reply may take."""
        self.seconds = silence
        self._grows_at: float | None = 0.0

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[None]:
        """Raises TimeoutError."""
        try:
            async with asyncio.timeout(self.seconds):
                yield
        except TimeoutError:
            if self._grows_at is None:
                self._grows_at = now() + _OUTAGE
            if now() >= self._grows_at:
                self.allow(2 * self.seconds)
            raise
        self._grows_at = None

    def allow(self, seconds: float) -> None:
        self.seconds = min(max(seconds, self.silence), _LONGEST * self.silence)


class Connections:
    """To one server."""

    def __init__(
        self,
        make: Callable[[], AbstractConnection],
        client: Callable[[], Redis],
        silence: float,
    ) -> None:
        """`make` gives a connection to take over, `client` the pool to use instead."""
        self._make = make
        self._client = client
        self._timeout = ConnectTimeout(silence)
        self._pool: Pool | None = None

    async def open(self) -> Line:
        """Raises OSError where there is no connection, and ErrorReply."""
        if self._pool is None:
            line = await take_over(self._make(), self._timeout)
            if line is not None:
                return line
            self._pool = Pool(self._client())
        return PooledLine(self._pool, self._timeout)


def opens_sockets(connection_class: type[AbstractConnection]) -> bool:
    """Others have no connection that could be taken over: fakeredis has none at all."""
    ordinary = (Connection, UnixConnection)
    own = getattr(connection_class, "_connect", None)
    return own in [getattr(each, "_connect", None) for each in ordinary]


async def take_over(
    connection: AbstractConnection, timeout: ConnectTimeout
) -> SharedLine | None:
    """None where this redis-py, or this kind of connection, does not allow it.

    Raises as `Connections.open`.
    """
    if not opens_sockets(type(connection)):
        return None
    missing = [name for name in _PRIVATE if not hasattr(connection, name)]
    if missing:
        _warn_slower(missing[0])
        return None
    await _connect(connection, timeout)
    stream: object = connection._writer  # noqa: SLF001 - there is no public name
    if stream is None and not connection.is_connected:
        raise ConnectionError("the connection was closed as it was opened")
    if not isinstance(stream, asyncio.StreamWriter):
        await connection.disconnect(nowait=True)
        _warn_slower("_writer")
        return None
    connection._writer = connection._reader = None  # noqa: SLF001 - as above
    return SharedLine(stream, timeout.silence)


async def _connect(connection: AbstractConnection, timeout: ConnectTimeout) -> None:
    connection.retry = Retry(NoBackoff(), 0)  # retries are ours, and they tell why
    begun, seconds = now(), timeout.seconds
    try:
        async with timeout.attempt():
            await connection.connect()  # type: ignore[no-untyped-call] # redis-py's gap
        timeout.allow(2 * (now() - begun))
    except (ResponseError, AuthenticationError) as error:
        await connection.disconnect(nowait=True)
        reply = error_reply(error)
        if "hello" in str(reply).lower():
            reply = ErrorReply(f"{reply} {_WITHOUT_HELLO}")
        raise reply from error
    except TimeoutError:
        await connection.disconnect(nowait=True)
        raise TimeoutError(f"no connection within {seconds:g} s") from None
    except MasterNotFoundError as lost:
        await connection.disconnect(nowait=True)
        raise ConnectionError(f"no connection: {words(lost)}") from None
    except Exception as lost:  # a credential provider raises what it likes
        await connection.disconnect(nowait=True)
        raise ConnectionError(f"no connection: {lost}") from lost
    except BaseException:
        await connection.disconnect(nowait=True)
        raise


def words(lost: Exception) -> str:
    """Of redis-py. Where no primary is found, it lists the settings of the clients of
    the sentinels, and before 8.0 their passwords.
    """
    if not isinstance(lost, MasterNotFoundError):
        return str(lost)
    said, _, failures = str(lost).partition(" : ")
    if "AuthenticationError" in failures:
        return (
            f"{said}: the sentinels demand another password, as in "
            'Sentinel(..., sentinel_kwargs={"password": ...}).'
        )
    kinds = sorted(set(re.findall(r"\b[A-Z][A-Za-z]+Error\b", failures)))
    return f"{said}: {', '.join(kinds) or 'none of this name is up'}"


@cache
def _warn_slower(missing: str) -> None:
    """Once: a process does not change its redis-py."""
    _log.warning(
        "RedisStore does not know redis-py %s: its connections have no %s. The store "
        "works, but more slowly, because requests cannot share a connection. Install "
        "a supported version: pip install 'redis[hiredis]>=6,<9', or upgrade "
        "origin-middleware.",
        redis.__version__,
        missing,
    )


class Pool:
    """A client's, with a place for each connection that commands may have."""

    def __init__(self, client: Redis) -> None:
        self.client = client
        most = min(client.connection_pool.max_connections, _AT_ONCE)
        self.places = asyncio.Semaphore(most)


class PooledLine:
    """A `Line` that opens and closes nothing: each command has a connection of the pool
    to itself. It ends with the first connection that is lost, so that the server is
    asked anew what it is."""

    in_order = False

    def __init__(self, pool: Pool, timeout: ConnectTimeout) -> None:
        self._pool = pool
        self._timeout = timeout
        self.closed = False

    async def send(self, command: Command, until: float, asking: bool = False) -> Any:
        async with asyncio.timeout_at(until):
            await self._pool.places.acquire()
        try:
            # The pool may have to connect first.
            async with asyncio.timeout_at(until), self._timeout.attempt():
                if asking:
                    return await self._ask(command)
                return await self._pool.client.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py's gap
        except (ResponseError, AuthenticationError, BusyLoadingError) as error:
            raise error_reply(error) from error
        except (TimeoutError, asyncio.CancelledError):
            self.closed = True  # redis-py gives up the connection of who gives up
            raise
        except Exception as lost:  # a credential provider raises what it likes
            self.closed = True
            raise ConnectionError(words(lost)) from lost
        finally:
            self._pool.places.release()

    def close(self, _: str, /) -> None:
        """The connections are the client's."""
        self.closed = True

    async def wait_closed(self) -> None:
        """There is nothing to wait for."""

    async def _ask(self, command: Command) -> Any:
        """Both on one connection."""
        together = self._pool.client.pipeline(transaction=False)
        together.execute_command("ASKING")
        together.execute_command(*command)
        _, reply = await together.execute(raise_on_error=False)
        if isinstance(reply, Exception):
            raise reply
        return reply
