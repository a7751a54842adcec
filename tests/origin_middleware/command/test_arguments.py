"""What is said on the command line, and what cannot be meant."""

import pytest

from origin_middleware.command import main
from origin_middleware.key import Key
from origin_middleware.stores.redis import RedisStore
from tests.support.night import ONE_SERVER, WHY, Ask, abandoned

RESOLVE = ("resolve", "intent-1", "--did-not-happen", *WHY)
RETENTION = "write a number from 31 to 315360000"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([*RESOLVE, "--retention", "10"], RETENTION),
        ([*RESOLVE, "--retention", "nan"], RETENTION),
        ([*RESOLVE, "--retention", "inf"], RETENTION),
        ([*RESOLVE, "--retention", "-5"], RETENTION),
    ],
)
def test_a_number_that_cannot_be_meant(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert said in capsys.readouterr().err


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
