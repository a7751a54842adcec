"""The bearer tokens of Coinbase's CDP: a JWT (RFC 7519) for each method, host and path.

Signed with Ed25519 (RFC 8032), in Python: the standard library of Lambda's has no such
thing. A signature takes 3 ms of a fast core, so a token is kept for its lifetime.
It signs what this gate says of itself, with a nonce; nobody else chooses a byte of it.
"""

import json
import os
from binascii import a2b_base64, b2a_base64
from collections.abc import Callable
from hashlib import sha512

# CDP accepts 120 s. A token that is older than this is not sent.
_LIFETIME = 120
_KEPT = 100

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P

_Point = tuple[int, int, int, int]  # X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z
_BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
_BASE_Y = 4 * pow(5, -1, _P) % _P
_BASE: _Point = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)
_ZERO: _Point = (0, 1, 1, 0)


class Tokens:
    """`secret`: the 64 bytes of CDP's key in base64, its seed first."""

    def __init__(
        self, key_id: str, secret: str, host: str, now: Callable[[], float]
    ) -> None:
        self._key_id = key_id
        self._seed = a2b_base64(secret)[:32]
        self._host = host
        self._now = now
        self._kept: dict[str, tuple[float, str]] = {}

    def token(self, path: str, method: str = "POST") -> str:
        now = self._now()
        since, token = self._kept.get(f"{method} {path}", (0.0, ""))
        if not token or not 0 <= now - since < _KEPT:
            token = self._made(method, path, int(now))
            self._kept[f"{method} {path}"] = (now, token)
        return token

    def _made(self, method: str, path: str, now: int) -> str:
        header = {
            "alg": "EdDSA",
            "kid": self._key_id,
            "nonce": os.urandom(16).hex(),
            "typ": "JWT",
        }
        claims = {
            "sub": self._key_id,
            "iss": "cdp",
            "iat": now,
            "nbf": now,
            "exp": now + _LIFETIME,
            "uris": [f"{method} {self._host}{path}"],
        }
        signed = f"{_part(header)}.{_part(claims)}"
        return f"{signed}.{_url_safe(sign(self._seed, signed.encode()))}"


def sign(seed: bytes, message: bytes) -> bytes:
    """RFC 8032, section 5.1.6."""
    digest = sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | (1 << 254)
    public = _encoded(_multiplied(scalar))
    nonce = _reduced(digest[32:] + message)
    commitment = _encoded(_multiplied(nonce))
    challenge = _reduced(commitment + public + message)
    response = (nonce + challenge * scalar) % _L
    return commitment + response.to_bytes(32, "little")


def _reduced(data: bytes) -> int:
    return int.from_bytes(sha512(data).digest(), "little") % _L


def _multiplied(scalar: int) -> _Point:
    found, power = _ZERO, _BASE
    while scalar:
        if scalar & 1:
            found = _added(found, power)
        power = _added(power, power)
        scalar >>= 1
    return found


def _added(one: _Point, other: _Point) -> _Point:
    """RFC 8032, section 5.1.4."""
    x1, y1, z1, t1 = one
    x2, y2, z2, t2 = other
    a = (y1 - x1) * (y2 - x2) % _P
    b = (y1 + x1) * (y2 + x2) % _P
    c = 2 * t1 * t2 * _D % _P
    d = 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _encoded(point: _Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, _P)
    return (y * inverse % _P | (x * inverse % _P & 1) << 255).to_bytes(32, "little")


def _part(members: object) -> str:
    return _url_safe(json.dumps(members, separators=(",", ":")).encode())


def _url_safe(data: bytes) -> str:
    text = b2a_base64(data, newline=False).decode().rstrip("=")
    return text.replace("+", "-").replace("/", "_")
