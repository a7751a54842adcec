"""At run time the stand-in does what `typing` would."""

import typing

import pytest

from edge.runtime import hints
from edge.runtime.gate import Answer, Forward, Gated, Lifetime
from edge.runtime.routes import Route
from tests.edge.examples import JOKE


def test_the_fields_are_the_annotations_in_their_order() -> None:
    assert Route._fields == ("path", "network", "resource_id")
    assert Route("/a", "n", "r") == Route(resource_id="r", network="n", path="/a")
    path, network, resource_id = JOKE
    assert (path, network, resource_id) == (JOKE.path, JOKE.network, JOKE.resource_id)


@pytest.mark.parametrize("values", [(), ("/a",), ("/a", "n", "r", "x")])
def test_all_fields_have_to_be_given(values: tuple[str, ...]) -> None:
    with pytest.raises(TypeError):
        Route(*values)


def test_a_field_with_a_default_may_be_left_out() -> None:
    assert Lifetime() == Lifetime(10.0, 43_200.0)
    assert Lifetime(longest=60) == (10.0, 60)
    assert Forward("intent-1").expires is None


def test_values_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        JOKE.path = "/b"  # type: ignore[misc] # the mistake under test
    with pytest.raises(AttributeError):
        JOKE.other = "x"  # type: ignore[attr-defined] # the mistake under test


def test_a_changed_copy_is_of_the_same_class() -> None:
    assert type(JOKE._replace(path="/b")) is Route


def test_they_match_by_position() -> None:
    answer: object = Answer(200, {"a": 1})
    match answer:
        case Answer(200, {"a": one}):
            assert one == 1
        case _:
            pytest.fail("no match")


def test_they_print_their_fields_and_keep_their_docstring() -> None:
    assert repr(Gated(JOKE)).startswith("Gated(route=Route(path='/api/joke', ")
    assert str(Answer.__doc__).startswith("The facilitator's answer")


def test_a_case_that_was_forgotten_is_an_error() -> None:
    with pytest.raises(AssertionError, match="this cannot be: str"):
        hints.assert_never("x")  # type: ignore[arg-type] # the mistake under test


def test_it_stands_in_for_what_typing_has() -> None:
    assert set(hints.__all__) <= set(dir(typing))
