"""The values that the tests of this package share."""

from typing import NamedTuple

from edge.runtime.routes import Route
from edge.runtime.settings import Settings, endpoint
from edge.runtime.settlement import SettleRule
from edge.runtime.signature import SigningKey

NOW = 1770451954.567  # 2026-02-07T08:12:34.567Z
KEY = "nf_test_SECRETKEY"
PROOF = "PROOF-eyJzaWduYXR1cmUiOiIweDEyMyJ9"

JOKE = Route("/api/joke", "eip155:8453", "joke-endpoint")
PREMIUM = Route("/premium/*", "eip155:84532", "premium")
ROUTES = (JOKE, PREMIUM)


class Lambda(NamedTuple):
    """Lambda's context: the only thing we ask it."""

    milliseconds: int

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds


PLENTY = Lambda(5000)


SECRET = "0123456789-SIGNINGSECRET-abcdefghij"
SIGNING = SigningKey("2026-02", SECRET.encode())


def settings_for(
    url: str, settle: SettleRule = "delivered", signing: tuple[SigningKey, ...] = ()
) -> Settings:
    return Settings(endpoint(url), KEY, ROUTES, settle, signing)


def exactly(value: object) -> tuple[type, object]:
    """Named tuples of two kinds are equal when their values are; outcomes are not."""
    return type(value), value
