"""CloudFront's lists: {"Quantity": 1, "Items": [...]}, without Items when empty."""

from typing import Any


def items(answer: dict[str, Any], key: str) -> list[Any]:
    """A list of its own; what is in it is the answer's."""
    return list((answer.get(key) or {}).get("Items") or [])
