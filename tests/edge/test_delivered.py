import pytest

from edge.delivered import delivered, settles

NEVER_DELIVERED = [
    *(0, 100, 101, 103, 199, 300, 304, 305, 306, 307, 308, 399),
    *(400, 402, 404, 409, 429, 499, 500, 502, 503, 504, 599, 600, 999),
]
ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


@pytest.mark.parametrize("method", ALL_METHODS)
@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 226, 299, 303])
def test_delivered_whatever_the_method(method: str, status: int) -> None:
    assert delivered(method, status)


@pytest.mark.parametrize("method", ALL_METHODS)
@pytest.mark.parametrize("status", NEVER_DELIVERED)
def test_not_delivered_whatever_the_method(method: str, status: int) -> None:
    assert not delivered(method, status)


@pytest.mark.parametrize("status", [301, 302])
def test_a_redirect_of_a_get_delivers_nothing_yet(status: int) -> None:
    assert not delivered("GET", status)
    assert not delivered("HEAD", status)


@pytest.mark.parametrize("status", [301, 302])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_redirect_after_a_post_says_that_it_was_processed(
    method: str, status: int
) -> None:
    assert delivered(method, status)


@pytest.mark.parametrize("status", [200, 204, 301, 304, 307, 308, 399])
def test_below_400_settles_what_the_published_adapter_settles(status: int) -> None:
    assert settles("below-400", "GET", status)


@pytest.mark.parametrize("status", [99, 400, 404, 500, 503])
def test_below_400_means_below_400(status: int) -> None:
    assert not settles("below-400", "GET", status)


def test_the_rules_differ_on_a_redirect() -> None:
    assert not settles("delivered", "GET", 307)
    assert settles("below-400", "GET", 307)
