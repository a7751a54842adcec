"""Properties of the lifecycle itself: agreement does not find a shared fault."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from origin_middleware import lifecycle
from origin_middleware.record import (
    Claim,
    Claimed,
    Completed,
    Finished,
    Held,
    InProgress,
    Late,
    NotReplayable,
    Preceded,
    Record,
    Recorded,
    Released,
)
from tests.support.stores import a_claim

CLAIMS = [a_claim(owner, lease=10, retention=100) for owner in "abc"]
OTHERS = [a_claim(owner, "g", lease=10, retention=100) for owner in "de"]
WRITES = ["renew", "complete", "release", "abandon"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "take_over", *WRITES]),
        st.sampled_from(CLAIMS),
        st.sampled_from([0.0, 1.0, 5.0, 11.0]),
    ),
    max_size=40,
)


@dataclass
class History:
    """Plays steps on one key, within one retention, and remembers what happened."""

    record: Record | None = None
    now: float = 0.0
    wins: list[Claim] = field(default_factory=list)
    completions: list[Finished] = field(default_factory=list)

    def play(self, step: str, by: Claim, passed: float) -> object:
        self.now += passed
        if step == "complete":
            outcome = Completed(by.owner)
            self.record, told = lifecycle.complete(self.record, by, self.now, outcome)
            return told
        transition = getattr(lifecycle, step)
        self.record, answer = transition(self.record, by, self.now)
        return answer


def past(record: Record | None) -> tuple[int, float]:
    """How many attempts have begun, and when the first one did."""
    if record is not None and isinstance(record.state, InProgress | Released):
        return record.attempt, record.begun
    return 0, 0.0


def long_lived(by: Claim) -> Claim:
    return by._replace(retention=1e9)


@given(STEPS)
def test_the_first_completion_is_what_everybody_gets_from_then_on(
    steps: list[tuple[str, Claim, float]],
) -> None:
    history = History()
    first: Finished | None = None
    for step, by, passed in steps:
        told = history.play(step, long_lived(by), passed)
        if first is None and isinstance(told, Recorded):
            first = Finished(by.fingerprint, Completed(by.owner))
        elif first is not None:
            assert lifecycle.view(history.record, history.now) == first
            assert told is not True
            assert not isinstance(told, Claimed | Held)


@given(STEPS)
def test_a_key_is_won_again_only_after_release_or_by_take_over_of_an_abandoned_record(
    steps: list[tuple[str, Claim, float]],
) -> None:
    history = History()
    for step, by, passed in steps:
        before = lifecycle.view(history.record, history.now + passed)
        owner = (
            history.record.owner
            if isinstance(before, Held) and history.record
            else None
        )
        told = history.play(step, long_lived(by), passed)
        if isinstance(told, Claimed) and owner not in (None, by.owner):
            assert step == "take_over"
            assert isinstance(before, Held)
            assert before.abandoned


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["claim", "take_over", "renew", "abandon"]),
            st.sampled_from([*CLAIMS, *OTHERS]),
            st.sampled_from([0.0, 5.0, 11.0]),
        ),
        max_size=40,
    )
)
def test_a_key_that_nobody_gives_back_stays_with_one_request(
    steps: list[tuple[str, Claim, float]],
) -> None:
    history = History()
    fingerprint = None
    for step, by, passed in steps:
        history.play(step, long_lived(by), passed)
        if history.record is not None:
            fingerprint = fingerprint or history.record.fingerprint
            assert history.record.fingerprint == fingerprint


@given(STEPS, st.sampled_from(["renew", "release", "abandon"]))
def test_a_stale_token_changes_nothing_and_is_told_so(
    steps: list[tuple[str, Claim, float]], write: str
) -> None:
    history = History()
    for step, by, passed in steps:
        history.play(step, by, passed)
    before = lifecycle.retained(history.record, history.now)
    assert history.play(write, a_claim("stranger"), 0.0) is False
    assert history.record == before


@given(STEPS, st.sampled_from(["claim", "take_over", *WRITES]))
def test_every_write_that_can_be_sent_twice_answers_the_same_twice(
    steps: list[tuple[str, Claim, float]], write: str
) -> None:
    history = History()
    for step, by, passed in steps:
        history.play(step, by, passed)
    by = CLAIMS[0]
    first = history.play(write, by, 0.0)
    after = history.record
    second = history.play(write, by, 0.0)
    lost = isinstance(
        first, Recorded
    )  # what was found changes, that it is recorded does not
    assert isinstance(second, Recorded) if lost else second == first
    assert history.record == after


@given(STEPS)
def test_no_record_is_without_an_end(steps: list[tuple[str, Claim, float]]) -> None:
    history = History()
    for step, by, passed in steps:
        history.play(step, by, passed)
        if history.record is not None and history.record.expires > history.now:
            assert history.record.expires <= history.now + by.retention + 100


def test_what_is_past_its_retention_is_absent() -> None:
    record, _ = lifecycle.claim(None, a_claim(retention=100), 0.0)
    assert lifecycle.retained(record, 99.9) == record
    assert lifecycle.retained(record, 100.0) is None


@given(STEPS, st.sampled_from([lifecycle.withdraw, lifecycle.withdraw_take_over]))
def test_a_claim_that_is_withdrawn_leaves_what_was_there(
    steps: list[tuple[str, Claim, float]],
    withdraw: Callable[[Record | None, Claim, float], Record | None],
) -> None:
    history = History()
    for step, by, passed in steps:
        history.play(step, by, passed)
    before, now = lifecycle.retained(history.record, history.now), history.now
    takes_over = withdraw is lifecycle.withdraw_take_over
    transition = lifecycle.take_over if takes_over else lifecycle.claim
    by = a_claim("withdrawn", lease=10, retention=100)
    after, told = transition(before, by, now)
    took_over = isinstance(before and before.state, InProgress)
    if not isinstance(told, Claimed) or took_over != takes_over:
        return
    for _ in range(2):
        after = withdraw(after, by, now)
        assert type(after and after.state) is type(before and before.state)
        assert past(after) == past(before)


@given(STEPS)
def test_no_more_attempts_begin_than_allowed(
    steps: list[tuple[str, Claim, float]],
) -> None:
    history = History()
    for step, by, passed in steps:
        history.play(step, long_lived(by)._replace(max_attempts=2), passed)
        assert past(history.record)[0] <= 2


def test_a_late_claim_is_not_applied() -> None:
    told = lifecycle.unless_late(
        lifecycle.claim, None, a_claim(), now=11.0, not_after=10.0
    )
    assert told == (None, Late())


def test_a_claim_in_time_is_applied() -> None:
    record, told = lifecycle.unless_late(lifecycle.claim, None, a_claim(), 10.0, 10.0)
    assert told == Claimed()
    assert record is not None


def test_a_late_repetition_of_an_applied_claim_still_wins() -> None:
    record, _ = lifecycle.claim(None, a_claim(), 0.0)
    assert lifecycle.unless_late(lifecycle.claim, record, a_claim(), 9.0, 5.0) == (
        record,
        Claimed(),
    )


def test_a_late_claim_of_a_finished_key_learns_the_outcome() -> None:
    record, _ = lifecycle.complete(None, a_claim(), 0.0, NotReplayable())
    _, told = lifecycle.unless_late(lifecycle.claim, record, a_claim("b"), 9.0, 5.0)
    assert isinstance(told, Finished)


def test_a_completion_that_was_preceded_is_told_by_which() -> None:
    record, _ = lifecycle.complete(None, a_claim("a"), 0.0, Completed(b"first"))
    after, told = lifecycle.complete(record, a_claim("b"), 1.0, Completed(b"second"))
    assert told == Preceded(Finished(a_claim("a").fingerprint, Completed(b"first")))
    assert after == record


DECLARED = a_claim("declared", lease=10, declares=True)


@given(st.booleans(), st.sampled_from(["refused", "inquired", "executed"]))
def test_what_died_before_its_effects_began_is_claimed_again(
    begun: bool, policy: str
) -> None:
    record, _ = lifecycle.claim(None, DECLARED, 0.0)
    if begun:
        record, ours = lifecycle.begin_effects(record, DECLARED, 1.0)
        assert ours
    again = a_claim("again", declares=True, inquires=policy == "inquired")
    assert isinstance(lifecycle.claim(record, again, 9.0)[1], Held)
    taken, told = lifecycle.claim(record, again, 12.0)
    if begun:
        assert isinstance(told, Held)
        taken, told = lifecycle.take_over(record, again, 12.0)
    assert isinstance(told, Claimed)
    assert taken is not None
    assert told.attempt == taken.attempt == (1 if begun and again.inquires else 2)
    # What it took over may have had effects, and so may whatever follows.
    assert taken.state == InProgress(22.0, effects=begun)


def test_what_another_request_has_not_begun_stays_its_own() -> None:
    record, _ = lifecycle.claim(None, DECLARED, 0.0)
    for transition in (lifecycle.claim, lifecycle.take_over):
        after, told = transition(record, a_claim("other", "g"), 99.0)
        assert isinstance(told, Held)
        assert after == record


def test_effects_do_not_begin_under_a_claim_that_is_gone() -> None:
    record, _ = lifecycle.claim(None, DECLARED, 0.0)
    again, _ = lifecycle.claim(record, a_claim("again", declares=True), 11.0)
    assert lifecycle.begin_effects(again, DECLARED, 12.0) == (again, False)
    assert lifecycle.begin_effects(None, DECLARED, 12.0) == (None, False)


def test_who_does_not_know_the_outcome_is_believed() -> None:
    record, _ = lifecycle.claim(None, DECLARED, 0.0)
    record, _ = lifecycle.abandon(record, DECLARED, 1.0)
    assert isinstance(lifecycle.claim(record, a_claim("b"), 2.0)[1], Held)


def test_a_renewed_record_lapses_a_lease_after_the_renewal() -> None:
    record, _ = lifecycle.claim(None, a_claim(lease=10), 0.0)
    record, _ = lifecycle.renew(record, a_claim(lease=10), 8.0)
    assert record is not None
    assert record.state == InProgress(lapses=18.0)
