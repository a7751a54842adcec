"""A connection whose every operation gets what is left of one deadline.

A socket's timeout starts anew with each operation, so a server that drips bytes
outlives any timeout, and looking up a name takes none at all.
Both would end in the trigger's own timeout, which CloudFront answers with a 503:
on origin-response, in place of a response that was paid for.
"""

import io
import socket
import ssl
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable
from time import monotonic

from .hints import Any
from .settings import Endpoint

Clock = Callable[[], float]
# As socket.getaddrinfo: (family, type, protocol, canonical name, address) of each.
Resolve = Callable[..., list[Any]]


class Deadline:
    def __init__(self, seconds: float, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._end = clock() + seconds

    def left(self) -> float:
        """Always some seconds: when there are none left, TimeoutError."""
        left = self._end - self._clock()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return left


class Channel:
    """As much of a socket as http.client uses."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.deadline = Deadline(0)
        self.has_received = False

    def begin(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.has_received = False

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

    def receive_into(self, buffer: memoryview) -> int:
        self._socket.settimeout(self.deadline.left())
        count = self._socket.recv_into(buffer)
        self.has_received = self.has_received or count > 0
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Does nothing: http.client calls it before it has read the body of an answer
        that says `connection: close`. A real socket counts its readers; this one has
        an owner, who calls `hang_up`."""

    def hang_up(self) -> None:
        self._socket.close()


class _Reader(io.RawIOBase):
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._channel.receive_into(buffer)


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


def _addresses(endpoint: Endpoint, resolve: Resolve, deadline: Deadline) -> list[Any]:
    """In a thread, because that is the only way to stop waiting for it.
    In a bare one, because importing threading is a millisecond of cold start."""
    found: list[list[Any] | Exception] = []
    name, done = _name(endpoint), allocate_lock()
    done.acquire()

    def look_up() -> None:  # pragma: no cover - coverage does not see bare threads
        try:
            found.append(resolve(name, endpoint.port, type=socket.SOCK_STREAM))
        except Exception as failure:  # whatever it is, it is raised below
            found.append(failure)
        finally:
            done.release()

    start_new_thread(look_up, ())
    done.acquire(timeout=deadline.left())
    match found:
        case [list() as addresses]:
            return addresses
        case [Exception() as failure]:
            raise failure
        case _:
            raise TimeoutError("the facilitator's name was not resolved in time")


def _name(endpoint: Endpoint) -> bytes:
    """As bytes: for text, Python loads its tables of international names first."""
    return endpoint.host.encode("ascii")


def _connect(addresses: list[Any], deadline: Deadline) -> socket.socket:
    """One after the other, each with an even share of the time:
    a dead address must not use up what the next one needs."""
    failure = OSError("the facilitator's name has no address")
    for index, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(deadline.left() / (len(addresses) - index))
            sock.connect(address)
        except OSError as refused:
            sock.close()
            failure = refused
        else:
            # Head and body are two writes; Nagle would hold the second back.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
    raise failure
