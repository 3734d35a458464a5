"""Scores to events: each numbered rule alone, and what holds for all scores and rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from counter.events.decoding import decode, smooth, spans
from counter.events.matching import Criterion, Intervals, pair
from counter.events.rules import EventRules
from counter.timebase import Timebase

# One frame is 0.1 s, so that durations below read as frames.
TENTH = Timebase(sample_rate_hz=1000, hop_samples=100)
MODEL = Timebase(sample_rate_hz=16000, hop_samples=2048)
NEVER_S = 3600.0
# Rules that do nothing but compare with 0.5; each test changes the one it is about.
PLAIN = EventRules(
    threshold=0.5,
    release=0.5,
    smooth_s=0,
    gap_s=0,
    part_s=NEVER_S,
    part_depth=0,
    min_duration_s=0,
    max_duration_s=86400,
)


def with_rules(**values):
    return PLAIN.changed(**values)


def curve(*values):
    return np.array(values, dtype=np.float32)


def found(scores, rules):
    return spans(smooth(scores, rules.smooth_s, TENTH), rules, TENTH)


def covered(scores, rules):
    """Frames that lie in an event."""
    return {frame for start, stop in found(scores, rules) for frame in range(start, stop)}


# Scores in 64ths: their sums are exact, so relations can be asked to hold exactly.
def curves(min_size=0, max_size=60):
    values = st.lists(st.integers(0, 64), min_size=min_size, max_size=max_size)
    return values.map(lambda steps: np.array(steps, dtype=np.float32) / 64)


def tenths(low, high):
    return st.integers(low, high).map(lambda frames: frames / 10)


@st.composite
def any_rules(draw, **fixed):
    threshold = draw(st.integers(2, 63))
    shortest = draw(st.integers(0, 6))
    values = {
        "threshold": threshold / 64,
        "release": draw(st.integers(1, threshold)) / 64,
        "smooth_s": draw(tenths(0, 8)),
        "gap_s": draw(tenths(0, 6)),
        "part_s": draw(tenths(1, 20)),
        "part_depth": draw(st.integers(0, 8)) / 8,
        "min_duration_s": shortest / 10,
        "max_duration_s": draw(st.one_of(tenths(max(shortest, 1), 60), st.just(86400.0))),
    }
    return EventRules(**{**values, **fixed})


def literal(scores, rules):
    """The rules again, slowly, word for word."""
    shortest, longest = TENTH.frames(rules.min_duration_s), TENTH.frames(rules.max_duration_s)
    width = max(n for n in range(1, 99, 2) if n <= rules.smooth_s * 10 + 1 + 1e-9)
    level = [
        np.float32(np.mean(scores[max(i - width // 2, 0) : i + width // 2 + 1], dtype=float))
        for i in range(len(scores))
    ]
    inside = [value >= np.float32(rules.release) for value in level]
    starts = [i for i in range(len(level)) if inside[i] and not (i and inside[i - 1])]
    stops = [i + 1 for i in range(len(level)) if inside[i] and not any(inside[i + 1 : i + 2])]
    runs = [
        run
        for run in zip(starts, stops, strict=True)
        if max(level[slice(*run)]) >= np.float32(rules.threshold)
    ]
    joined = runs[:1]
    for start, stop in runs[1:]:
        if start - joined[-1][1] < TENTH.frames(rules.gap_s):
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    parted = [piece for run in joined for piece in literal_parts(level, run, rules)]
    return [(start, stop) for start, stop in parted if shortest <= stop - start <= longest]


def literal_parts(level, run, rules):
    start, stop = run
    shortest = max(TENTH.frames(rules.min_duration_s), 1)
    if stop - start <= TENTH.frames(rules.part_s):
        return [run]
    cuts = []
    for frame in range(start + shortest, stop - shortest + 1):
        lower_peak = min(max(level[start:frame]), max(level[frame:stop]))
        deep = level[frame] <= np.float32(rules.part_depth) * lower_peak
        if deep and lower_peak >= np.float32(rules.threshold):
            cuts.append((level[frame], frame))
    if not cuts:
        return [run]
    cut = min(cuts)[1]
    before = literal_parts(level, (start, cut), rules)
    return before + literal_parts(level, (cut, stop), rules)


@settings(max_examples=500)
@given(curves(), any_rules())
def test_the_events_are_those_of_the_rules_word_for_word(scores, rules):
    assert found(scores, rules) == literal(scores, rules)


# 1. smooth


def test_smoothing_is_the_mean_of_the_frames_around():
    smoothed = smooth(curve(0, 0, 0.9, 0, 0, 0.6, 0.6, 0.6), 0.3, TENTH)
    assert smoothed == pytest.approx([0, 0.3, 0.3, 0.3, 0.2, 0.4, 0.6, 0.6])
    assert smoothed.dtype == np.float32


def test_smoothing_takes_what_there_is_at_the_ends():
    assert smooth(curve(0.9, 0, 0, 0, 0.6), 0.3, TENTH) == pytest.approx([0.45, 0.3, 0, 0.2, 0.3])


@pytest.mark.parametrize(
    ("smooth_frames", "n_frames"),
    [(0, 1), (1, 1), (1.9, 1), (2, 3), (3, 3), (3.9, 3), (4, 5), (5, 5), (5.9, 5), (6, 7)],
)
def test_the_mean_is_over_the_nearest_odd_number_of_frames(smooth_frames, n_frames):
    click = np.zeros(41, dtype=np.float32)
    click[20] = 1
    assert np.count_nonzero(smooth(click, smooth_frames / 10, TENTH)) == n_frames


@pytest.mark.parametrize("timebase", [MODEL, Timebase(22050, 512), Timebase(48000, 3072), TENTH])
def test_even_numbers_of_frames_go_up_however_seconds_are_rounded(timebase):
    click = np.zeros(801, dtype=np.float32)
    click[400] = 1
    for n_frames in range(2, 400, 2):
        smooth_s = n_frames * timebase.hop_samples / timebase.sample_rate_hz
        smoothed = smooth(click, smooth_s, timebase)
        assert np.count_nonzero(smoothed) == n_frames + 1


@given(curves(min_size=1), tenths(0, 90))
def test_smoothing_stays_within_the_scores(scores, smooth_s):
    smoothed = smooth(scores, smooth_s, TENTH)
    assert smoothed.shape == scores.shape
    assert scores.min() <= smoothed.min()
    assert smoothed.max() <= scores.max()


@given(st.integers(0, 64), st.integers(1, 50), tenths(0, 90))
def test_smoothing_leaves_a_constant_as_it_is(step, n_frames, smooth_s):
    scores = np.full(n_frames, step / 64, dtype=np.float32)
    assert np.array_equal(smooth(scores, smooth_s, TENTH), scores)


def test_smoothing_treats_columns_alone():
    scores = np.random.default_rng(2).random((50, 3), dtype=np.float32)
    together = smooth(scores, 0.5, TENTH)
    for column in range(3):
        assert np.array_equal(together[:, column], smooth(scores[:, column], 0.5, TENTH))


def test_smoothing_a_day_stays_finite_and_exact_after_loud_hours():
    scores = np.ones(700_000, dtype=np.float32)
    scores[600_000:] = 0.1
    smoothed = smooth(scores, 0.7, MODEL)
    assert np.isfinite(smoothed).all()
    assert smoothed[-1] == np.float32(0.1)


# 2. run


def test_a_run_needs_a_frame_at_the_threshold_and_goes_on_down_to_release():
    scores = curve(0.1, 0.25, 0.6, 0.3, 0.2, 0, 0.4, 0.4, 0, 0.5)
    rules = with_rules(threshold=0.5, release=0.25)
    assert found(scores, rules) == [(1, 4), (9, 10)]


def test_threshold_and_release_themselves_are_enough():
    # 0.7 is no number of 32 bits: the score nearest to it still reaches it
    assert found(curve(0.69, 0.7, 0.71, 0.3, 0.29), with_rules(threshold=0.7, release=0.3)) == [
        (0, 4)
    ]
    assert found(curve(0.69, 0.69), with_rules(threshold=0.7, release=0.3)) == []


# 3. gap


@pytest.mark.parametrize(("gap_s", "n_events"), [(0, 2), (0.3, 2), (0.4, 1), (0.9, 1)])
def test_runs_less_than_a_gap_apart_are_one(gap_s, n_events):
    scores = curve(1, 1, 0, 0, 0, 1, 1)
    assert len(found(scores, with_rules(gap_s=gap_s))) == n_events


def test_a_chain_of_short_gaps_is_one_event():
    assert found(curve(1, 0, 1, 0, 1, 0, 0, 1), with_rules(gap_s=0.2)) == [(0, 5), (7, 8)]


# 4. part

TWO_CALLS = curve(0.6, 0.8, 0.8, 0.4, 0.3, 0.4, 0.9, 0.9, 0.6)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [(0, 4), (4, 9)]),
        ({"part_s": 0.8}, [(0, 4), (4, 9)]),
        ({"part_s": 0.9}, [(0, 9)]),
        ({"part_depth": 0.375}, [(0, 4), (4, 9)]),
        ({"part_depth": 0.374}, [(0, 9)]),
        ({"min_duration_s": 0.4}, [(0, 4), (4, 9)]),
        ({"min_duration_s": 0.5}, [(0, 9)]),
        ({"threshold": 0.8}, [(0, 4), (4, 9)]),
        ({"threshold": 0.85}, [(0, 9)]),
    ],
)
def test_a_long_run_is_parted_at_a_deep_valley(changes, expected):
    rules = {"threshold": 0.5, "release": 0.2, "part_s": 0.5, "part_depth": 0.5, **changes}
    assert found(TWO_CALLS, with_rules(**rules)) == expected


def test_a_run_of_twice_the_shortest_can_be_parted():
    rules = with_rules(release=0.1, part_s=0.3, part_depth=0.5, min_duration_s=0.3)
    assert found(curve(0.2, 0.9, 0.9, 0.2, 0.9, 0.9), rules) == [(0, 3), (3, 6)]


def test_the_cut_is_the_lowest_of_the_frames_that_can_be_cut_at():
    # the lowest frame of all stands too near the start
    scores = curve(0.9, 0.1, 0.9, 0.4, 0.3, 0.9, 0.9)
    rules = with_rules(release=0.1, part_s=0.5, part_depth=0.5, min_duration_s=0.2)
    assert found(scores, rules) == [(0, 4), (4, 7)]


def test_pieces_are_parted_again():
    scores = curve(0.9, 0.9, 0.3, 0.9, 0.9, 0.2, 0.9, 0.9, 0.4, 0.9, 0.9)
    rules = with_rules(release=0.1, part_s=0.3, part_depth=0.5)
    assert found(scores, rules) == [(0, 2), (2, 5), (5, 8), (8, 11)]


def test_runs_that_a_gap_joined_can_be_parted():
    scores = curve(0.9, 0.9, 0.9, 0, 0.9, 0.9, 0.9)
    rules = with_rules(gap_s=0.5, part_s=0.5, part_depth=0.5)
    assert found(scores, rules) == [(0, 3), (3, 7)]


# 5. shortest, 6. longest


@pytest.mark.parametrize(("shortest_s", "n_events"), [(0, 1), (0.3, 1), (0.4, 0)])
def test_an_event_shorter_than_the_shortest_is_dropped(shortest_s, n_events):
    scores = curve(0, 1, 1, 1, 0)
    assert len(found(scores, with_rules(min_duration_s=shortest_s))) == n_events


@pytest.mark.parametrize(("longest_s", "n_events"), [(0.2, 0), (0.3, 1), (9, 1)])
def test_an_event_longer_than_the_longest_is_dropped(longest_s, n_events):
    scores = curve(0, 1, 1, 1, 0)
    assert len(found(scores, with_rules(max_duration_s=longest_s))) == n_events


# What holds for all scores and rules


@given(curves(), any_rules())
def test_events_are_in_order_apart_inside_and_neither_too_short_nor_too_long(scores, rules):
    edges = [edge for event in found(scores, rules) for edge in event]
    assert edges == sorted(edges)
    assert all(0 <= edge <= len(scores) for edge in edges)
    for start, stop in found(scores, rules):
        assert stop > start
        assert TENTH.frames(rules.min_duration_s) <= stop - start
        assert stop - start <= TENTH.frames(rules.max_duration_s)
        assert smooth(scores, rules.smooth_s, TENTH)[start:stop].max() >= rules.threshold


@given(curves(), any_rules(max_duration_s=86400), st.integers(1, 63), st.integers(0, 63))
def test_a_higher_threshold_and_release_never_add_detected_time(scores, rules, up, release_up):
    threshold = min(rules.threshold + up / 64, 63 / 64)
    release = min(rules.release + release_up / 64, threshold)
    higher = rules.changed(threshold=threshold, release=release)
    assert covered(scores, higher) <= covered(scores, rules)


@given(curves(), any_rules(max_duration_s=86400), tenths(0, 20))
def test_a_longer_gap_only_adds_detected_time(scores, rules, more_s):
    longer = rules.changed(gap_s=rules.gap_s + more_s)
    assert covered(scores, rules) <= covered(scores, longer)


@given(curves(), any_rules(min_duration_s=0, max_duration_s=86400, part_s=NEVER_S), tenths(0, 20))
def test_a_longer_gap_alone_never_adds_events(scores, rules, more_s):
    longer = rules.changed(gap_s=rules.gap_s + more_s)
    assert len(found(scores, longer)) <= len(found(scores, rules))


@given(curves(), any_rules(), tenths(0, 20))
def test_a_longer_shortest_and_a_shorter_longest_only_drop_events(scores, rules, change_s):
    rules = rules.changed(part_s=NEVER_S)
    events = found(scores, rules)
    shortest_s = min(rules.min_duration_s + change_s, rules.max_duration_s)
    longest_s = max(rules.max_duration_s - change_s, shortest_s)
    fewer = rules.changed(min_duration_s=shortest_s, max_duration_s=longest_s)
    low, high = TENTH.frames(fewer.min_duration_s), TENTH.frames(fewer.max_duration_s)
    assert found(scores, fewer) == [event for event in events if low <= event[1] - event[0] <= high]


@given(curves(), any_rules(max_duration_s=86400))
def test_parting_loses_no_time_and_only_adds_events(scores, rules):
    whole = rules.changed(part_s=NEVER_S)
    assert covered(scores, rules) == covered(scores, whole)
    assert len(found(scores, rules)) >= len(found(scores, whole))


def quiet(rules):
    """Silence long enough that nothing reaches from one side of it to the other."""
    reach = TENTH.frames(rules.smooth_s) + TENTH.frames(rules.gap_s) + 1
    return np.zeros(reach, dtype=np.float32)


@given(curves(), any_rules(), st.integers(0, 30))
def test_later_scores_are_later_events(scores, rules, n_frames):
    padded = np.concatenate([quiet(rules), scores, quiet(rules)])
    later = np.concatenate([np.zeros(n_frames, dtype=np.float32), padded])
    shifted = [(start + n_frames, stop + n_frames) for start, stop in found(padded, rules)]
    assert found(later, rules) == shifted


@given(curves(), curves(), any_rules())
def test_recordings_with_silence_between_have_the_events_of_both(first, second, rules):
    first = np.concatenate([quiet(rules), first, quiet(rules)])
    second = np.concatenate([quiet(rules), second, quiet(rules)])
    moved = [(start + len(first), stop + len(first)) for start, stop in found(second, rules)]
    assert found(np.concatenate([first, second]), rules) == found(first, rules) + moved


@given(curves(), any_rules(part_s=NEVER_S))
def test_a_recording_played_backwards_has_the_same_events(scores, rules):
    mirrored = [(len(scores) - stop, len(scores) - start) for start, stop in found(scores, rules)]
    assert found(scores[::-1], rules) == mirrored[::-1]


@given(curves(), any_rules())
def test_only_the_ratio_of_scores_to_threshold_counts(scores, rules):
    to_float16 = rules.changed(threshold=rules.threshold / 2, release=rules.release / 2)
    assert found(scores / 2, to_float16) == found(scores, rules)


@given(st.integers(0, 80), any_rules())
def test_silence_holds_no_event(n_frames, rules):
    assert found(np.zeros(n_frames, dtype=np.float32), rules) == []


@given(st.integers(1, 80), st.integers(1, 64), any_rules(part_depth=0.875))
def test_a_constant_is_one_event_or_none(n_frames, step, rules):
    shortest, longest = TENTH.frames(rules.min_duration_s), TENTH.frames(rules.max_duration_s)
    heard = step / 64 >= rules.threshold and shortest <= n_frames <= longest
    scores = np.full(n_frames, step / 64, dtype=np.float32)
    assert found(scores, rules) == ([(0, n_frames)] if heard else [])


# Events with labels and seconds


def test_events_tell_label_times_and_score():
    scores = np.zeros((10, 2), dtype=np.float32)
    scores[4:7, 0] = 0.75, 0.875, 0.75
    scores[2:4, 1] = 0.5
    owl, wren = decode(scores, ["wren", "owl"], {"wren": PLAIN, "owl": PLAIN}, TENTH, 1.0)
    assert (owl.label, owl.start_s, owl.end_s, owl.score) == ("owl", 0.2, 0.4, 0.5)
    assert (wren.label, wren.start_s, wren.end_s, wren.score) == ("wren", 0.4, 0.7, 0.875)
    assert wren.peak_s == pytest.approx(0.55)


def test_each_label_has_its_own_rules():
    scores = np.full((10, 2), 0.6, dtype=np.float32)
    rules = {"wren": PLAIN, "owl": with_rules(threshold=0.7)}
    assert [event.label for event in decode(scores, ["wren", "owl"], rules, TENTH, 1.0)] == ["wren"]


def test_the_last_event_ends_with_the_recording():
    scores = np.ones((10, 1), dtype=np.float32)
    (event,) = decode(scores, ["wren"], {"wren": PLAIN}, TENTH, 0.93)
    assert event.end_s == 0.93


@pytest.mark.parametrize("labels", [["wren"], ["wren", "owl"]])
def test_no_frames_are_no_events(labels):
    scores = np.zeros((0, len(labels)), dtype=np.float32)
    assert decode(scores, labels, {"wren": PLAIN, "owl": PLAIN}, TENTH, 0.0) == ()


@given(curves(min_size=1), any_rules())
def test_equal_scores_are_equal_events_for_every_label(scores, rules):
    labels = ["a", "b", "c"]
    events = decode(
        np.stack([scores] * 3, axis=1), labels, dict.fromkeys(labels, rules), TENTH, 9.0
    )
    alone = decode(scores[:, None], ["a"], {"a": rules}, TENTH, 9.0)
    for label in labels:
        own = [event for event in events if event.label == label]
        assert [(e.start_s, e.end_s, e.peak_s, e.score) for e in own] == [
            (e.start_s, e.end_s, e.peak_s, e.score) for e in alone
        ]
    assert [e.start_s for e in events] == sorted(e.start_s for e in events)


@given(curves(min_size=1), any_rules(), st.integers(0, 99))
def test_times_lie_inside_the_recording_and_the_peak_inside_the_event(scores, rules, lost_samples):
    duration_s = (len(scores) * TENTH.hop_samples - lost_samples) / TENTH.sample_rate_hz
    for event in decode(scores[:, None], ["wren"], {"wren": rules}, TENTH, duration_s):
        assert 0 <= event.start_s < event.end_s <= duration_s
        assert event.start_s <= event.peak_s <= event.end_s
        assert rules.threshold <= event.score <= 1


# Matching

INTERVALS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 8)).map(lambda x: (x[0], x[0] + x[1])),
    max_size=12,
)
SHARES = st.sampled_from([0.1, 0.3, 0.5, 1.0])


def share(one, other):
    """Intersection over union of two intervals."""
    common = min(one[1], other[1]) - max(one[0], other[0])
    return common / (one[1] - one[0] + other[1] - other[0] - common) if common > 0 else 0.0


def match(events, truth, iou):
    """The pairs (event, call) that ``pair`` gives."""
    pairing = pair(Intervals.of(events), Intervals.of(truth), Criterion(iou))
    assert pairing.is_paired.sum() == (pairing.call_of >= 0).sum()
    return [(event, call) for event, call in enumerate(pairing.call_of.tolist()) if call >= 0]


@given(INTERVALS, INTERVALS, SHARES)
def test_matching_is_one_to_one_and_as_large_as_can_be(events, truth, iou):
    pairs = match(events, truth, iou)
    assert all(share(events[event], truth[call]) >= iou for event, call in pairs)
    assert len({event for event, _ in pairs}) == len({call for _, call in pairs}) == len(pairs)
    near = [[share(event, call) >= iou for call in truth] for event in events]
    best = 0
    if events and truth:
        paired = maximum_bipartite_matching(csr_matrix(near), perm_type="column")
        best = int((paired >= 0).sum())
    assert len(pairs) == best


@given(INTERVALS, INTERVALS, SHARES)
def test_matching_finds_as_many_pairs_the_other_way_round(events, truth, iou):
    assert len(match(events, truth, iou)) == len(match(truth, events, iou))


@given(INTERVALS, SHARES)
def test_everything_matches_itself_but_what_has_no_length(events, iou):
    assert len(match(events, events, iou)) == sum(end > start for start, end in events)


@given(INTERVALS, INTERVALS, SHARES, st.randoms())
def test_the_order_of_events_and_calls_does_not_matter(events, truth, iou, random):
    n_pairs = len(match(events, truth, iou))
    random.shuffle(events)
    random.shuffle(truth)
    assert len(match(events, truth, iou)) == n_pairs


@pytest.mark.parametrize(("events", "truth"), [([], []), ([(0, 1)], []), ([], [(0, 1)])])
def test_nothing_matches_nothing(events, truth):
    assert match(events, truth, 0.3) == []


def test_the_least_share_is_enough():
    assert match([(0, 10)], [(0, 3)], 0.3) == [(0, 0)]
    assert match([(0, 10)], [(0, 2.99)], 0.3) == []


def test_a_long_chain_of_calls_and_events_is_paired_along_its_whole_length():
    # every event touches two calls; the one that comes last pushes all others one call on
    n_calls = 3000
    truth = [(float(call), call + 1.0) for call in range(n_calls)]
    events = [(call + 0.5, call + 1.5) for call in range(n_calls - 1)] + [(-0.5, 0.5)]
    assert len(match(events, truth, 0.3)) == n_calls
