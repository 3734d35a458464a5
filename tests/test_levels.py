"""Where in its clip a call stands."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.augment.levels import (
    background_power,
    band_level,
    call_extent,
    noise_beside,
    piece_bases,
)
from training.settings.front_end_settings import BandSettings

FRONT_END = BandSettings(kind="mel")
RATE_HZ = FRONT_END.sample_rate_hz


def clip_of(start_s, end_s, length_s=4.0, snr_db=15.0, seed=0):
    """Hiss, and in it a warble that is ``snr_db`` louder."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.01, int(length_s * RATE_HZ))
    t = np.arange(int((end_s - start_s) * RATE_HZ)) / RATE_HZ
    call = np.sin(2 * np.pi * 1000 * t + 20 * np.sin(2 * np.pi * 5 * t))
    first = int(start_s * RATE_HZ)
    samples[first : first + len(call)] += call * 0.01 * np.sqrt(2) * 10 ** (snr_db / 20)
    return samples.astype(np.float32)


@pytest.mark.parametrize("snr_db", [6.0, 15.0, 30.0])
@pytest.mark.parametrize(("start_s", "end_s"), [(0.5, 1.5), (0.1, 3.0), (2.0, 3.9)])
def test_a_call_is_found_in_a_clip_that_was_cut_loosely(start_s, end_s, snr_db):
    first, last = call_extent(clip_of(start_s, end_s, snr_db=snr_db), FRONT_END)
    assert first / RATE_HZ == pytest.approx(start_s, abs=0.15)
    assert last / RATE_HZ == pytest.approx(end_s, abs=0.15)


def test_a_level_does_not_move_it():
    clip = clip_of(1.0, 2.0)
    assert call_extent(clip, FRONT_END) == call_extent(clip * np.float32(0.001), FRONT_END)


@pytest.mark.parametrize(
    "samples", [np.zeros(RATE_HZ), np.ones(FRONT_END.window_samples - 1), np.ones(1)]
)
def test_a_clip_without_anything_to_tell_is_all_call(samples):
    assert call_extent(samples.astype(np.float32), FRONT_END) == (0, len(samples))


@settings(max_examples=30, deadline=None)
@given(n_samples=st.integers(1, 3 * RATE_HZ), seed=st.integers(0, 99))
def test_it_is_never_empty_nor_outside_the_clip(n_samples, seed):
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 1, n_samples) * (rng.random(n_samples) < 0.01)
    first, last = call_extent(samples.astype(np.float32), FRONT_END)
    assert 0 <= first < last <= n_samples


def test_a_piece_is_a_share_of_its_call_where_calls_are_alike():
    starts, lengths = np.array([5, 0, 7, 9]), np.array([100, 104, 98, 110])
    extents = np.stack([starts, starts + lengths], axis=1)
    assert np.array_equal(piece_bases(extents, np.zeros(4, int)), lengths)


def test_a_piece_of_a_long_call_is_never_as_long_as_a_short_one_of_its_label():
    lengths = np.array([20] * 5 + [200] * 5 + [200] * 5)
    labels = np.array([0] * 10 + [1] * 5)
    bases = piece_bases(np.stack([0 * lengths, lengths], axis=1), labels)
    assert 0.4 * bases[:10].max() <= 0.5 * 20
    assert np.all(bases[10:] == 200)


def test_no_calls_have_no_pieces():
    assert len(piece_bases(np.zeros((0, 2), int), np.zeros(0, int))) == 0


@pytest.mark.parametrize("snr_db", [3.0, 10.0])
def test_the_noise_beside_a_call_is_told_from_it(snr_db):
    clip, quiet = clip_of(1.0, 3.0, snr_db=snr_db), clip_of(0.0, 0.0)
    of_noise = band_level(quiet, FRONT_END) ** 2
    assert 10 * np.log10(noise_beside(clip, FRONT_END) / of_noise) == pytest.approx(0, abs=1)


def test_a_call_as_steady_as_noise_is_no_noise():
    steady = np.sin(2 * np.pi * 1000 * np.arange(2 * RATE_HZ) / RATE_HZ).astype(np.float32)
    assert noise_beside(steady, FRONT_END) == 0
    assert noise_beside(np.zeros(RATE_HZ, np.float32), FRONT_END) == 0
    assert noise_beside(np.ones(1, np.float32), FRONT_END) == 0


@given(
    call=st.floats(1e-6, 1.0),
    noise=st.floats(0.0, 1.0),
    snr_db=st.floats(-20.0, 24.0),
)
def test_a_call_stands_over_bed_and_noise_as_asked_or_as_far_as_it_can(call, noise, snr_db):
    background = background_power(call, noise, snr_db, max)
    found_db = 10 * np.log10(call / (background + noise))
    assert found_db == pytest.approx(snr_db, abs=1e-6) or found_db < snr_db
    if found_db < snr_db - 1e-6:
        assert 10 * np.log10((call + noise) / background) == pytest.approx(25.0)
