"""A pretended chain: it uses up each payment once, and forgets nothing."""

from pathlib import Path
from threading import Lock
from typing import Any

from x402.mechanisms.evm.types import TransactionReceipt

NETWORK = "eip155:84532"
_CONTRACT = "0x036cbd"

# secp256k1's order: USDC refuses an `s` above half of it, so that a signature has one
# form.
_HALF_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2


class Chain:
    """Uses up what a payment is: payer and nonce. The SDK's FacilitatorEvmSigner."""

    def __init__(self, file: Path | None = None) -> None:
        """`file` outlives the process, as a chain outlives a facilitator."""
        self._file = file
        self._used: set[str] = set()
        if file is not None and file.exists():
            self._used.update(file.read_text().split())
        self._lock = Lock()
        self.transactions = [_transaction(n) for n in range(len(self._used))]
        self.empty: set[str] = set()
        """Payers without money."""

    def get_addresses(self) -> list[str]:
        return ["0x" + "f" * 40]

    def get_chain_id(self) -> int:
        return int(NETWORK.removeprefix("eip155:"))

    def get_code(self, address: str) -> bytes:
        """Contracts are where the token is; payers are people."""
        return b"\1" if address.lower().startswith(_CONTRACT) else b""

    def get_balance(self, address: str, token_address: str) -> int:
        return 10**9

    def verify_typed_data(self, *_: Any, **__: Any) -> bool:
        raise NotImplementedError  # the SDK recovers the signer itself

    def send_transaction(self, to: str, data: bytes) -> str:
        raise NotImplementedError

    def read_contract(
        self, address: str, abi: list[dict[str, Any]], function_name: str, *args: Any
    ) -> Any:
        match function_name:
            case "transferWithAuthorization":
                self._check(args)
                return None
            case "allowance" | "balanceOf":
                return 10**9
        raise RuntimeError("execution reverted")

    def write_contract(
        self,
        address: str,
        abi: list[dict[str, Any]],
        function_name: str,
        *args: Any,
        data_suffix: str | None = None,
    ) -> str:
        with self._lock:
            if function_name == "settle":  # Permit2: the permit, its owner, ...
                used = _name(args[1], args[0][1])
                if used in self._used:
                    raise RuntimeError("execution reverted: InvalidNonce")
            else:
                used = self._check(args)
            self._used.add(used)
            if self._file is not None:
                with self._file.open("a") as file:
                    file.write(f"{used}\n")
            self.transactions.append(_transaction(len(self.transactions)))
            return self.transactions[-1]

    def wait_for_transaction_receipt(self, tx_hash: str) -> TransactionReceipt:
        return TransactionReceipt(status=1, block_number=1, tx_hash=tx_hash)

    def _check(self, args: tuple[Any, ...]) -> str:
        payer, s = str(args[0]).lower(), args[8]
        if int.from_bytes(s, "big") > _HALF_ORDER:
            raise RuntimeError("execution reverted: invalid signature 's' value")
        if _name(payer, args[5]) in self._used:
            raise RuntimeError("execution reverted: authorization is used or canceled")
        if payer in self.empty:
            raise RuntimeError("execution reverted: transfer amount exceeds balance")
        return _name(payer, args[5])


def _name(payer: object, nonce: object) -> str:
    """Of what is used up."""
    shown = nonce.hex() if isinstance(nonce, bytes) else str(nonce)
    return f"{str(payer).lower()}/{shown}"


def _transaction(number: int) -> str:
    return f"0x{number + 1:064x}"
