"""What a node of a cluster says of itself and of the others."""

from .node import Node


def identity(node: Node) -> str:
    found: bytes = node.ask("CLUSTER", "MYID")
    return found.decode()


def _myself(node: Node) -> list[str]:
    """Its own line of CLUSTER NODES: id, address, flags, primary, …, slots."""
    return next(line for line in _lines(node) if "myself" in line[2])


def _lines(node: Node) -> list[list[str]]:
    text: bytes = node.ask("CLUSTER", "NODES")
    return [line.split() for line in text.decode().splitlines()]


def known(node: Node) -> int:
    return sum(line[7] == "connected" for line in _lines(node))


def is_primary(node: Node) -> bool:
    line = _myself(node)
    return "master" in line[2] and len(line) > 8


def primary_identity(node: Node) -> str:
    return _myself(node)[3]


def serves(node: Node, slot: int) -> bool:
    ranges = [part for part in _myself(node)[8:] if not part.startswith("[")]
    bounds = [part.partition("-") for part in ranges]
    return is_primary(node) and any(
        int(low) <= slot <= int(high or low) for low, _, high in bounds
    )


def is_up(node: Node) -> bool:
    return b"cluster_state:ok" in node.ask("CLUSTER", "INFO")


def is_whole(node: Node) -> bool:
    """It sees everybody, and everybody well, and no slot is on its way."""
    flags = {flag for line in _lines(node) for flag in line[2].split(",")}
    everybody = known(node) == 6 and flags <= {"myself", "master", "slave"}
    on_their_way = any(part.startswith("[") for part in _myself(node)[8:])
    return everybody and is_up(node) and not on_their_way
