"""One connection for many: whose reply is whose, and when nobody's is to be trusted."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from random import Random
from secrets import token_hex
from typing import Any

import pytest
from redis.asyncio import Connection, Redis
from redis.credentials import CredentialProvider

from origin_middleware.stores.redis.connection import ConnectTimeout, take_over
from origin_middleware.stores.redis.line import CutOff, ErrorReply
from origin_middleware.stores.redis.shared_line import SharedLine
from tests.support.machine import Stalls
from tests.support.proxy import Fault, Proxy
from tests.support.servers import RedisServer

SILENCE = 0.2


@pytest.fixture
async def proxy(valkey_server: RedisServer) -> AsyncIterator[Proxy]:
    async with Proxy(valkey_server.port) as proxy:
        yield proxy


@pytest.fixture
async def line(proxy: Proxy) -> AsyncIterator[SharedLine]:
    line = await a_line(proxy.port, patience=20)
    yield line
    line.close("the test is over")


@pytest.fixture
async def client(valkey_server: RedisServer) -> AsyncIterator[Redis]:
    async with Redis.from_url(valkey_server.url) as client:
        yield client


async def a_line(
    port: int, silence: float = SILENCE, *, patience: int = 1
) -> SharedLine:
    """A busy machine may connect too late: tried `patience` times."""
    for _ in range(patience - 1):
        with suppress(TimeoutError):
            return await a_line(port, silence)
    line = await take_over(Connection(port=port, protocol=3), ConnectTimeout(silence))
    assert line
    return line


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


async def ends(replies: Sequence["asyncio.Future[Any]"]) -> list[Any]:
    """What became of each: its reply, or what its sender was told instead."""
    _, pending = await asyncio.wait(replies, timeout=5)
    assert not pending
    return [reply.exception() or reply.result() for reply in replies]


@pytest.mark.parametrize("seed", range(5))
async def test_nobody_gets_anothers_reply(
    valkey_server: RedisServer, seed: int
) -> None:
    """Though some of a thousand give up, before or after their command has left."""
    line, random = await a_line(valkey_server.port, silence=5), Random(seed)  # noqa: S311 - a seed that can be repeated
    turn = asyncio.Semaphore(random.randint(20, 200))

    async def ask(n: int) -> None:
        text = b"%d:" % n + b"x" * random.choice([0, 0, 100, 5_000, 50_000])
        async with turn:
            for _ in range(random.randrange(3)):
                await asyncio.sleep(0)
            assert await line.send(("ECHO", text), soon()) == text
            answered.add(n)

    answered: set[int] = set()
    asking = [asyncio.create_task(ask(n)) for n in range(1_000)]
    for _ in range(500):
        random.choice(asking).cancel()
        await asyncio.sleep(0)
    done = await asyncio.gather(*asking, return_exceptions=True)
    gave_up = [n for n, end in enumerate(done) if end is not None]
    assert all(isinstance(done[n], asyncio.CancelledError) for n in gave_up)
    assert gave_up
    assert len(answered) == 1_000 - len(gave_up) >= 500
    assert await line.send(("ECHO", b"the last"), soon()) == b"the last"
    line.close("the test is over")


async def test_commands_of_one_turn_leave_together(
    proxy: Proxy, line: SharedLine
) -> None:
    """The first one at once, and the others in one piece."""
    written: list[int] = []
    line._transport = Counting(line._transport, written)  # type: ignore[assignment] # in between
    proxy.count_anew()
    replies = [line.send(("ECHO", b"%d" % n), soon()) for n in range(100)]
    assert await ends(replies) == [b"%d" % n for n in range(100)]
    assert proxy.commands == {"ECHO": 100}
    assert proxy.round_trips == 1
    assert len(written) == 2


class Counting:
    """A transport, and how much was written each time."""

    def __init__(self, transport: asyncio.WriteTransport, written: list[int]) -> None:
        self._transport = transport
        self._written = written

    def write(self, data: bytes) -> None:
        self._written.append(len(data))
        self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def test_a_refusal_is_its_senders_alone(line: SharedLine) -> None:
    replies = [line.send((c, b"a"), soon()) for c in ("ECHO", "NO-SUCH", "ECHO")]
    first, refused, last = await ends(replies)
    assert (first, last) == (b"a", b"a")
    assert isinstance(refused, ErrorReply)
    assert refused.code == "ERR"
    assert not line.closed


@pytest.mark.parametrize("unasked", [b"+surprise\r\n", b"-ERR surprise\r\n", b"?\r\n"])
async def test_a_reply_that_nobody_waits_for_closes_the_line(
    proxy: Proxy, line: SharedLine, unasked: bytes
) -> None:
    proxy.say(unasked)
    await proxy.deserted()
    assert line.closed
    (told,) = await ends([line.send(("PING",), soon())])
    assert isinstance(told, ConnectionError)


async def test_a_reply_too_many_closes_the_line(proxy: Proxy, line: SharedLine) -> None:
    """It cannot be told which one it was, but the next to come would be wrong."""
    held_back = proxy.spoil("GET", Fault.DELAY_REPLY, times=1)
    first, second = (line.send(("GET", b"absent"), soon()) for _ in range(2))
    await held_back.happened.wait()
    proxy.say(b"+surprise\r\n" * 3)
    held_back.delayed.set()
    await ends([first, second])
    await proxy.deserted()
    assert line.closed


async def test_bytes_that_mean_nothing_fail_everybody(proxy: Proxy) -> None:
    line = await a_line(proxy.port, silence=60)
    proxy.spoil("GET", Fault.CORRUPT_REPLY, times=1)
    replies = [line.send((c, b"a"), soon()) for c in ("ECHO", "GET", "ECHO", "ECHO")]
    first, *others = await ends(replies)
    assert first == b"a"
    assert [type(other) for other in others] == [ConnectionError] * 3
    assert line.closed


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER])
async def test_a_lost_connection_fails_everybody_at_once(
    proxy: Proxy, fault: Fault
) -> None:
    line = await a_line(proxy.port, silence=60)
    proxy.spoil("GET", fault, times=1)
    replies = [line.send((c, b"a"), soon()) for c in ("ECHO", "GET", "ECHO")]
    first, *others = await ends(replies)
    assert first == b"a"
    assert [type(other) for other in others] == [CutOff, ConnectionError]
    assert line.closed


async def test_who_waits_is_answered_by_the_deadline(
    proxy: Proxy, stalls: Stalls
) -> None:
    """The line goes on: the reply is thrown away when it comes, and the next is not
    taken for it."""
    line = await a_line(proxy.port, silence=2)
    loop = asyncio.get_running_loop()
    held_back = proxy.spoil("GET", Fault.DELAY_REPLY, times=1)
    begun = loop.time()
    with pytest.raises(TimeoutError):
        await line.send(("GET", b"absent"), begun + 0.5)
    assert 0 < loop.time() - begun <= 0.6 + stalls.seconds
    assert not line.closed
    held_back.delayed.set()
    assert await line.send(("ECHO", b"next"), soon()) == b"next"
    line.close("the test is over")


async def test_silence_closes_the_line(
    proxy: Proxy, line: SharedLine, stalls: Stalls
) -> None:
    loop = asyncio.get_running_loop()
    proxy.spoil("GET", Fault.LOSE_REPLY, times=1)
    begun = loop.time()
    replies = [line.send((c, b"a"), soon()) for c in ("GET", "ECHO")]
    told = await ends(replies)
    assert [str(end) for end in told] == [f"no reply for {SILENCE:g} s"] * 2
    took = round(loop.time() - begun, 3)  # uvloop tells the time in ms
    assert SILENCE <= took <= 2 * SILENCE + stalls.seconds
    await proxy.deserted()


async def test_a_large_command_is_given_time_to_leave(
    proxy: Proxy, line: SharedLine
) -> None:
    """Beneath TLS it leaves without anything that could be seen to move."""
    held_back, name = proxy.spoil("SET", Fault.DELAY_REPLY), f"body-{token_hex(4)}"
    reply = line.send(("SET", name, bytes(1_048_576), "PX", 60_000), soon())
    await asyncio.wait({reply}, timeout=3 * SILENCE)
    assert not line.closed
    held_back.delayed.set()
    assert await reply == b"OK"
    proxy.spoil("GET", Fault.LOSE_REPLY, times=1)
    next_one = line.send(("GET", b"absent"), soon())
    await asyncio.wait({next_one}, timeout=2 * SILENCE)
    assert "no reply for" in str(next_one.exception()), "but the next one has not"


async def test_asking_comes_right_before_its_command_and_its_reply_is_nobodys(
    proxy: Proxy, line: SharedLine
) -> None:
    """A server without a cluster refuses it, which is no concern of the command."""
    proxy.count_anew()
    sent = [line.send(("ECHO", b"a"), soon(), n == 1) for n in range(3)]
    assert await ends(sent) == [b"a"] * 3
    assert proxy.commands == {"ECHO": 3, "ASKING": 1}


async def test_a_line_that_was_closed_leaves_no_connection(
    proxy: Proxy, line: SharedLine
) -> None:
    line.close("the test is over")
    assert not line._gone.is_set()
    await line.wait_closed()
    assert line._gone.is_set()


async def test_a_line_that_has_nothing_to_wait_for_may_be_silent(
    proxy: Proxy, line: SharedLine
) -> None:
    await line.send(("PING",), soon())
    lost = asyncio.create_task(proxy.deserted())
    await asyncio.wait({lost}, timeout=3 * SILENCE)
    lost.cancel()
    assert not line.closed
    proxy.latency = SILENCE / 2
    assert await line.send(("ECHO", b"still there"), soon()) == b"still there"


async def test_what_moves_slowly_is_no_silence(proxy: Proxy, client: Redis) -> None:
    """A large command leaves in pieces, and a large reply comes in pieces."""
    loop, name = asyncio.get_running_loop(), f"body-{token_hex(4)}"
    line, body = await a_line(proxy.port, silence=0.5), b"0123456789" * 800_000
    proxy.trickle = 0.1
    link: socket.socket = line._transport.get_extra_info("socket")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)  # or it hides there
    for command, reply in (
        (("SET", name, body, "PX", 60_000), b"OK"),
        (("GET", name), body),
    ):
        begun = loop.time()
        assert await line.send(command, soon()) == reply
        assert loop.time() - begun > 0.5, "not slow enough to tell"
    await client.delete(name)
    line.close("the test is over")


async def test_what_the_server_says_of_itself_is_nobodys_reply(
    valkey_server: RedisServer, client: Redis
) -> None:
    """RESP3 pushes, here of a key that has changed."""
    line, name = (
        await a_line(valkey_server.port, patience=20),
        f"watched-{token_hex(4)}",
    )
    await line.send(("CLIENT", "TRACKING", "ON"), soon())
    for n in range(10):
        await line.send(("GET", name), soon())
        await client.set(name, n, px=60_000)
        told = [line.send(("ECHO", b"%d" % i), soon()) for i in range(3)]
        assert await ends(told) == [b"0", b"1", b"2"]
    assert not line.closed
    line.close("the test is over")


async def test_closing_is_final_and_may_be_repeated(
    proxy: Proxy, line: SharedLine
) -> None:
    held_back = proxy.spoil("GET", Fault.DELAY_REPLY, times=1)
    waiting = line.send(("GET", b"absent"), soon())
    await held_back.happened.wait()
    line.close("first")
    line.close("second")
    for command, reason in (waiting, "first"), (line.send(("PING",), soon()), "closed"):
        with pytest.raises(ConnectionError, match=reason):
            await asyncio.wait_for(command, 5)
    await proxy.deserted()


async def test_who_gave_up_does_not_disturb_the_closing(
    proxy: Proxy, line: SharedLine
) -> None:
    held_back = proxy.spoil("GET", Fault.DELAY_REPLY, times=1)
    gave_up, waiting = (line.send(("GET", b"absent"), soon()) for _ in range(2))
    await held_back.happened.wait()
    gave_up.cancel()
    line.close("over")
    with pytest.raises(ConnectionError, match="over"):
        await asyncio.wait_for(waiting, 5)
    assert gave_up.cancelled()


@pytest.mark.parametrize("fault", [Fault.LOSE_REPLY, Fault.RESET_BEFORE])
async def test_a_connection_that_is_not_made_raises_in_time(
    proxy: Proxy, fault: Fault, stalls: Stalls
) -> None:
    loop = asyncio.get_running_loop()
    proxy.spoil("HELLO", fault)
    begun = loop.time()
    with pytest.raises((TimeoutError, ConnectionError)) as kept:
        await a_line(proxy.port)
    assert loop.time() - begun <= 2 * SILENCE + stalls.seconds
    await proxy.deserted()  # while its traceback is kept, and nothing is collected
    assert isinstance(kept.value, OSError)


async def test_a_server_that_refuses_at_once_says_why(proxy: Proxy) -> None:
    proxy.spoil("HELLO", "NOPERM this user has no permissions")
    with pytest.raises(ErrorReply, match="NOPERM"):
        await a_line(proxy.port)
    await proxy.deserted()


async def test_large_commands_that_keep_coming_do_not_hide_the_silence(
    proxy: Proxy, line: SharedLine, stalls: Stalls
) -> None:
    """Each is given time to leave, but they leave one after the other."""
    loop, body = asyncio.get_running_loop(), bytes(200_000)
    await line.send(("PING",), soon())
    proxy.swallow()
    begun, sent = loop.time(), []
    while not line.closed and loop.time() - begun < 2:
        sent.append(line.send(("SET", "never", body, "PX", 60_000), soon()))
        await asyncio.wait(sent, timeout=SILENCE / 4)
    assert line.closed
    assert loop.time() - begun <= 3 * SILENCE + stalls.seconds
    assert {str(end) for end in await ends(sent)} == {f"no reply for {SILENCE:g} s"}


async def test_whatever_keeps_a_connection_from_being_made_is_an_outage(
    valkey_server: RedisServer,
) -> None:
    """Such as a service that gives out passwords, and is away."""
    nobody = Connection(port=valkey_server.port, credential_provider=Away())
    with pytest.raises(ConnectionError, match="no token today"):
        await take_over(nobody, ConnectTimeout(SILENCE))


class Away(CredentialProvider):
    def get_credentials(self) -> tuple[str]:
        raise ValueError("no token today")
