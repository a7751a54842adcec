"""x402 v2 at an origin without a gate, beside the official SDK (extra `x402`)."""

from .key import payment_key

__all__ = ["payment_key"]
