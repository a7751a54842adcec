"""Where the record of a key is, as docs/operations.md tells somebody who looks."""

import hashlib
from collections import defaultdict
from secrets import token_hex

from redis.crc import key_slot


def record_name(key: str, namespace: str = "idem") -> bytes:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f"{namespace}:{{{digest}}}".encode()


def slotmates(number: int) -> list[str]:
    """Fresh keys whose records are in one slot of a cluster."""
    slots: dict[int, list[str]] = defaultdict(list)
    while True:
        key = token_hex(8)
        mates = slots[key_slot(record_name(key))]
        mates.append(key)
        if len(mates) == number:
            return mates
