"""Asks the facilitator: verify once, settle at most twice, each within its time."""

import json
import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, IncompleteRead
from time import monotonic

from .channel import Channel, Clock, Deadline, Resolve, open_channel
from .gate import Answer, NoAnswer
from .routes import Route
from .settings import Settings
from .settlement import Settle

# What the facilitator is shown of a request. Not cookie, not authorization:
# they are secrets between the client and the origin.
SHOWN_HEADERS = ("x402-payment", "user-agent", "accept")

# Answers are a few hundred bytes. The cap is what a broken one may cost in memory.
LARGEST_ANSWER = 64 * 1024


class Facilitator:
    def __init__(
        self,
        settings: Settings,
        *,
        tls: ssl.SSLContext | None = None,
        clock: Clock = monotonic,
        resolve: Resolve = socket.getaddrinfo,
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
        self._kept: list[Channel] = []

    def verify(
        self, route: Route, headers: Mapping[str, str], seconds: float
    ) -> Answer | NoAnswer:
        """Asked once: the client waits, and after a 500 it can ask again."""
        shown = {name: headers[name] for name in SHOWN_HEADERS if name in headers}
        question = {
            "network": route.network,
            "resourceId": route.resource_id,
            "headers": shown,
        }
        return self._ask("/verify", question, Deadline(seconds, self._clock))

    def settle(self, due: Settle, seconds: float) -> Answer | NoAnswer:
        """Idempotent per intent, and the seller's money: a failure is tried once more.
        The first attempt gets half of the time, or a hang would leave none."""
        whole, half = Deadline(seconds, self._clock), Deadline(seconds / 2, self._clock)
        question = {
            "network": due.network,
            "settlementIntentId": due.intent,
            "resourceId": due.resource_id,
            "originStatus": due.status,
        }
        answer = self._ask("/settle", question, half)
        if _is_worth_a_retry(answer):
            return self._ask("/settle", question, whole)
        return answer

    def close(self) -> None:
        while self._kept:
            self._kept.pop().hang_up()

    def _ask(
        self, path: str, question: Mapping[str, object], deadline: Deadline
    ) -> Answer | NoAnswer:
        try:
            status, content = self._post(path, json.dumps(question).encode(), deadline)
        except TimeoutError:
            return NoAnswer("the facilitator did not answer in time")
        except (OSError, HTTPException) as failure:
            # The kind is enough to act on, and unlike the message it quotes nothing.
            return NoAnswer(
                f"the facilitator could not be asked: {type(failure).__name__}"
            )
        return Answer(status, _read(content))

    def _post(self, path: str, body: bytes, deadline: Deadline) -> tuple[int, bytes]:
        """A kept connection may have been closed while this process was frozen.
        When it fails before a byte of an answer has come, a fresh one is tried, once.
        That is safe for verify, too: it is not billed,
        and the same proof verifies to the same intent."""
        kept = self._take()
        if kept is not None:
            try:
                return self._exchange(kept, path, body, deadline)
            except OSError:
                if kept.has_received:
                    raise
        return self._exchange(
            open_channel(self._endpoint, self._tls, self._resolve, deadline),
            path,
            body,
            deadline,
        )

    def _take(self) -> Channel | None:
        """Taken out while in use, so that two threads never meet on one connection."""
        while self._kept:
            channel = self._kept.pop()
            if channel.is_quiet():
                return channel
            channel.hang_up()
        return None

    def _exchange(
        self, channel: Channel, path: str, body: bytes, deadline: Deadline
    ) -> tuple[int, bytes]:
        reusable = False
        try:
            channel.begin(deadline)
            status, content, reusable = self._converse(channel, path, body)
        finally:
            # An answer that was read in part must not be continued by the next one.
            if reusable:
                self._kept.append(channel)
            else:
                channel.hang_up()
        return status, content

    def _converse(
        self, channel: Channel, path: str, body: bytes
    ) -> tuple[int, bytes, bool]:
        connection = HTTPConnection(self._endpoint.host)
        connection.sock = channel  # as much of a socket as it uses
        connection.request("POST", self._endpoint.path + path, body, self._headers)
        with connection.getresponse() as response:
            content = response.read(LARGEST_ANSWER + 1)
            if response.length and len(content) <= LARGEST_ANSWER:
                raise IncompleteRead(
                    content, response.length
                )  # http.client does not say so itself
            if len(content) > LARGEST_ANSWER:
                raise HTTPException("the answer is too large")
            return response.status, content, not response.will_close


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
