"""The message of a Solana transaction: what its payer has signed.

The signatures before it are not a part of it: the facilitator writes the fee payer's,
so a client can put anything there. Bytes behind it are refused: decoders ignore them,
and one payment would have any number of spellings.
https://solana.com/docs/core/transactions has the format.
"""

_SIGNATURE = 64
_KEY = 32
_VERSION_0 = 0x80


def message(transaction: bytes) -> bytes:
    """Raises ValueError for anything but one whole transaction, legacy or version 0."""
    signatures, start = _count(transaction, 0)
    start += signatures * _SIGNATURE
    required, at = _byte(transaction, start), start + 1
    is_versioned = required >= _VERSION_0
    if is_versioned:
        if required != _VERSION_0:
            raise ValueError("an unknown version")
        required, at = _byte(transaction, at), at + 1
    if not signatures or signatures != required:
        raise ValueError("not as many signatures as the message requires")
    accounts, at = _count(transaction, at + 2)  # after two counts of read-only ones
    instructions, at = _count(transaction, at + accounts * _KEY + _KEY)
    for _ in range(instructions):
        at = _two_lists(transaction, at + 1)  # after the program: accounts, data
    if is_versioned:
        tables, at = _count(transaction, at)
        for _ in range(tables):
            at = _two_lists(transaction, at + _KEY)  # writable, read-only
    if at != len(transaction):
        raise ValueError("cut short, or bytes behind the end")
    return transaction[start:]


def _two_lists(data: bytes, at: int) -> int:
    for _ in range(2):
        length, at = _count(data, at)
        at += length
    return at


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise ValueError("cut short")
    return data[at]


def _count(data: bytes, at: int) -> tuple[int, int]:
    """A "compact-u16", and where the next thing begins: seven bits a byte, the lowest
    first, in as few bytes as can be."""
    value = 0
    for index in range(3):
        byte = _byte(data, at + index)
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if (index and not byte) or value > 0xFFFF:
                break
            return value, at + index + 1
    raise ValueError("not a compact-u16")
