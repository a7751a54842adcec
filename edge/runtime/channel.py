"""A connection whose operations share one deadline.

A socket's timeout starts anew with each operation, so a server that drips bytes
outlives any timeout, and looking up a name takes none at all.
Both would end in the trigger's own timeout, which CloudFront answers with a 503:
on origin-response, in place of a response that was paid for.
"""

import errno
import os
import select
import socket
import ssl
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable, Sequence
from time import monotonic

from .hints import Any, TypeVar
from .settings import Endpoint

Clock = Callable[[], float]
# As socket.getaddrinfo: (family, type, protocol, canonical name, address) of each.
Resolve = Callable[..., list[Any]]
Result = TypeVar("Result")

# RFC 8305: how long one address is waited for before the next is tried beside it, and
# how long each of them has at least, where there is that much time.
_HEAD_START = 0.25
_LEAST = 1.0

# As much as one record of TLS holds.
_MOST_AT_ONCE = 16 * 1024


class Deadline:
    def __init__(self, seconds: float, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """The seconds left, always more than 0. Raises TimeoutError when none are."""
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left

    def part(self) -> "Deadline":
        """The same instant, and can be ended by itself."""
        return Deadline(self.left(), self._clock)

    def end(self) -> None:
        self._end = self._clock()


class Channel:
    """A connected socket, one exchange at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.begin(Deadline(0))

    def begin(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.has_received = False
        self._early = b""

    def is_quiet(self) -> bool:
        """Neither closed at the other end, nor holding bytes nobody asked for:
        they would be taken for the next answer."""
        self._socket.settimeout(0)
        try:
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def sendall(self, data: bytes) -> None:
        unsent = memoryview(data)
        while unsent:
            self._socket.settimeout(self.deadline.left())
            unsent = unsent[self._socket.send(unsent) :]

    def answers_within(self, share: float) -> bool:
        """Whether the other end says something, or hangs up, in a share of the time."""
        seconds = self.deadline.left() * share
        try:
            self._early = self._receive(seconds)
        except TimeoutError:
            return False
        return True

    def receive(self) -> bytes:
        """What has come; nothing if the other end has hung up."""
        early, self._early = self._early, b""
        return early or self._receive(self.deadline.left())

    def _receive(self, seconds: float) -> bytes:
        self._socket.settimeout(seconds)
        received = self._socket.recv(_MOST_AT_ONCE)
        self.has_received = self.has_received or received != b""
        return received

    def interrupt(self) -> None:
        """For another thread, which is waiting here: it goes on, and hangs up. Below
        TLS, whose own way of ending is not for two threads at once."""
        try:  # noqa: SIM105 - contextlib is cold start
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        except OSError:
            pass

    def hang_up(self) -> None:
        self._socket.close()


def open_channel(
    endpoint: Endpoint, tls: ssl.SSLContext | None, resolve: Resolve, deadline: Deadline
) -> Channel:
    sock = _connect(_addresses(endpoint, resolve, deadline), deadline)
    if tls is None:
        return Channel(sock)
    try:
        # To ssl the handshake is one operation, however many messages it takes.
        sock.settimeout(deadline.left())
        return Channel(tls.wrap_socket(sock, server_hostname=_name(endpoint)))
    except OSError:
        sock.close()
        raise


def first_of(attempts: Sequence[Callable[[], Result]], deadline: Deadline) -> Result:
    """The result of the first that has one; the last failure where none has.

    In threads, because that is the only way to stop waiting for some things.
    In bare ones, because importing threading is a millisecond of cold start."""
    results: list[Result] = []
    failures: list[Exception] = []
    done = allocate_lock()
    done.acquire()

    def run(attempt: Callable[[], Result]) -> None:  # pragma: no cover - not seen there
        try:
            results.append(attempt())
        except Exception as failure:  # raised below
            failures.append(failure)
            if len(failures) < len(attempts):
                return
        try:  # noqa: SIM105 - contextlib is cold start
            done.release()
        except RuntimeError:  # the other one has done it
            pass

    for attempt in attempts:
        start_new_thread(run, (attempt,))
    done.acquire(timeout=deadline.left())
    if results:
        return results[0]
    if len(failures) == len(attempts):
        raise failures[-1]
    raise TimeoutError("there was no result in time")


def _addresses(endpoint: Endpoint, resolve: Resolve, deadline: Deadline) -> list[Any]:
    name = _name(endpoint)
    return first_of(
        [lambda: resolve(name, endpoint.port, type=socket.SOCK_STREAM)], deadline
    )


def _name(endpoint: Endpoint) -> bytes:
    """As bytes: for text, Python loads its tables of international names first."""
    return endpoint.host.encode("ascii")


def _connect(addresses: list[Any], deadline: Deadline) -> socket.socket:
    """To whichever answers first. Each begins a moment after the one before, and none
    ends because the next has begun: one that is slow is as good as one that is not."""
    failure = OSError("the facilitator's name has no address")
    spare = max(0.0, deadline.left() - _LEAST)
    head_start = min(_HEAD_START, spare / max(1, len(addresses) - 1))
    untried, trying, poll = addresses[::-1], dict[int, socket.socket](), select.poll()
    try:
        while untried or trying:
            if untried:
                try:
                    sock = _begun(*untried.pop())
                except OSError as refused:
                    failure = refused
                    continue
                trying[sock.fileno()] = sock
                poll.register(sock, select.POLLOUT)
            left = deadline.left()
            for number, _ in poll.poll(
                1000 * (min(head_start, left) if untried else left)
            ):
                poll.unregister(number)
                sock = trying.pop(number)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code == 0:
                    return sock
                sock.close()
                failure = OSError(code, os.strerror(code))
    finally:
        for sock in trying.values():
            sock.close()
    raise failure


def _begun(
    family: int, kind: int, protocol: int, _name: str, address: Any
) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        # Nagle would hold the end of a long question back.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(address)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, os.strerror(code))
    except OSError:
        sock.close()
        raise
    return sock
