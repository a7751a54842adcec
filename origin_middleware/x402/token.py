"""`replay_token`: a secret in each payment that the chain does not show.

Once a payment is settled, everybody can read all of it on the chain, write it down
again, and would get the recorded answer of its payer. An extension of the SDK's server
puts a random token into each demand for payment; the SDK's clients send it back with
the payment, where it is part of the proof.
"""

from secrets import token_urlsafe
from typing import Any

_SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {"token": {"type": "string"}},
    "required": ["token"],
}


class ReplayToken:
    """`server.register_extension(replay_token)`, and on each paid route
    `RouteConfig(..., extensions=replay_token.declaration)`.
    """

    def __init__(self) -> None:
        self.key = "replay-token"
        self.declaration: dict[str, Any] = {self.key: {}}
        self.dynamic_info_fields = ["token"]  # not compared with the payment's
        self.hooks = self.transport_hooks = None

    def enrich_declaration(
        self,
        declaration: Any,  # noqa: ARG002 - the SDK names it
        transport_context: Any,  # noqa: ARG002 - the same
    ) -> dict[str, Any]:
        """A new token for each demand."""
        return {"info": {"token": token_urlsafe(16)}, "schema": _SCHEMA}

    def enrich_payment_required_response(self, declaration: Any, context: Any) -> None:
        """Nothing more: the SDK's type of an extension has it."""

    def enrich_settlement_response(self, declaration: Any, context: Any) -> None:
        """Nothing, as above."""


replay_token = ReplayToken()
