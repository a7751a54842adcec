import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.runtime.gate import Lifetime
from edge.runtime.settings import (
    Endpoint,
    Settings,
    SettingsError,
    endpoint,
    parse,
    read,
)
from tests.edge.examples import JOKE, KEY, SECRET, SIGNING

DOCUMENT: dict[str, Any] = {
    "facilitatorUrl": "https://example.org/x402",
    "apiKey": KEY,
    "settle": "below-400",
    "routes": [
        {"path": "/api/joke", "network": "eip155:8453", "resourceId": "joke-endpoint"}
    ],
    "signing": [{"keyId": "2026-02", "secret": SECRET}],
}
ENDPOINT = Endpoint(True, "example.org", "example.org", 443, "/x402")


def test_settings_are_read_from_the_bundle(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(DOCUMENT))
    assert read(str(file)) == Settings(ENDPOINT, KEY, (JOKE,), "below-400", (SIGNING,))


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"not in the bundle: build it again"):
        read(str(tmp_path / "settings.json"))


def test_a_damaged_file_says_so(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_bytes(b'{"apiKey": "nf_test_SECRETKEY"\xff')
    with pytest.raises(SettingsError, match="is not JSON") as refused:
        read(str(file))
    assert KEY not in str(refused.value)


@pytest.mark.parametrize("missing", sorted(DOCUMENT))
def test_a_missing_setting_says_so(missing: str) -> None:
    document = {name: value for name, value in DOCUMENT.items() if name != missing}
    with pytest.raises(SettingsError, match="lacks"):
        parse(document)


@pytest.mark.parametrize("document", [None, [], "x", DOCUMENT | {"apiKey": 1}])
def test_settings_of_another_shape_are_refused(document: object) -> None:
    with pytest.raises(SettingsError, match="lacks"):
        parse(document)


def test_a_setting_we_do_not_know_is_refused() -> None:
    with pytest.raises(SettingsError, match="another version"):
        parse(DOCUMENT | {"later": 1})


@pytest.mark.parametrize("rule", [None, "always", 1, []])
def test_a_settle_rule_we_do_not_know_is_refused(rule: object) -> None:
    with pytest.raises(SettingsError, match="settle"):
        parse(DOCUMENT | {"settle": rule})


@pytest.mark.parametrize("route", [None, {}, {"path": "/a", "network": "n"}, "x"])
def test_a_route_that_lacks_something_is_refused(route: object) -> None:
    with pytest.raises(SettingsError, match="a route"):
        parse(DOCUMENT | {"routes": [route]})


@pytest.mark.parametrize(
    "key", [None, {}, {"keyId": "a"}, {"keyId": 1, "secret": SECRET}, "x"]
)
def test_a_signing_key_that_lacks_something_is_refused(key: object) -> None:
    with pytest.raises(SettingsError, match="a signing key") as refused:
        parse(DOCUMENT | {"signing": [key]})
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/x402", ENDPOINT),
        ("https://example.org/x402/", ENDPOINT),
        ("https://a.b:8443", Endpoint(True, "a.b:8443", "a.b", 8443, "")),
        ("http://[::1]:80/", Endpoint(False, "[::1]:80", "::1", 80, "")),
        ("http://localhost", Endpoint(False, "localhost", "localhost", 80, "")),
        ("HTTPS://A.b", Endpoint(True, "A.b", "a.b", 443, "")),
        ("https://a.b:/c:d@e//", Endpoint(True, "a.b:", "a.b", 443, "/c:d@e")),
    ],
)
def test_a_url_is_taken_apart(url: str, expected: Endpoint) -> None:
    assert endpoint(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org",
        "https://",
        "https:///x",
        "https://a:b@example.org",
        "https://example.org?a=b",
        "https://example.org#a",
        "https://example.org:abc",
        "https://example.org:99999",
        "https://example.org:0",
        "https://example.org:-1",
        f"https://example.org:{'9' * 5_000}",
        "https://example.org:٨٠",
        "https://:80",
        "https://[::1",
        "https://::1]",
        "https://[::1]a",
        "https://[::1]:a",
        "https://[localhost]",
        "https://[",
    ],
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="facilitatorUrl"):
        endpoint(url)


@given(st.from_regex(r"https?://[a-z1:@\[\]?#/%]{0,12}", fullmatch=True))
def test_a_url_is_taken_apart_as_by_urllib(url: str) -> None:
    try:
        found = endpoint(url)
    except SettingsError:
        return
    try:
        parts = urlsplit(url)
    except ValueError:
        assert "[" in url  # and no address in it: the build looks into that
        return
    assert (found.authority, found.host) == (parts.netloc, parts.hostname)
    assert found.port == (parts.port or (443 if found.secure else 80))
    assert (found.path, parts.query) == (parts.path.rstrip("/"), "")


def test_settings_print_no_secret() -> None:
    settings = Settings(ENDPOINT, KEY, (JOKE,), "delivered", (SIGNING,))
    for printed in (str(settings), repr(settings), repr(settings.signing)):
        assert KEY not in printed
        assert SECRET not in printed


def test_a_document_without_terms_has_those_that_protect() -> None:
    settings = parse(DOCUMENT)
    assert settings.refused == "deliver"
    assert settings.lifetime == Lifetime(shortest=10, longest=12 * 3600)
    assert settings.allowed_origins == ()


@pytest.mark.parametrize("value", [None, True, [1], {}, "keep"])
@pytest.mark.parametrize(
    "name", ["refused", "shortestIntent", "longestIntent", "allowedOrigins"]
)
def test_a_term_of_another_shape_is_refused(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=name):
        parse(DOCUMENT | {name: value})
