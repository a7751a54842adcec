"""What the gate asks of a facilitator, and how it asks within the time left.

If the answer over a kept connection is late, or that to a question that insists, the
same question is sent again in parallel, over a connection of its own: a kept connection
may be dead. The first attempt is still heard out, so a slow facilitator is not lost.
"""

import json
import socket
import ssl
from collections.abc import Callable, Mapping
from time import monotonic

from .channel import Channel, Clock, Deadline, Resolve, first_of, open_channel
from .cloudfront import OriginResponse, ViewerRequest
from .gate import Answer, NoAnswer, Repeated, Verdict
from .hints import Protocol
from .http1 import BadAnswer, post, read_answer
from .memory import Memory
from .routes import Route
from .settings import Settings
from .settlement import Outcome, Settle

# The share of the time after which a first byte is late.
LATE = 0.4

Now = Callable[[], float]

# Status, content, and whether the question had to be sent again.
_Reply = tuple[int, bytes, bool]


class Facilitator(Protocol):
    """Both say what an answer means; neither raises for a facilitator that fails."""

    payment_header: str
    """In lower case."""
    longest_settle: float
    """In seconds: how long a settlement may take, where the trigger has the time."""
    questions: int
    """How many have been asked so far."""

    def judge(
        self, route: Route, request: ViewerRequest, now: Now, seconds: float
    ) -> Verdict: ...

    def conclude(
        self, route: Route, due: Settle, response: OriginResponse, seconds: float
    ) -> Outcome: ...


class Calls:
    """The connection to a facilitator."""

    def __init__(
        self,
        settings: Settings,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Clock = monotonic,
        resolve: Resolve = socket.getaddrinfo,
        memory: Memory | None = None,
    ) -> None:
        self._endpoint = settings.facilitator
        # Made once: loading the certificate authorities takes longer than asking.
        self._tls = tls or (
            ssl.create_default_context() if self._endpoint.secure else None
        )
        self.clock = clock
        self._resolve = resolve
        self.memory = memory or Memory()
        self.questions = 0

    def close(self) -> None:
        self.memory.close()

    def headers(self, _path: str) -> dict[str, str]:
        return {
            "host": self._endpoint.authority,
            "content-type": "application/json",
        }

    def ask(
        self,
        path: str,
        question: Mapping[str, object],
        deadline: Deadline,
        *,
        insists: bool = False,
        once: bool = False,
    ) -> Answer | NoAnswer:
        """`once`: over a fresh connection, and never sent again by itself."""
        self.questions += 1
        body = json.dumps(question).encode()
        message = post(self._endpoint.path + path, self.headers(path), body)
        again = False
        try:
            if once:
                status, content = self._post_once(message, deadline)
            else:
                status, content, again = self._post(message, deadline, insists)
        except TimeoutError:
            return NoAnswer("the facilitator did not answer in time")
        except BadAnswer as bad:
            return NoAnswer(f"the facilitator could not be asked: {bad}")
        except OSError as failure:
            # The kind is enough to act on, and unlike the message it quotes nothing.
            kind = type(failure).__name__
            return NoAnswer(f"the facilitator could not be asked: {kind}")
        answer = _read(content)
        return Repeated(status, answer) if again else Answer(status, answer)

    def _post_once(self, message: bytes, deadline: Deadline) -> tuple[int, bytes]:
        fresh = self._opened(deadline)
        self._send(fresh, message, deadline)
        return self._receive(fresh)

    def _post(self, message: bytes, deadline: Deadline, insists: bool) -> _Reply:
        """A kept connection may have been closed, or forgotten by a firewall, while
        this process was frozen. If it fails before the first byte of an answer, or that
        byte is late, a fresh one is tried.
        This is safe for verify too: verify is not billed, and the same proof verifies
        to the same intent."""
        kept = self.memory.take()
        first = kept or self._opened(deadline)
        try:
            self._send(first, message, deadline)
            is_heard_out = not (kept or insists)
            if is_heard_out or self._answers_soon(first):
                return *self._receive(first), False
        except (OSError, BadAnswer):
            if kept is None or kept.has_received:
                raise
            return *self._post_once(message, deadline), True
        return self._first_answer(first, message, deadline)

    def _first_answer(
        self, late: Channel, message: bytes, deadline: Deadline
    ) -> _Reply:
        """The answer to a question already sent, or to the same one sent again.

        What is refused the second time may have been done the first time: "in
        progress", or one question too many. Then the first is heard out."""
        channels, rest = [late], deadline.part()
        refusals: list[_Reply] = []

        def ask_anew() -> _Reply:  # pragma: no cover - in a bare thread
            fresh = self._opened(rest)
            channels.append(fresh)
            self._send(fresh, message, rest)
            answer = (*self._receive(fresh), True)
            if answer[0] != 200 or _is_no(_read(answer[1])):
                refusals.append(answer)
                raise BadAnswer("refused")
            return answer

        try:
            return first_of([lambda: (*self._receive(late), False), ask_anew], deadline)
        except (OSError, BadAnswer):
            if refusals:
                return refusals[0]
            raise
        finally:
            rest.end()
            for channel in channels:
                if not self.memory.keeps(channel):
                    channel.interrupt()

    def _opened(self, deadline: Deadline) -> Channel:
        return open_channel(self._endpoint, self._tls, self._resolve, deadline)

    def _send(self, channel: Channel, message: bytes, deadline: Deadline) -> None:
        channel.begin(deadline)
        try:
            channel.sendall(message)
        except BaseException:
            channel.hang_up()
            raise

    def _answers_soon(self, channel: Channel) -> bool:
        try:
            return channel.answers_within(LATE)
        except BaseException:
            channel.hang_up()
            raise

    def _receive(self, channel: Channel) -> tuple[int, bytes]:
        reusable = False
        try:
            status, content, reusable = read_answer(channel)
        finally:
            # The next answer must not begin with the rest of a half-read one.
            if reusable:
                self.memory.keep(channel)
            else:
                channel.hang_up()
        return status, content


def _read(content: bytes) -> object:
    try:
        return json.loads(
            content, object_pairs_hook=_members, parse_constant=_refuse_constant
        )
    except (
        ValueError,
        RecursionError,
    ):  # RecursionError: 60,000 opening brackets are an answer, too
        return None


def _is_no(answer: object) -> bool:
    """To settle."""
    return isinstance(answer, dict) and answer.get("ok") is False


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """If `valid` or an intent is there twice, neither value counts."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
