"""Who pays: in the story, a payment has a name, and is a header of its request."""

from typing import Any, Protocol

import httpx

_DEMAND = "payment-required"


class Payer(Protocol):
    async def header(
        self, http: httpx.AsyncClient, name: str, method: str, path: str
    ) -> dict[str, str]:
        """Of this payment, which is made when it is first asked for."""

    def network(self, demand: httpx.Response) -> str:
        """What a 402 asks to be paid on."""


class StubPayer:
    """For the facilitator of NexFlow, which takes any text with a test key."""

    async def header(
        self, _: httpx.AsyncClient, name: str, _method: str, _path: str
    ) -> dict[str, str]:
        return {"x402-payment": name}

    def network(self, demand: httpx.Response) -> str:
        network: str = demand.json()["requirement"]["network"]
        return network


class SdkPayer:
    """The official x402 SDK's client, with a wallet of its own for each payment."""

    def __init__(self) -> None:
        self._made: dict[str, str] = {}

    async def header(
        self, http: httpx.AsyncClient, name: str, method: str, path: str
    ) -> dict[str, str]:
        if name not in self._made:
            demand = await http.request(method, path.partition("?")[0])
            # While this one waited, another request may have made it.
            self._made.setdefault(name, signed(demand.headers[_DEMAND]))
        return {"payment-signature": self._made[name]}

    def network(self, demand: httpx.Response) -> str:
        network: str = _asked(demand.headers[_DEMAND]).accepts[0].network
        return network


def signed(demand: str) -> str:
    """A payment by somebody new, for what a `PAYMENT-REQUIRED` asks for."""
    from eth_account import Account  # noqa: PLC0415 - the other payer needs no SDK
    from x402 import x402ClientSync  # noqa: PLC0415 - as above
    from x402.http.utils import encode_payment_signature_header  # noqa: PLC0415 - as above
    from x402.mechanisms.evm.exact import ExactEvmClientScheme  # noqa: PLC0415 - as above

    client = x402ClientSync()
    client.register("eip155:*", ExactEvmClientScheme(Account.create()))
    return encode_payment_signature_header(
        client.create_payment_payload(_asked(demand))
    )


def _asked(demand: str) -> Any:
    from x402.http.utils import decode_payment_required_header  # noqa: PLC0415 - the other payer needs no SDK

    return decode_payment_required_header(demand)
