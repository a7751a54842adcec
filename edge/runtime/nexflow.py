"""The contract of NexFlow, which gives each payment an id of its own.

POST /verify  {network, resourceId, headers}
POST /settle  {network, settlementIntentId, resourceId, originStatus}
"""

from collections.abc import Mapping

from . import gate, settlement
from .channel import Deadline
from .cloudfront import PAYMENT_HEADER, OriginResponse, ViewerRequest
from .facilitator import Calls, Now
from .gate import Answer, NoAnswer, Repeated
from .hints import Any, TypeGuard
from .routes import Route
from .settings import Settings
from .settlement import Settle

# The headers that the facilitator sees. Not cookie and not authorization: these are
# secrets between the client and the origin.
SHOWN_HEADERS = (PAYMENT_HEADER, "user-agent", "accept")


class NexFlow(Calls):
    """The facilitator of NexFlow."""

    payment_header = PAYMENT_HEADER
    longest_settle = 2.5

    def __init__(self, settings: Settings, **options: Any) -> None:
        """`options` are those of Calls."""
        super().__init__(settings, **options)
        self._api_key = settings.api_key
        self._lifetime = settings.lifetime

    def headers(self, path: str) -> dict[str, str]:
        return super().headers(path) | {"x-facilitator-auth": self._api_key}

    def judge(
        self, route: Route, request: ViewerRequest, now: Now, seconds: float
    ) -> gate.Verdict:
        answer = self.verify(route, request.headers, seconds)
        return gate.judge(answer, now(), self._lifetime)

    def conclude(
        self, _route: Route, due: Settle, _response: OriginResponse, seconds: float
    ) -> settlement.Outcome:
        return settlement.outcome(self.settle(due, seconds))

    def verify(
        self, route: Route, headers: Mapping[str, str], seconds: float
    ) -> Answer | NoAnswer:
        """No retry after an error: the client can retry.

        Without a payment, the answer is the same for each request to a route, so it is
        kept. Otherwise unpaid requests would use up the rate limit of paying clients.
        """
        is_unpaid = not headers.get(PAYMENT_HEADER, "").strip()
        if is_unpaid:
            known = self.memory.unpaid(route)
            if known:
                return known
        shown = {name: headers[name] for name in SHOWN_HEADERS if name in headers}
        question = {
            "network": route.network,
            "resourceId": route.resource_id,
            "headers": shown,
        }
        answer = self.ask("/verify", question, Deadline(seconds, self.clock))
        if is_unpaid and _asks_for_payment(answer):
            self.memory.keep_unpaid(route, answer)
        return answer

    def settle(self, due: Settle, seconds: float) -> Answer | NoAnswer:
        """Asked again after an error: it is idempotent per intent, and the seller's
        money. A no to the second question is not certain: the first may have settled.
        """
        deadline = Deadline(seconds, self.clock)
        question = {
            "network": due.network,
            "settlementIntentId": due.intent,
            "resourceId": due.resource_id,
            "originStatus": due.status,
        }
        answer = self.ask("/settle", question, deadline, insists=True)
        again = isinstance(answer, Repeated)
        if _is_worth_a_retry(answer):
            answer, again = self.ask("/settle", question, deadline, insists=True), True
        found = settlement.outcome(answer)
        if again and isinstance(found, settlement.Refused):
            return NoAnswer(f"the second question was answered with {found.reason}")
        return answer


def _asks_for_payment(answer: Answer | NoAnswer) -> TypeGuard[Answer]:
    match answer:
        case Answer(200, {"valid": False}):
            return True
    return False


def _is_worth_a_retry(answer: Answer | NoAnswer) -> bool:
    """Not 429: an immediate retry is what the limit forbids."""
    return isinstance(answer, NoAnswer) or answer.status >= 500
