"""What verify and settle answer. No HTTP here; the clock is handed in."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeAlias, assert_never

from .calls import CallError, SettleCall, VerifyCall
from .ledger import Intent, Ledger
from .proofs import Accepted, Refused, judge
from .settings import Settings

Clock: TypeAlias = Callable[[], float]
Answer: TypeAlias = tuple[int, dict[str, Any]]


class Payments:
    """The contract over one ledger."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self.ledger = Ledger()

    def verify(self, key: str, call: VerifyCall) -> Answer:
        """Always 200: a proof that does not pay is an answer, not an error."""
        verdict = judge(call.proof, key, call.network, call.resource_id)
        match verdict:
            case Accepted(name):
                return 200, self._accepted(name, call)
            case Refused(reason):
                return 200, self._refused(reason, call)
            case _:
                assert_never(verdict)

    def settle(self, call: SettleCall) -> Answer:
        """Always the same answer. Raises CallError for another resource's intent."""
        intent = self.ledger.find(call.intent)
        if intent is None:
            return 404, {"ok": False, "error": "intent_not_found"}
        if (call.resource_id, call.network) != (intent.resource_id, intent.network):
            raise CallError("the intent was verified for another resource or network")
        settled_at = self.ledger.settle(call.intent, self._clock())
        return 200, {"ok": True, "settledAt": _instant(settled_at)}

    def _accepted(self, name: str, call: VerifyCall) -> dict[str, Any]:
        now = self._clock()
        found = self.ledger.find(name)
        if found is not None and now >= found.expires_at:
            return self._refused("expired", call)
        expires_at = now + self._settings.proof_validity
        fresh = Intent(call.resource_id, call.network, expires_at)
        intent = self.ledger.verify(name, fresh)
        return {
            "valid": True,
            "settlementIntentId": name,
            "expiresAt": _instant(intent.expires_at),
            "reason": None,
        }

    def _refused(self, reason: str, call: VerifyCall) -> dict[str, Any]:
        self.ledger.refuse(reason)
        requirement = _requirement(call.network, self._settings.base_path)
        return {"valid": False, "reason": reason, "requirement": requirement}


def _requirement(network: str, facilitator: str) -> dict[str, Any]:
    return {
        "scheme": "exact",
        "network": network,
        "asset": "USDC",
        "tokenAddress": "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
        "amountDisplay": "0.01",
        "payTo": "0x0000000000000000000000000000000000000001",
        "facilitator": facilitator,
        "eip712": {"name": "USD Coin", "version": "2"},
    }


def _instant(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
