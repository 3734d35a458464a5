"""What a training says against counting with its model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.evaluation.rule_scoring import AnnotatedScores
from counter.events.matching import Intervals
from counter.events.rules import EventRules
from counter.timebase import Timebase
from training.data.clip_set import BACKGROUND, Clip, ClipSet
from training.report.trust import NOT_YET, trust_of
from training.rule_learning import CountError, Learned, total_error
from training.validation.clip_metrics import ClipScores
from training.validation.cross_fit import CrossFit

RATE_HZ = 8000


def clip(name, label, seed):
    noise = np.random.default_rng(seed).standard_normal(800).astype(np.float32)
    return Clip(name, name.partition("-")[0], label, noise)


def clips(n_sources=4, *more):
    calls = [clip(f"call{n}-1", 0, n) for n in range(n_sources)]
    rest = [clip(f"rest{n}-1", BACKGROUND, 100 + n) for n in range(4)]
    return ClipSet(("frog",), RATE_HZ, (*calls, *rest, *more))


def crossed(rows, clip_set):
    """A cross-fit whose events are as many, a row a recording: calls, events, pairs."""
    error = CountError.of(np.array([[*row, 0] for row in rows]))
    scores = ClipScores.of(
        clip_set,
        [np.zeros(1)] * len(clip_set.clips),
        split="made up",
        is_exclusive=False,
        has_background=True,
    )
    scored = AnnotatedScores(np.zeros(1, np.float32), Intervals.of([]))
    learned = Learned(EventRules(), error, ())
    return CrossFit(scores, ((scored,),), (learned,), Timebase(RATE_HZ, 1024), (), ())


def trust(rows, clip_set=None):
    clip_set = clip_set or clips()
    (one,) = trust_of(crossed(rows, clip_set), clip_set)
    return one


def test_of_a_good_model_nothing_is_said():
    one = trust([(10, 10, 10), (5, 6, 5)])
    assert one.warnings == ()
    assert not one.is_unfit
    assert one.why_unfit == ""


def test_found_and_known_calls_far_apart_are_told_with_what_to_bring():
    (said,) = trust([(10, 13, 10), (10, 13, 10)]).warnings
    assert "26 found of 20 known calls. Mark more recordings" in said


@pytest.mark.parametrize(("n_paired", "is_unfit"), [(7, True), (8, False)])
def test_more_mistakes_than_pairs_are_not_to_be_counted_with(n_paired, is_unfit):
    # F1 is 2 * pairs / 31: below one half with 7, above with 8.
    one = trust([(15, 16, n_paired)])
    assert one.is_unfit == is_unfit
    assert (NOT_YET in one.why_unfit) == is_unfit
    if is_unfit:
        assert "of 15 frog calls that training knew" in one.why_unfit
        assert f"had not met them found {n_paired}, and {16 - n_paired} events" in one.why_unfit
    assert any("F1 is 0." in said for said in one.warnings)


def test_a_model_that_finds_nothing_is_not_to_be_counted_with():
    assert trust([(15, 0, 0)]).is_unfit


def test_few_sources_and_clips_on_both_sides_are_told():
    twice = clip("call0-9", BACKGROUND, 0)
    warnings = trust([(10, 10, 10)], clips(2, twice)).warnings
    assert any("calls of 2 sources only" in said for said in warnings)
    assert any("1 clips are among the calls and in the background" in said for said in warnings)
    assert any("call0-1" in said for said in warnings)


class TestTotalError:
    """The error of a total to expect."""

    def test_no_mistake_in_a_few_calls_promises_no_more_than_one(self):
        assert total_error(np.array([[4, 4, 4], [7, 7, 7]])) == pytest.approx(1 / 11)
        assert total_error(np.array([[400, 400, 400]])) == pytest.approx(1 / 400)

    def test_where_nothing_calls_there_is_no_error_to_tell(self):
        assert total_error(np.array([[0, 3, 0]])) is None
        assert total_error(np.zeros((0, 3), dtype=int)) is None

    def test_a_bias_is_an_error_of_that_share(self):
        found = total_error(np.array([[100, 80, 80], [200, 160, 160]]))
        assert found == pytest.approx(np.hypot(0.2, np.sqrt(61) / 300))

    def test_recordings_that_differ_say_more_than_their_mean(self):
        alike = total_error(np.array([[50, 50, 40]] * 6))
        unlike = total_error(np.array([[50, 90, 40], [50, 10, 10]] * 3))
        assert alike < unlike

    @given(st.integers(0, 2**31))
    def test_it_is_as_large_as_the_errors_of_other_recordings_are(self, seed):
        rng = np.random.default_rng(seed)
        n_calls = rng.poisson(20, 400) + 1
        found = rng.binomial(n_calls, 0.8)
        table = np.column_stack([n_calls, found, found])
        parts = table.reshape(20, 20, 3)
        errors = [part[:, 1].sum() / part[:, 0].sum() - 1 for part in parts]
        expected = np.median([total_error(part) for part in parts])
        assert 0.7 < expected / np.sqrt(np.mean(np.square(errors))) < 1.4
