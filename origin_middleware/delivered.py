"""Does a response count? The gate settles by this table, and the origin records by it.

The edge spells the same table in its own words; a test holds both to it.
"""

_SAFE = frozenset({"GET", "HEAD"})


def delivered(method: str, status: int) -> bool:
    """2xx and "processed, the answer is elsewhere". Not: "ask again over there",
    nothing new, and errors.
    """
    if 200 <= status < 300 or status == 303:
        return True
    return status in (301, 302) and method not in _SAFE
