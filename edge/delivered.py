"""Which responses count, from method and status alone.

The origin records a response exactly when the edge settles it,
so this table and the origin's must agree.
"""

from .typed import Literal, assert_never

# "below-400" is what the published adapter does; ours can be told to.
SettleRule = Literal["delivered", "below-400"]


def settles(rule: SettleRule, method: str, status: int) -> bool:
    match rule:
        case "delivered":
            return delivered(method, status)
        case "below-400":
            return 100 <= status < 400
        case _:
            assert_never(rule)


def delivered(method: str, status: int) -> bool:
    # After a POST, 301 and 302 say that it was processed and the answer is elsewhere.
    # A GET is told to ask again over there, so nothing was delivered yet.
    if status in (301, 302):
        return method not in ("GET", "HEAD")
    return 200 <= status < 300 or status == 303
