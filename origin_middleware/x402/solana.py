"""The message of a Solana transaction: what its payer has signed.

The signatures in front of it are not part of it: the fee payer's is written by the
facilitator, so a client can put anything there. Nothing may follow it: decoders ignore
what does, and one payment could be sent in any number of ways.

https://solana.com/docs/core/transactions has the format.
"""

_SIGNATURE = 64
_KEY = 32
_VERSIONED = 0x80


def message(transaction: bytes) -> bytes:
    """Raises ValueError for anything but one whole transaction, legacy or version 0."""
    reader = _Reader(transaction)
    signatures = reader.count()
    reader.skip(signatures * _SIGNATURE)
    begin = reader.at
    required = reader.byte()
    versioned = required >= _VERSIONED
    if versioned:
        if required != _VERSIONED:
            raise ValueError("an unknown version")
        required = reader.byte()
    if signatures != required or not signatures:
        raise ValueError("as many signatures as the message asks for")
    reader.skip(2)  # how many accounts are read-only
    reader.skip(reader.count() * _KEY + _KEY)  # accounts, and the recent block
    for _ in range(reader.count()):  # instructions: program, accounts, data
        reader.skip(1)
        reader.skip(reader.count())
        reader.skip(reader.count())
    if versioned:
        for _ in range(reader.count()):  # address tables: key, writable, read-only
            reader.skip(_KEY)
            reader.skip(reader.count())
            reader.skip(reader.count())
    if reader.at != len(transaction):
        raise ValueError("bytes behind the end")
    return transaction[begin:]


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def byte(self) -> int:
        self.skip(1)
        return self._data[self.at - 1]

    def skip(self, length: int) -> None:
        self.at += length
        if self.at > len(self._data):
            raise ValueError("cut short")

    def count(self) -> int:
        """A "compact-u16": seven bits a byte, the lowest first, as short as can be."""
        value = 0
        for shift in (0, 7, 14):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if (byte == 0 and shift) or value > 0xFFFF:
                    break
                return value
        raise ValueError("not a compact-u16")
