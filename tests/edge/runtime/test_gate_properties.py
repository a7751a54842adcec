"""What holds for every answer that a facilitator could give."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.runtime.gate import Answer, Forward, judge
from edge.runtime.settlement import Refused, Settled, Unsettled, outcome
from tests.edge.examples import NOW

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)
BODIES: st.SearchStrategy[Any] = JSON | st.fixed_dictionaries(
    {},
    optional={
        "valid": st.just(True) | JSON,
        "settlementIntentId": st.just("intent-1") | JSON,
        "expiresAt": st.just(NOW + 60) | JSON,
        "reason": JSON,
        "requirement": JSON,
        "ok": st.booleans() | JSON,
        "settledAt": JSON,
        "error": JSON,
    },
)


@given(st.sampled_from([200, 200, 200, 201, 402, 500]), BODIES)
def test_whatever_is_forwarded_was_said_in_so_many_words(
    status: int, body: Any
) -> None:
    verdict = judge(Answer(status, body), NOW)
    if isinstance(verdict, Forward):
        assert status == 200
        assert body["valid"] is True
        assert body["settlementIntentId"] == verdict.intent
        assert body.get("expiresAt") is None or body["expiresAt"]


NOT_ABOUT_IT = (400, 401, 408, 409, 425, 429)


@given(st.integers(100, 599) | st.sampled_from([200, 402, 404, 429, 500]), BODIES)
def test_every_answer_to_settle_has_an_outcome(status: int, body: Any) -> None:
    ok = body.get("ok") if isinstance(body, dict) else None
    about_the_payment = 400 <= status < 500 and status not in NOT_ABOUT_IT
    expected: type[Settled | Refused | Unsettled] = Unsettled
    if ok is True and status == 200:
        expected = Settled
    elif ok is False and (status == 200 or about_the_payment):
        expected = Refused
    assert isinstance(outcome(Answer(status, body)), expected)
