"""Events decoded while scores come: those of the whole recording, and no later than need be."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counter.events.decoding import decode, smooth
from counter.events.rules import EventRules
from counter.events.streaming import LabelDecoder, LiveDecoder, Smoother
from counter.timebase import Timebase

# One frame is 0.1 s, so that durations below read as frames.
TENTH = Timebase(sample_rate_hz=1000, hop_samples=100)


def tenths(low, high):
    return st.integers(low, high).map(lambda frames: frames / 10)


@st.composite
def any_rules(draw):
    threshold = draw(st.integers(2, 14))
    shortest = draw(st.integers(0, 5))
    return EventRules(
        threshold=threshold / 16,
        release=draw(st.integers(1, threshold)) / 16,
        smooth_s=draw(st.sampled_from([0.0, 0.0, 0.3, 0.6])),
        gap_s=draw(tenths(0, 6)),
        part_s=draw(tenths(1, 20)),
        part_depth=draw(st.integers(4, 8)) / 8,
        min_duration_s=shortest / 10,
        max_duration_s=draw(st.one_of(tenths(max(shortest, 1), 40), st.just(86400.0))),
    )


# Few levels, so that valleys tie, and long runs, so that there is much to part.
curves = st.lists(st.integers(0, 16), max_size=120).map(
    lambda steps: np.array(steps, dtype=np.float32) / 16
)


@st.composite
def choruses(draw):
    """Long runs with valleys of all depths, as of many calls that touch."""
    seed, n_frames = draw(st.integers(0, 2**32)), draw(st.integers(0, 600))
    rng = np.random.default_rng(seed)
    knots = rng.random(n_frames // draw(st.integers(1, 8)) + 2)
    steps = np.interp(np.linspace(0, len(knots) - 1, n_frames), np.arange(len(knots)), knots)
    return (np.round(steps * 16) / 16).astype(np.float32)


def in_parts(scores, sizes):
    """The scores cut up, the sizes over and over."""
    at = 0
    while at < len(scores):
        for size in sizes:
            yield scores[at : at + size]
            at += size


def heard_live(scores, rules, sizes):
    """Events of scores in parts; each with the frames that had come, the end coming last."""
    decoder = LiveDecoder(("a",), {"a": rules}, TENTH)
    heard, n_come = [], 0
    for one in in_parts(scores[:, None], sizes):
        n_come += len(one)
        heard += [(event, n_come) for event in decoder.push(one)]
    rest = decoder.finish(len(scores) / 10)
    return heard, rest


def whole(scores, rules):
    return list(decode(scores[:, None], ("a",), {"a": rules}, TENTH, len(scores) / 10))


@settings(max_examples=1500)
@given(curves | choruses(), any_rules(), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_the_events_are_those_of_the_whole_recording(scores, rules, sizes):
    heard, rest = heard_live(scores, rules, sizes)
    assert [event for event, _ in heard] + rest == whole(scores, rules)


@settings(max_examples=300)
@given(curves, curves, any_rules())
def test_an_event_that_was_told_stands_whatever_follows(scores, others, rules):
    heard, _ = heard_live(scores, rules, [1])
    told = [event for event, _ in heard]
    assert whole(np.concatenate([scores, others]), rules)[: len(told)] == told


@settings(max_examples=500)
@given(curves, any_rules(), st.integers(1, 7))
def test_an_event_is_told_as_soon_as_the_gap_and_the_smoothing_allow(scores, rules, size):
    heard, rest = heard_live(scores, rules, [size])
    waits_s = LabelDecoder("a", rules, TENTH).waits_s
    told_at = {event.end_s: n_come for event, n_come in heard}
    told_at.update({event.end_s: len(scores) for event in rest})
    smoothed = smooth(scores, rules.smooth_s, TENTH)
    for event in whole(scores, rules):
        end = round(event.end_s * 10)
        frames_after = round(event.end_s * 10 + waits_s * 10)
        # what comes after it is quiet, so that nothing can join it
        if (smoothed[end:frames_after] < rules.release).all():
            assert told_at[event.end_s] < frames_after + size or told_at[event.end_s] == len(scores)


def test_calls_that_touch_are_told_before_their_chorus_ends():
    call = [0.4, 0.9, 1.0, 0.9, 0.4]
    scores = np.array(call * 50, dtype=np.float32)
    rules = EventRules(
        threshold=0.8,
        release=0.2,
        smooth_s=0,
        gap_s=0.3,
        part_s=0.9,
        part_depth=0.6,
        min_duration_s=0.2,
    )
    heard, rest = heard_live(scores, rules, [1])
    assert [event for event, _ in heard] + rest == whole(scores, rules)
    assert len(heard) > 40
    assert max(n_come - event.end_s * 10 for event, n_come in heard) <= 10


def test_a_day_of_chorus_is_decoded_in_bounded_memory():
    rng = np.random.default_rng(1)
    rules = EventRules(threshold=0.7, release=0.2, smooth_s=0.3, gap_s=0.3, part_s=2.0)
    decoder = LabelDecoder("a", rules, TENTH)
    largest_bytes = 0
    for _ in range(3000):
        valley_to_valley = np.concatenate([np.linspace(0.3, 1, 8), np.linspace(1, 0.3, 8)])
        decoder.push((valley_to_valley + rng.random(16) * 0.05).astype(np.float32))
        largest_bytes = max(largest_bytes, len(pickle.dumps(decoder)))
    assert largest_bytes < 4000


@pytest.mark.parametrize("smooth_s", [0.0, 0.2, 0.5, 1.3])
@given(seed=st.integers(0, 2**32), size=st.integers(1, 40))
def test_smoothing_in_parts_is_smoothing_bit_for_bit(smooth_s, seed, size):
    scores = np.random.default_rng(seed).random(150, dtype=np.float32)
    smoother = Smoother(smooth_s, TENTH)
    found = [smoother.push(one) for one in in_parts(scores, [size])]
    found.append(smoother.push(scores[:0], is_end=True))
    np.testing.assert_array_equal(np.concatenate(found), smooth(scores, smooth_s, TENTH))


def test_labels_are_decoded_apart_and_told_in_order_of_start():
    rng = np.random.default_rng(3)
    scores = rng.random((400, 2), dtype=np.float32)
    rules = {
        "a": EventRules(threshold=0.7, release=0.4, min_duration_s=0.1),
        "b": EventRules(threshold=0.6, release=0.3, smooth_s=0, min_duration_s=0.1),
    }
    decoder = LiveDecoder(("a", "b"), rules, TENTH)
    told = [decoder.push(one) for one in in_parts(scores, [7])]
    told.append(decoder.finish(40.0))
    key = lambda event: (event.start_s, event.label)  # noqa: E731
    assert all(part == sorted(part, key=key) for part in told)
    everything = sorted((event for part in told for event in part), key=key)
    assert everything == list(decode(scores, ("a", "b"), rules, TENTH, 40.0))
    assert len(everything) > 10
