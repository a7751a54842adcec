"""x402 v2 at an origin without a gate, beside the official SDK."""

try:
    import x402  # noqa: F401 - only to say what to install
except ImportError as missing:
    raise ImportError(
        f"origin_middleware.x402 needs {missing.name}: "
        "pip install 'origin-middleware[x402]'"
    ) from missing

from .client import SettleOnce, settle_once
from .key import payment_key
from .token import replay_token

__all__ = ["SettleOnce", "payment_key", "replay_token", "settle_once"]
