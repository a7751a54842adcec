"""What a build reads from its environment, and what it says about it."""

from collections.abc import Mapping

import pytest

from edge.build.environment import Secrets, read_environment, warnings
from edge.build.routes_file import RoutesFile
from edge.build.zip import build
from edge.errors import Refused
from edge.runtime.gate import Lifetime
from edge.runtime.settings import Settings
from tests.edge.commands import ACCEPTED, ENVIRONMENT, KEY, SIGNING, URL
from tests.edge.examples import ROUTES
from tests.edge.examples import SIGNING as SIGNING_KEY

SECRET, KEY_ID = SIGNING
ACCEPTED_SECRET, ACCEPTED_KEY_ID = ACCEPTED


def refusal(**environment: str) -> str:
    with pytest.raises(Refused) as refused:
        read_environment(ENVIRONMENT | environment)
    return str(refused.value)


def baked(environment: Mapping[str, str]) -> Settings:
    routes = RoutesFile(ROUTES, "delivered")
    return build(read_environment(environment), routes).settings


def test_everything_that_is_set_is_read() -> None:
    assert read_environment(ENVIRONMENT) == Secrets(URL, KEY, (SIGNING_KEY,))
    signing, accepted = read_environment(ENVIRONMENT | ACCEPTED).signing
    assert (signing.id, accepted.id) == ("2026-02", "2026-01")
    assert accepted.secret == ACCEPTED[ACCEPTED_SECRET].encode()


def test_signing_is_optional() -> None:
    empty = dict.fromkeys((*SIGNING, *ACCEPTED), "")
    assert read_environment(ENVIRONMENT | empty) == Secrets(URL, KEY)


def test_half_a_pair_is_refused() -> None:
    assert refusal(**{SECRET: ""}).startswith(f"{KEY_ID} is set, and {SECRET} is not")
    assert refusal(**{KEY_ID: ""}).startswith(f"{SECRET} is set, and {KEY_ID} is not")
    accepted = {ACCEPTED_SECRET: ACCEPTED[ACCEPTED_SECRET]}
    assert f"{ACCEPTED_KEY_ID} is not" in refusal(**accepted)


def test_a_gate_that_only_accepts_is_refused() -> None:
    said = refusal(**dict.fromkeys(SIGNING, ""), **ACCEPTED)
    assert said.endswith("Set the one that signs.")


def test_two_secrets_of_one_name_are_refused() -> None:
    said = refusal(**ACCEPTED | {ACCEPTED_KEY_ID: "2026-02"})
    assert said.endswith("A new secret needs a new name.")


@pytest.mark.parametrize("key_id", ["a b", "ä", "a;b", "a,b", 'a"b', "a\n", "a" * 65])
def test_a_key_id_that_no_signature_can_name_is_refused(key_id: str) -> None:
    assert refusal(**{KEY_ID: key_id}).startswith(f"{KEY_ID} must be 1 to 64 letters")


def test_one_secret_of_two_names_is_refused() -> None:
    """It was renamed, and not renewed."""
    said = refusal(**ACCEPTED | {ACCEPTED_SECRET: SIGNING[SECRET]})
    assert "nothing would be rotated" in said
    assert SIGNING[SECRET] not in said


@pytest.mark.parametrize("secret", ["9f86d081884c7d65" * 2, "9F86D081" * 8, KEY])
def test_a_secret_in_place_of_its_name_is_refused_and_not_shown(secret: str) -> None:
    """A name is in every forwarded request, and on the screen."""
    said = refusal(**{KEY_ID: secret})
    assert said.startswith(f"{KEY_ID} looks like a secret")
    assert secret not in said


@pytest.mark.parametrize("key_id", ["2026-02", "deadbeef", "a" * 31, "blue_" * 8])
def test_an_ordinary_name_is_taken(key_id: str) -> None:
    (key,) = read_environment(ENVIRONMENT | {KEY_ID: key_id}).signing
    assert key.id == key_id


def test_keys_in_each_others_variables_are_refused_and_not_shown() -> None:
    url, key = "NEXFLOW_FACILITATOR_URL", "NEXFLOW_API_KEY"
    said = refusal(**{url: KEY, key: URL})
    assert said.startswith(f"{url} is an API key. That belongs in {key}")
    said += refusal(**{SECRET: f"{KEY}-{'0123456789' * 3}"})
    assert f"{SECRET} is an API key" in said
    assert KEY not in said


@pytest.mark.parametrize(
    ("path", "fault"),
    [("x/supported", "ends in /supported"), ("x/../y", "dot segments")],
)
def test_a_path_that_is_no_base_is_refused(path: str, fault: str) -> None:
    said = refusal(NEXFLOW_FACILITATOR_URL=f"https://pay.example/{path}")
    assert said.startswith("NEXFLOW_FACILITATOR_URL")
    assert fault in said


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\r\n", "\t{}"])
def test_a_key_with_the_end_of_its_line_is_told_so(around: str) -> None:
    said = refusal(NEXFLOW_API_KEY=around.format(KEY))
    assert said.startswith("NEXFLOW_API_KEY has white space around it")
    assert KEY not in said


@pytest.mark.parametrize(
    ("secret", "fault"),
    [
        ("SHORTSECRET-0123456789-abcdefgh", "has 31 characters and needs 32"),
        ("SPACESECRET-0123456789-abcdefghij ", "has white space around it"),
        ("\nLINESECRET-0123456789-abcdefghij", "has white space around it"),
        ("LATINSECRET-0123456789-abcdefghijä", "not printable ASCII"),
        ("CONTROLSECRET-0123456789-abcde\x7fj", "not printable ASCII"),
    ],
)
@pytest.mark.parametrize("variable", [SECRET, ACCEPTED_SECRET])
def test_a_weak_secret_is_refused_and_not_shown(
    variable: str, secret: str, fault: str
) -> None:
    said = refusal(**ACCEPTED | {variable: secret})
    assert said.startswith(f"{variable} ")
    assert fault in said
    assert said.endswith("Make one with `openssl rand -hex 32`.")
    assert secret.strip() not in said


@pytest.mark.parametrize("secret", ["S" * 64, "SECR" * 16])
def test_a_secret_that_can_be_guessed_is_warned_about_and_not_shown(
    secret: str,
) -> None:
    said = list(warnings(baked(ENVIRONMENT | {SECRET: secret})))
    assert len(said) == 1
    assert "can be guessed" in said[0]
    assert secret not in said[0]


def test_what_openssl_makes_is_taken() -> None:
    secret = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    (key,) = read_environment(ENVIRONMENT | {SECRET: secret}).signing
    assert key.secret == secret.encode()


def test_there_is_nothing_to_say_about_what_is_as_it_should_be() -> None:
    assert list(warnings(baked(ENVIRONMENT))) == []


def test_secrets_print_no_secret() -> None:
    secrets = read_environment(ENVIRONMENT)
    printed = f"{secrets} {secrets!r} {secrets.signing}"
    assert KEY not in printed
    assert "SIGNINGSECRET" not in printed


@pytest.mark.parametrize(("hours", "warned"), [(12, 0), (23, 0), (24, 1), (720, 1)])
def test_an_intent_that_may_outlive_its_record_is_warned_about(
    hours: int, warned: int
) -> None:
    routes = RoutesFile(ROUTES, "delivered", lifetime=Lifetime(longest=hours * 3600))
    said = list(warnings(build(read_environment(ENVIRONMENT), routes).settings))
    assert len(said) == warned
    assert all("longest_intent is a day or more" in each for each in said)


def test_the_terms_are_baked_in() -> None:
    routes = RoutesFile(
        ROUTES,
        "below-400",
        refused="withhold",
        lifetime=Lifetime(20, 600),
        allowed_origins=("https://shop.example",),
    )
    settings = build(read_environment(ENVIRONMENT), routes).settings
    assert (settings.settle, settings.refused) == ("below-400", "withhold")
    assert settings.lifetime == Lifetime(20, 600)
    assert settings.allowed_origins == ("https://shop.example",)
