"""What is said on the command line, and what cannot be meant."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from origin_middleware.command import main
from origin_middleware.key import Key
from origin_middleware.stores.redis import RedisStore
from tests.support.night import ONE_SERVER, WHY, Ask, abandoned, digest

RESOLVE = ("resolve", "intent-1", "--did-not-happen", *WHY)
RETENTION = "write a number from 31 to 315360000"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*RESOLVE, "--retention", "10"], RETENTION),
        ([*RESOLVE, "--retention", "nan"], RETENTION),
        ([*RESOLVE, "--retention", "inf"], RETENTION),
        ([*RESOLVE, "--retention", "-5"], RETENTION),
        (["stats", "--sample", "0"], "write a whole number, 1 or more"),
        (["stats", "--sample", "-3"], "write a whole number, 1 or more"),
        (["list", "--older", "nanm"], "write a number and s, m, h or d"),
        (["list", "--older", "10"], "write a number and s, m, h or d"),
        (["list", "--rate", "nan"], "write a number from 1 to"),
    ],
)
def test_a_number_that_cannot_be_meant(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert said in capsys.readouterr().err


def test_the_name_of_a_record_begins_with_the_namespace_of_its_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    tmp_path.joinpath("named_shop.py").write_text(
        "from origin_middleware.stores.redis import RedisStore\n"
        "store = RedisStore.from_url('redis://h', namespace='shop')\n"
    )
    assert main(["digest", "intent-1", "--store", "named_shop:store"]) == 0
    assert f"record shop:{{{digest('intent-1')}}}" in capsys.readouterr().out


@pytest.mark.parametrize("fails", ["import os; os.environ['SHOP']", "exit('no SHOP')"])
def test_a_module_that_fails_is_no_answer(
    fails: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    tmp_path.joinpath("failing_shop.py").write_text(fails)
    assert main(["show", "intent-1", "--store", "failing_shop:store"]) == 2
    assert "--store failing_shop:store: " in (said := capsys.readouterr().err)
    assert "SHOP" in said


@ONE_SERVER
@pytest.mark.parametrize("error", [KeyError, OSError])
async def test_a_user_without_a_name_decides_as_well(
    error: type[Exception], store: RedisStore, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container that runs under any number."""

    def nameless() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", nameless)
    await abandoned(store)
    decided = ("resolve", "intent-1", "--did-not-happen", "--reason", "r", "--yes")
    status, _, err = await ask(*decided)
    assert status == 0
    assert json.loads(err)["by"] == f"uid {os.getuid()}"


@ONE_SERVER
@pytest.mark.parametrize(
    ("kept", "given", "then"),
    [
        (600_000, [], 600_000),
        (600, [], 86_400),
        (600_000, ["--retention", "3600"], 3_600),
    ],
)
async def test_a_decision_is_kept_as_long_as_the_record_was(
    kept: float, given: list[str], then: float, store: RedisStore, ask: Ask
) -> None:
    """Or a retry would run the handler again."""
    await abandoned(store, retention=kept)
    assert (await ask(*RESOLVE, *given))[0] == 0
    seen = await store.look(Key("intent-1"))
    assert seen is not None
    assert then - 60 < seen.expires_in <= then


def test_without_the_extra_the_command_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['redis'] = None; sys.argv[1:] = ['--help']; "
        "from origin_middleware.__main__ import main; main()"
    )
    asked = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert asked.returncode == 2
    [said] = asked.stderr.splitlines()
    assert "pip install 'origin-middleware[redis]'" in said
