"""Event rules learned from made score curves with known calls."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.errors import ClipError
from counter.evaluation.rule_scoring import AnnotatedScores
from counter.evaluation.rule_search import FLAT_CALLS, FLAT_SHARE, FOR_MEAN, RULE_OF, flat_region
from counter.events.matching import Intervals
from counter.events.rules import EventRules
from counter.timebase import Timebase
from training.rule_learning import count_error, learn_rules

TIMEBASE = Timebase(sample_rate_hz=16000, hop_samples=2048)
RECORDING_S = 90.0
CLIPS_S = (2.5, 3.0, 3.5, 4.0)
PLAIN = EventRules(
    threshold=0.5, release=0.5, smooth_s=0, gap_s=0, part_s=60, min_duration_s=0, max_duration_s=60
)


def draw(seed, *, noise=(0.0, 0.2), level=(0.8, 0.8), jitter=0.0, gap_s=(2.0, 20.0)):
    """Scores of one recording: noise, and a plateau at each call; a third hold no call."""
    rng = np.random.default_rng(seed)
    n_frames = TIMEBASE.frames(RECORDING_S)
    scores = rng.uniform(*noise, n_frames)
    calls = []
    at_s = rng.uniform(*gap_s)
    while seed % 3:
        end_s = at_s + rng.uniform(min(CLIPS_S), max(CLIPS_S))
        if end_s > RECORDING_S:
            break
        inside = slice(TIMEBASE.frames(at_s), TIMEBASE.frames(end_s))
        n_inside = inside.stop - inside.start
        scores[inside] = rng.uniform(*level) + rng.normal(0, jitter, n_inside)
        calls.append((at_s, end_s))
        at_s = end_s + rng.uniform(*gap_s)
    return AnnotatedScores(np.clip(scores, 0, 1).astype(np.float32), Intervals.of(calls))


def draws(seeds, **values):
    return [draw(seed, **values) for seed in seeds]


# Kinds of sound that a detector could meet, each with its own difficulty.
KINDS = {
    "clean": {},
    "loud background": {"noise": (0.0, 0.5), "level": (0.7, 0.95)},
    "quiet calls": {"noise": (0.0, 0.1), "level": (0.25, 0.5)},
    "broken calls": {"noise": (0.0, 0.3), "level": (0.7, 0.9), "jitter": 0.25},
    "chorus": {"noise": (0.0, 0.2), "level": (0.7, 0.9), "jitter": 0.1, "gap_s": (0.7, 2.0)},
}


@pytest.mark.parametrize("kind", KINDS)
def test_learned_rules_count_right_on_fresh_draws(kind):
    learned = learn_rules(draws(range(40), **KINDS[kind]), CLIPS_S, TIMEBASE)
    fresh = count_error(draws(range(1000, 1060), **KINDS[kind]), learned.rules, TIMEBASE)
    assert fresh.n_calls > 100
    assert fresh.count_error <= 0.05
    assert fresh.f1 >= 0.99


def test_learning_counts_better_than_rules_not_learned():
    kind = KINDS["quiet calls"]
    learned = learn_rules(draws(range(40), **kind), CLIPS_S, TIMEBASE)
    fresh = draws(range(1000, 1040), **kind)
    assert count_error(fresh, learned.rules, TIMEBASE).cost < (
        count_error(fresh, EventRules(), TIMEBASE).cost / 2
    )


def test_the_threshold_is_in_the_middle_between_noise_and_calls():
    learned = learn_rules(draws(range(40)), CLIPS_S, TIMEBASE)
    assert learned.error.cost == 0
    assert learned.rules.threshold == pytest.approx(0.5, abs=0.1)


def test_for_a_mean_the_threshold_is_a_third_of_the_way_from_noise_to_calls():
    learned = learn_rules(draws(range(40)), CLIPS_S, TIMEBASE, FOR_MEAN)
    assert learned.error.cost == 0
    assert learned.rules.threshold == pytest.approx(0.37, abs=0.03)


def test_smoothing_is_learned_where_single_frames_flicker():
    flicker = {"noise": (0.0, 0.8), "jitter": 0.2, "gap_s": (5.0, 20.0)}
    learned = learn_rules(draws(range(40), **flicker), CLIPS_S, TIMEBASE)
    costs = {one.value: one.cost for one in learned.tried if one.rule == "smooth_s"}
    assert costs[0.0] > min(costs.values()) + 0.1
    assert learned.rules.smooth_s > 3 * TIMEBASE.frame_s
    assert learned.error.cost < 0.1


def test_durations_follow_the_clips():
    slow = Timebase(TIMEBASE.sample_rate_hz, 2 * TIMEBASE.hop_samples)
    scored = draws(range(20))
    stretched = [
        replace(
            one, calls=replace(one.calls, start_s=2 * one.calls.start_s, end_s=2 * one.calls.end_s)
        )
        for one in scored
    ]
    plain = learn_rules(scored, CLIPS_S, TIMEBASE).rules
    twice = learn_rules(stretched, [2 * length for length in CLIPS_S], slow).rules
    for name in ("smooth_s", "gap_s", "part_s", "min_duration_s", "max_duration_s"):
        assert getattr(twice, name) == pytest.approx(2 * getattr(plain, name), abs=0.002)
    assert twice.threshold == plain.threshold


def test_what_was_learned_is_told_with_its_error_and_what_was_tried():
    scored = draws(range(12), **KINDS["broken calls"])
    learned = learn_rules(scored, CLIPS_S, TIMEBASE)
    assert learned.error == count_error(scored, learned.rules, TIMEBASE)
    for rule in RULE_OF.values():
        chosen = [one for one in learned.tried if one.rule == rule and one.is_chosen]
        assert [one.value for one in chosen] == [getattr(learned.rules, rule)]
        assert [one.cost for one in chosen] == [learned.error.cost]
    assert learn_rules(scored, CLIPS_S, TIMEBASE) == learned


def test_recordings_without_calls_teach_to_hear_nothing():
    scored = draws(range(0, 30, 3), noise=(0.0, 0.6))
    learned = learn_rules(scored, CLIPS_S, TIMEBASE)
    assert learned.error.n_calls == learned.error.n_events == 0


def test_nothing_to_learn_from_is_told():
    with pytest.raises(ClipError, match="more sources"):
        learn_rules([], CLIPS_S, TIMEBASE)


def test_no_recordings_hold_no_error():
    error = count_error([], PLAIN, TIMEBASE)
    assert (error.count_error, error.cost, error.n_recordings, error.n_events) == (0, 0, 0, 0)


def scored(calls, heard):
    """A recording of 20 s with true calls, and scores of 1 where something is heard."""
    scores = np.zeros(TIMEBASE.frames(20.0), dtype=np.float32)
    for start_s, end_s in heard:
        scores[TIMEBASE.frames(start_s) : TIMEBASE.frames(end_s)] = 1
    return AnnotatedScores(scores, Intervals.of(calls))


A, B, C = (1.0, 3.0), (6.0, 8.0), (12.0, 14.0)


@pytest.mark.parametrize(
    ("calls", "heard", "expected"),
    [
        ([A, B], [A, B], {"count_error": 0, "bias": 0, "f1": 1, "cost": 0, "n_false": 0}),
        ([A, B], [A], {"count_error": 1, "bias": -1, "recall": 0.5, "precision": 1, "cost": 1.5}),
        ([A], [A, B], {"count_error": 1, "bias": 1, "precision": 0.5, "n_false": 1, "cost": 1.5}),
        # the count is right and both events are wrong
        ([A], [C], {"count_error": 0, "bias": 0, "f1": 0, "n_false": 1, "cost": 1}),
        ([], [], {"count_error": 0, "f1": 1, "precision": 1, "recall": 1, "n_events": 0}),
        ([], [A], {"count_error": 1, "f1": 0, "precision": 0, "recall": 1, "n_calls": 0}),
        ([A], [], {"count_error": 1, "f1": 0, "precision": 1, "recall": 0, "n_events": 0}),
    ],
)
def test_errors_of_one_recording(calls, heard, expected):
    error = count_error([scored(calls, heard)], PLAIN, TIMEBASE)
    assert {name: getattr(error, name) for name in expected} == expected
    assert error.n_recordings == 1


def test_errors_do_not_cancel_between_recordings_and_bias_does():
    both = [scored([A, B], [A]), scored([A], [A, B])]
    error = count_error(both, PLAIN, TIMEBASE)
    assert (error.count_error, error.bias, error.n_recordings) == (1, 0, 2)
    assert (error.n_calls, error.n_events, error.n_false) == (3, 3, 1)


@pytest.mark.parametrize("gap_s", [0.0, 0.5, 600.0])
def test_no_rule_reaches_from_one_recording_into_another(gap_s):
    # the first ends, and the next begins, within a call; one is empty
    whole = (0.0, 20.0)
    none = AnnotatedScores(np.zeros(0, np.float32), Intervals.of([]))
    some = [scored([whole], [whole]), scored([whole], [whole]), none]
    rules = PLAIN.changed(gap_s=gap_s, smooth_s=1.0)
    error = count_error(some, rules, TIMEBASE)
    assert (error.count_error, error.n_events, error.f1) == (0, 2, 1)


def test_errors_are_means_that_order_and_repetition_leave_alone():
    some = draws(range(6), **KINDS["broken calls"])
    once = count_error(some, PLAIN, TIMEBASE)
    assert once.cost > 0
    assert count_error(some[::-1], PLAIN, TIMEBASE) == once
    twice = count_error(some * 2, PLAIN, TIMEBASE)
    assert (twice.cost, twice.f1, twice.bias) == pytest.approx((once.cost, once.f1, once.bias))
    assert twice.n_events == 2 * once.n_events


@pytest.mark.parametrize(
    ("costs", "index"),
    [
        ([5, 0, 0, 0, 5], 2),
        ([0, 0, 0, 5, 5], 1),
        ([5, 5, 0, 0, 0], 3),
        ([5, 0, 0, 5], 1),
        ([0, 5, 0, 0, 0], 0),
        ([3], 0),
        ([1, 1, 1], 1),
        # nearly equal counts as equal
        ([5, FLAT_CALLS, 0, FLAT_CALLS, FLAT_CALLS, 5], 2),
        ([9, 1, 1 + FLAT_SHARE, 9], 1),
        ([9, 2, 1, 9], 2),
    ],
)
def test_the_middle_of_the_flat_region(costs, index):
    low, middle, high = flat_region(costs)
    assert middle == index
    assert low <= middle <= high


@given(st.lists(st.floats(0, 10), min_size=1, max_size=20))
def test_the_chosen_one_is_nearly_the_best_and_so_is_all_between(costs):
    low, chosen, high = flat_region(costs)
    assert low <= int(np.argmin(costs)) <= high
    assert low <= chosen <= high
    allowed = min(costs) * (1 + FLAT_SHARE) + FLAT_CALLS
    assert max(costs[low : high + 1]) <= allowed + 1e-9


def test_learning_rules_needs_no_tensorflow():
    code = "import sys; sys.modules['tensorflow'] = None; import training.rule_learning"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
