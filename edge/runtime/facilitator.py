"""Asks the facilitator, within the time that there is.

A question is sent a second time, over a connection of its own, when the first one is
late and there is a reason: the first went over a kept connection, which may be dead, or
it is settle, which is the seller's money. The first is heard out all the same, so a
facilitator that is merely slow is understood.
Settle is asked once more after an error, too.
"""

import json
import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead
from time import monotonic

from .channel import Channel, Clock, Deadline, Resolve, first_of, open_channel
from .cloudfront import PAYMENT_HEADER
from .gate import Answer, NoAnswer
from .hints import Any, TypeGuard
from .memory import Memory
from .routes import Route
from .settings import Settings
from .settlement import Settle

# What the facilitator is shown of a request. Not cookie, not authorization:
# they are secrets between the client and the origin.
SHOWN_HEADERS = (PAYMENT_HEADER, "user-agent", "accept")

# Answers are a few hundred bytes. The cap is what a broken one may cost in memory.
LARGEST_ANSWER = 64 * 1024

# The share of the time after which a first byte is late.
LATE = 0.4

# 102 and 103 come before the answer. More of them than this are no way to answer.
_MOST_INTERIM = 8


class Facilitator:
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
        self._headers = {
            "host": self._endpoint.authority,
            "content-type": "application/json",
            "x-facilitator-auth": settings.api_key,
        }
        # Made once: loading the certificate authorities takes longer than asking.
        self._tls = tls or (
            ssl.create_default_context() if self._endpoint.secure else None
        )
        self._clock = clock
        self._resolve = resolve
        self._memory = memory or Memory()

    def verify(
        self, route: Route, headers: Mapping[str, str], seconds: float
    ) -> Answer | NoAnswer:
        """After an error it is not asked again: the client can do that.

        Without a payment the answer is the same for each request to a route. Were it
        asked for each time, those who do not pay would use up the rate limit of those
        who do."""
        is_unpaid = not headers.get(PAYMENT_HEADER, "").strip()
        if is_unpaid:
            known = self._memory.unpaid(route)
            if known:
                return known
        shown = {name: headers[name] for name in SHOWN_HEADERS if name in headers}
        question = {
            "network": route.network,
            "resourceId": route.resource_id,
            "headers": shown,
        }
        answer = self._ask("/verify", question, Deadline(seconds, self._clock))
        if is_unpaid and _asks_for_payment(answer):
            self._memory.keep_unpaid(route, answer)
        return answer

    def settle(self, due: Settle, seconds: float) -> Answer | NoAnswer:
        """Idempotent per intent, and the seller's money: asked again after an error."""
        deadline = Deadline(seconds, self._clock)
        question = {
            "network": due.network,
            "settlementIntentId": due.intent,
            "resourceId": due.resource_id,
            "originStatus": due.status,
        }
        answer = self._ask("/settle", question, deadline, insists=True)
        if _is_worth_a_retry(answer):
            return self._ask("/settle", question, deadline, insists=True)
        return answer

    def close(self) -> None:
        self._memory.close()

    def _ask(
        self,
        path: str,
        question: Mapping[str, object],
        deadline: Deadline,
        *,
        insists: bool = False,
    ) -> Answer | NoAnswer:
        body = json.dumps(question).encode()
        try:
            status, content = self._post(path, body, deadline, insists)
        except TimeoutError:
            return NoAnswer("the facilitator did not answer in time")
        except (OSError, HTTPException) as failure:
            # The kind is enough to act on, and unlike the message it quotes nothing.
            return NoAnswer(
                f"the facilitator could not be asked: {type(failure).__name__}"
            )
        return Answer(status, _read(content))

    def _post(
        self, path: str, body: bytes, deadline: Deadline, insists: bool
    ) -> tuple[int, bytes]:
        """A kept connection may have been closed, or forgotten by a firewall, while
        this process was frozen. When it fails before a byte of an answer has come, or
        is late with the first, a fresh one is tried.
        That is safe for verify, too: it is not billed,
        and the same proof verifies to the same intent."""
        kept = self._memory.take()
        first = kept or self._opened(deadline)
        try:
            self._send(first, path, body, deadline)
            is_heard_out = not (kept or insists)
            if is_heard_out or self._answers_soon(first):
                return self._receive(first)
        except OSError:
            if kept is None or kept.has_received:
                raise
            fresh = self._opened(deadline)
            self._send(fresh, path, body, deadline)
            return self._receive(fresh)
        return self._first_answer(first, path, body, deadline)

    def _first_answer(
        self, late: Channel, path: str, body: bytes, deadline: Deadline
    ) -> tuple[int, bytes]:
        """To a question that has been sent, or to the same one, sent anew."""
        channels, rest = [late], deadline.part()

        def ask_anew() -> tuple[int, bytes]:  # pragma: no cover - in a bare thread
            fresh = self._opened(rest)
            channels.append(fresh)
            self._send(fresh, path, body, rest)
            return self._receive(fresh)

        try:
            return first_of([lambda: self._receive(late), ask_anew], deadline)
        finally:
            rest.end()
            for channel in channels:
                if not self._memory.keeps(channel):
                    channel.interrupt()

    def _opened(self, deadline: Deadline) -> Channel:
        return open_channel(self._endpoint, self._tls, self._resolve, deadline)

    def _send(
        self, channel: Channel, path: str, body: bytes, deadline: Deadline
    ) -> None:
        channel.begin(deadline)
        connection = HTTPConnection(self._endpoint.host)
        connection.sock = channel  # as much of a socket as it uses
        try:
            connection.request("POST", self._endpoint.path + path, body, self._headers)
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
            status, content, reusable = _read_answer(channel)
        finally:
            # An answer that was read in part must not be continued by the next one.
            if reusable:
                self._memory.keep(channel)
            else:
                channel.hang_up()
        return status, content


def _read_answer(channel: Any) -> tuple[int, bytes, bool]:
    with _final_response(channel) as response:
        content = response.read(LARGEST_ANSWER + 1)
        if response.length and len(content) <= LARGEST_ANSWER:
            raise IncompleteRead(
                content, response.length
            )  # http.client does not say so itself
        if len(content) > LARGEST_ANSWER:
            raise HTTPException("the answer is too large")
        return response.status, content, not response.will_close


def _final_response(channel: Any) -> HTTPResponse:
    """Behind what may come before it (RFC 9110, section 15.2). http.client knows that
    of 100 only."""
    for _ in range(_MOST_INTERIM + 1):
        response = HTTPResponse(channel, method="POST")
        response.begin()
        if response.status >= 200:
            return response
        if response.status == 101:
            raise HTTPException("the facilitator speaks another protocol now")
    raise HTTPException("the facilitator does not come to its answer")


def _asks_for_payment(answer: Answer | NoAnswer) -> TypeGuard[Answer]:
    match answer:
        case Answer(200, {"valid": False}):
            return True
    return False


def _is_worth_a_retry(answer: Answer | NoAnswer) -> bool:
    """Not 429: asking at once again is what the limit is against."""
    return isinstance(answer, NoAnswer) or answer.status >= 500


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


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """`valid` or an intent that is there twice is neither of the two."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is there twice")
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
