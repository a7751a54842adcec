"""What a server says of itself (INFO), as far as records depend on it."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Facts(NamedTuple):
    run: str
    """New at every start of the server."""
    history: str
    """Of the data: a replica that is promoted continues the one of its primary."""
    continued: str
    """The history that this one continues."""
    maxmemory_policy: str
    aof_enabled: str
    """Whether it has an append-only file: "1" or "0"."""
    loading: bool
    up: float
    """Seconds since it was started."""
    empty: bool
    was_replica: bool
    """Since it was started, as far as it says."""
    clustered: bool

    @property
    def promoted(self) -> bool:
        return bool(self.continued.strip("0"))

    @property
    def evicts(self) -> bool:
        return self.maxmemory_policy not in ("noeviction", "")


def facts(reply: bytes | str | Mapping[str, Any]) -> Facts:
    """Whatever a server leaves out, or a simulated one does not know, is empty: nothing
    is refused for it, but the operator is warned."""
    said = reply if isinstance(reply, Mapping) else _lines(reply)
    return Facts(
        run=str(said.get("run_id", "")),
        history=str(said.get("master_replid", "")),
        continued=str(said.get("master_replid2", "")),
        maxmemory_policy=str(said.get("maxmemory_policy", "")),
        aof_enabled=str(said.get("aof_enabled", "")),
        loading=str(said.get("loading", "0")) not in ("", "0"),
        up=_number(said.get("uptime_in_seconds", 0)),
        empty=not any(name[:2] == "db" and name[2:].isdigit() for name in said),
        was_replica=_was_replica(said),
        clustered="cluster" in (said.get("redis_mode"), said.get("server_mode")),
    )


def _was_replica(said: Mapping[str, Any]) -> bool:
    """A server that continues the history of its own snapshot received nothing."""
    if not str(said.get("master_replid2", "")).strip("0"):
        return False
    return str(said.get("total_net_repl_input_bytes", "")) != "0"


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _lines(reply: bytes | str) -> dict[str, str]:
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return dict(pairs)
