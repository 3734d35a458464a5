"""Pairing of events with the truth in the benchmarks: one to one, as many as can be."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import common

INTERVALS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 6)).map(lambda x: (x[0], x[0] + x[1])),
    max_size=4,
)


def _most_pairs(allowed: np.ndarray) -> int:
    """The most pairs one to one, by trying every order."""
    if allowed.shape[0] > allowed.shape[1]:
        allowed = allowed.T
    n_rows, n_columns = allowed.shape
    return max(
        sum(bool(allowed[row, column]) for row, column in enumerate(order))
        for order in itertools.permutations(range(n_columns), n_rows)
    )


def test_overlap_is_shared_time_over_all_time():
    found = common.overlap([(0, 4), (10, 12)], [(0, 4), (2, 6), (4, 8)])
    assert found == pytest.approx(np.array([[1, 2 / 6, 0], [0, 0, 0]]))


def test_intervals_without_length_do_not_overlap():
    assert common.overlap([(3, 3)], [(3, 3), (0, 9)]).tolist() == [[0, 0]]


@pytest.mark.parametrize(("reference", "estimate"), [([], []), ([(0, 1)], []), ([], [(0, 1)])])
def test_nothing_to_pair_gives_no_pairs(reference, estimate):
    assert common.match(reference, estimate) == []


def test_an_event_pairs_with_one_call_only():
    assert len(common.match([(0, 4), (0, 4)], [(0, 4)])) == 1
    assert len(common.match([(0, 4)], [(0, 4), (0, 4)])) == 1


def test_the_least_overlap_is_enough_and_less_is_not():
    assert common.match([(0, 10)], [(0, 3)], min_iou=0.3) == [(0, 0)]
    assert common.match([(0, 10)], [(0, 2.99)], min_iou=0.3) == []


def test_the_best_pair_gives_way_to_two_pairs():
    # the first event fits the second call best, but is the only one that fits the first
    calls, events = [(0, 4), (3, 8)], [(2, 7), (4, 10)]
    assert common.overlap(calls, events).argmax() == 2
    assert common.match(calls, events, min_iou=0.25) == [(0, 0), (1, 1)]


@given(INTERVALS, INTERVALS)
def test_as_many_pairs_as_trying_every_order_finds(reference, estimate):
    pairs = common.match(reference, estimate)
    allowed = common.overlap(reference, estimate) >= common.MIN_IOU
    assert all(allowed[row, column] for row, column in pairs)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    assert len(pairs) == _most_pairs(allowed)
    assert len(common.match(estimate, reference)) == len(pairs)
