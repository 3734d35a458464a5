"""Masks of training windows: where and how wide, and that tensorflow-io's and ours are the same."""

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from training.augment import windows

N_FRAMES, N_BANDS, MASK_FRAMES, MASK_BANDS = 20, 12, 5, 4
N_DRAWS = 3000
# Seeds are fixed, so a right one never fails; a range that is off by one gives far less than this.
FALSE_ALARM = 1e-6


def drawn(mask_frames, mask_bands, *, seed, n_draws=N_DRAWS):
    """Masked windows of ones, by a pipeline of tf.data, as training has it."""
    tf.random.set_seed(seed)
    mask = windows.masks(mask_frames, mask_bands)
    ones = tf.data.Dataset.from_tensors((tf.ones([N_FRAMES, N_BANDS]), 0.0)).repeat(n_draws)
    return np.array([x for x, _ in ones.map(mask).as_numpy_iterator()])


def stretches(masked, axis):
    """First place and length of the one stretch of zeros along an axis of each; (0, 0) of none."""
    across = masked.min(axis=2 - axis)
    assert (across == masked.max(axis=2 - axis)).all(), "a mask goes all the way across"
    found = []
    for line in across == 0.0:
        places = np.flatnonzero(line)
        assert (np.diff(places) == 1).all(), "a mask is one stretch"
        found.append((int(places[0]), len(places)) if len(places) else (0, 0))
    return found


def expected(size, most):
    """Share of each stretch: a length below ``most``, then a start that leaves it room."""
    shares = {(0, 0): 1 / most}
    for length in range(1, most):
        for start in range(size - length):
            shares[start, length] = 1 / most / (size - length)
    return shares


def surprise(found, shares):
    """Probability of counts as far from these shares as the found ones, by chi-squared."""
    from scipy.stats import chisquare

    counts = Counter(found)
    assert set(counts) <= set(shares)
    return chisquare(
        [counts[one] for one in shares], [share * len(found) for share in shares.values()]
    ).pvalue


@pytest.fixture(params=["tensorflow-io", "TensorFlow"])
def either(request, monkeypatch):
    """One implementation of the masks and the other."""
    if request.param == "TensorFlow":
        monkeypatch.setattr(windows, "tfio", None)
    elif windows.tfio is None:
        pytest.skip("tensorflow-io is not installed: pip install 'callcount[tfio]'")


@pytest.mark.usefixtures("either")
@pytest.mark.parametrize(
    ("axis", "size", "most", "asked"),
    [(0, N_FRAMES, MASK_FRAMES, (MASK_FRAMES, 0)), (1, N_BANDS, MASK_BANDS, (0, MASK_BANDS))],
    ids=["frames", "bands"],
)
def test_every_length_and_place_of_a_mask_is_as_likely_as_it_should_be(axis, size, most, asked):
    masked = drawn(*asked, seed=1)
    assert masked.shape == (N_DRAWS, N_FRAMES, N_BANDS)
    assert set(masked.ravel()) == {0.0, 1.0}
    assert surprise(stretches(masked, axis), expected(size, most)) > FALSE_ALARM


@pytest.mark.usefixtures("either")
def test_a_mask_of_length_0_is_left_out():
    assert (drawn(0, 0, seed=1, n_draws=20) == 1.0).all()


def test_tensorflow_io_and_tensorflow_mask_the_same_way(monkeypatch):
    tfio = pytest.importorskip("tensorflow_io", reason="pip install 'callcount[tfio]'")
    ones = tf.ones([20, 8])
    masked = tfio.audio.freq_mask(ones, param=8).numpy()
    assert masked.shape == (20, 8)
    assert set(masked.ravel()) <= {0.0, 1.0}
    assert (masked == masked[0]).all()
    assert windows.tfio is tfio, "training masks by it where it is installed"
    theirs = [drawn(MASK_FRAMES, MASK_BANDS, seed=seed) for seed in (1, 2)]
    monkeypatch.setattr(windows, "tfio", None)
    ours = [drawn(MASK_FRAMES, MASK_BANDS, seed=seed) for seed in (1, 2)]
    assert (theirs[0] != theirs[1]).any()
    np.testing.assert_array_equal(ours, theirs)
