"""Samples, frames and seconds: nothing is lost, nothing is counted twice."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.timebase import Timebase, resampled_length

RATES_HZ = st.sampled_from([1000, 8000, 11025, 16000, 22050, 44100, 48000, 96000, 384000])
LENGTHS = st.integers(0, 10**10)
TIMEBASES = st.builds(Timebase, RATES_HZ, st.integers(1, 10_000))
MODEL = Timebase(sample_rate_hz=16000, hop_samples=2048)


def nearest(value):
    """Nearest whole number, ties up, without any rounding on the way."""
    return (value + Fraction(1, 2)).__floor__()


@given(LENGTHS, RATES_HZ, RATES_HZ)
def test_a_resampled_length_is_the_nearest_to_the_same_time(n_samples, from_hz, to_hz):
    assert resampled_length(n_samples, from_hz, to_hz) == nearest(
        Fraction(n_samples * to_hz, from_hz)
    )


@given(LENGTHS, RATES_HZ)
def test_resampling_to_the_same_rate_keeps_the_length(n_samples, rate_hz):
    assert resampled_length(n_samples, rate_hz, rate_hz) == n_samples


def test_half_a_sample_goes_up():
    assert resampled_length(1, 32000, 16000) == 1
    assert resampled_length(3, 32000, 16000) == 2


@given(TIMEBASES, LENGTHS)
def test_frames_cover_all_samples_and_the_last_is_begun(timebase, n_samples):
    n_frames = timebase.n_frames(n_samples)
    assert (n_frames - 1) * timebase.hop_samples < n_samples or n_frames == 0
    assert n_frames * timebase.hop_samples >= n_samples


def test_no_samples_are_no_frames():
    assert MODEL.n_frames(0) == 0
    assert MODEL.frames(0.0) == MODEL.samples(0.0) == 0


@given(TIMEBASES, st.integers(0, 10**6))
def test_the_start_of_a_frame_is_that_many_frames(timebase, frame):
    assert timebase.frames(timebase.frame_start_s(frame)) == frame
    assert timebase.samples(timebase.frame_start_s(frame)) == frame * timebase.hop_samples


@given(TIMEBASES, st.floats(0, 86400))
def test_a_duration_is_at_most_half_a_frame_and_half_a_sample_off(timebase, duration_s):
    frames_off_s = timebase.frames(duration_s) * timebase.frame_s - duration_s
    samples_off_s = timebase.samples(duration_s) / timebase.sample_rate_hz - duration_s
    assert abs(frames_off_s) <= timebase.frame_s / 2 + 1e-9
    assert abs(samples_off_s) <= 0.5 / timebase.sample_rate_hz + 1e-9


@pytest.mark.parametrize(
    ("duration_s", "n_frames"), [(0.063, 0), (0.064, 1), (0.128, 1), (0.191, 1), (0.192, 2)]
)
def test_durations_go_to_the_nearest_frame_and_ties_up(duration_s, n_frames):
    assert MODEL.frames(duration_s) == n_frames


def test_a_frame_lasts_its_samples():
    assert MODEL.frame_s == 0.128
    assert MODEL.frame_start_s(3) == 0.384
    assert MODEL.frame_start_s(0) == 0.0
