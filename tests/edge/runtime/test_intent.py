import pytest

from edge.runtime.intent import (
    CONTRACT_HEADERS,
    carried,
    contract_headers,
    is_intent,
    without_contract_headers,
)


@pytest.mark.parametrize("value", ["a", "!", "~", "a" * 255, "0x12:ab/_-.=", "a,b"])
def test_an_intent_is_1_to_255_visible_ascii_characters(value: str) -> None:
    assert is_intent(value)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a" * 256,
        "a b",
        " a",
        "a\n",
        "a\x7f",
        "a\x00",
        "ä",
        "١",
        None,
        1,
        True,
        b"a",
        ["a"],
    ],
)
def test_anything_else_is_not_an_intent(value: object) -> None:
    assert not is_intent(value)


def test_the_contract_headers_are_the_documented_ones() -> None:
    assert {
        "x-settlement-intent-id",
        "x-settlement-resource-id",
        "x-settlement-network",
        "signature-input",
        "signature",
    } == CONTRACT_HEADERS


@pytest.mark.parametrize("name", sorted(CONTRACT_HEADERS))
def test_a_contract_header_goes_however_it_is_written(name: str) -> None:
    headers = {name: 1, name.upper(): 2, name.title(): 3, "x-other": 4, "x_other": 5}
    headers[name.replace("-", "_")] = headers[name.upper().replace("-", "_")] = 6
    assert without_contract_headers(headers) == {"x-other": 4, "x_other": 5}


def test_what_was_told_the_origin_can_be_read_again() -> None:
    assert carried(contract_headers("i", "r", "n")) == ("i", "r", "n")


@pytest.mark.parametrize("value", ["", "a b", "a, b", "a" * 256, "ä"])
def test_what_is_not_of_its_form_was_not_told(value: str) -> None:
    """A repeated line is joined by comma and space, so it is not of the form."""
    assert carried(contract_headers(value, value, value)) == (None, None, None)
    assert carried({}) == (None, None, None)
