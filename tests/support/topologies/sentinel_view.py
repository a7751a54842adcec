"""What sentinels say, and those whom they watch."""

from typing import Any

from .node import Node

SERVICE = "records"


def primary_port(sentinel: Node) -> int:
    _, port = sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
    return int(port)


def role(node: Node) -> bytes:
    found: bytes = node.ask("ROLE")[0]
    return found


def offset(node: Node) -> int:
    found: list[Any] = node.ask("ROLE")
    return int(found[1] if found[0] == b"master" else found[4])


def sees_two_replicas(sentinel: Node) -> bool:
    listed = sentinel.ask("SENTINEL", "REPLICAS", SERVICE)
    return len(listed) == 2 and all(_flags(one) == "slave" for one in listed)


def _flags(listed: list[bytes] | dict[bytes, bytes]) -> str:
    if isinstance(listed, dict):  # RESP3
        return listed[b"flags"].decode()
    return dict(zip(listed[::2], listed[1::2], strict=True))[b"flags"].decode()


def fails_over(sentinel: Node) -> bool:
    return "failover_in_progress" in _flags(sentinel.ask("SENTINEL", "MASTER", SERVICE))


def has_a_quorum(sentinel: Node) -> bool:
    return b"OK 3 usable" in sentinel.ask("SENTINEL", "CKQUORUM", SERVICE)
