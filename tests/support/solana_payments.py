"""Solana payments as the SDK's client builds them, without a node to ask."""

import base64
import os

from solders.hash import Hash
from solders.instruction import AccountMeta, Instruction
from solders.keypair import Keypair
from solders.message import MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from .payments import Json

NETWORK = "solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1"


def transaction() -> bytes:
    """A transfer that its payer has signed, and the fee payer has not yet."""
    payer, fee_payer = Keypair(), Keypair()
    transfer = Instruction(
        Pubkey.new_unique(),
        bytes([12]) + os.urandom(9),
        [
            AccountMeta(Pubkey.new_unique(), is_signer=False, is_writable=True),
            AccountMeta(payer.pubkey(), is_signer=True, is_writable=False),
        ],
    )
    memo = Instruction(Pubkey.new_unique(), os.urandom(200), [])
    message = MessageV0.try_compile(
        fee_payer.pubkey(), [transfer, memo], [], Hash.new_unique()
    )
    signed = payer.sign_message(b"\x80" + bytes(message))
    slots = [Signature.default(), signed]
    return bytes(VersionedTransaction.populate(message, slots))


def payment(of: bytes) -> Json:
    return {
        "x402Version": 2,
        "accepted": {"scheme": "exact", "network": NETWORK, "asset": "any"},
        "payload": {"transaction": base64.b64encode(of).decode()},
    }
