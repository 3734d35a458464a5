"""The small spectrogram of a recording: levels, places, and a bound on its size."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.plots.spectrogram import (
    COLUMN_S,
    DB_PER_LEVEL,
    FLOOR_DB,
    MAX_COLUMNS,
    N_ROWS,
    PictureMaker,
)

RATE_HZ = 16000
NO_SCORES = np.zeros((0, 1), dtype=np.float32)


def picture(samples, rate_hz=RATE_HZ, block=None):
    maker = PictureMaker(rate_hz)
    for start in range(0, len(samples), block or max(len(samples), 1)):
        maker.push(samples[start : start + block] if block else samples)
    return maker.finish(NO_SCORES, 0.128)


def level_db(levels):
    return FLOOR_DB + DB_PER_LEVEL * levels.astype(float)


def tone(pitch_hz, level, duration_s=1.0, rate_hz=RATE_HZ):
    time_s = np.arange(int(duration_s * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)


@pytest.mark.parametrize(("level", "expected_db"), [(1.0, 0.0), (0.5, -6.02), (0.001, -60.0)])
def test_a_tone_stands_in_its_row_at_its_level(level, expected_db):
    shown = picture(tone(2000.0, level))
    row = round(2000.0 / shown.bin_hz)
    assert (shown.levels_db.argmax(axis=1) == row).all()
    assert level_db(shown.levels_db[:, row]) == pytest.approx(expected_db, abs=DB_PER_LEVEL)


def test_half_the_amplitude_is_six_decibels_less_everywhere():
    noise = np.random.default_rng(1).normal(0, 0.1, RATE_HZ).astype(np.float32)
    loud, soft = picture(noise), picture(noise / 2)
    difference_db = level_db(loud.levels_db) - level_db(soft.levels_db)
    assert difference_db == pytest.approx(6.02, abs=DB_PER_LEVEL)


def test_silence_is_the_floor_and_nothing_goes_beyond_the_scale():
    assert (picture(np.zeros(RATE_HZ, dtype=np.float32)).levels_db == 0).all()
    # 40 dB over full scale lies beyond what a byte holds
    assert picture(tone(2000.0, 100.0)).levels_db.max() == 255


@pytest.mark.parametrize("rate_hz", [1000, 8000, 16000, 384000])
def test_columns_and_rows_span_the_time_and_the_band(rate_hz):
    duration_s = 10.0
    shown = picture(np.zeros(int(duration_s * rate_hz), dtype=np.float32), rate_hz)
    assert shown.column_s >= COLUMN_S
    assert 0 <= duration_s - len(shown.levels_db) * shown.column_s < shown.column_s
    assert shown.levels_db.shape[1] * shown.bin_hz == rate_hz / 2


def test_a_click_stands_at_its_time():
    sound = np.zeros(10 * RATE_HZ, dtype=np.float32)
    shown = picture(sound)
    click = round(37 * shown.column_s * RATE_HZ) + 100
    sound[click : click + 8] = 1.0
    assert picture(sound).levels_db.sum(axis=1).nonzero()[0].tolist() == [37]


@given(st.integers(1, 9000), st.integers(0, 40_000))
def test_the_size_of_blocks_does_not_show(block, n_samples):
    noise = np.random.default_rng(n_samples).normal(0, 0.1, n_samples).astype(np.float32)
    assert np.array_equal(picture(noise).levels_db, picture(noise, block=block).levels_db)


@pytest.mark.parametrize("n_samples", [0, 1, 2047])
def test_hardly_any_sound_is_a_picture_without_columns(n_samples):
    shown = picture(np.ones(n_samples, dtype=np.float32))
    assert shown.levels_db.shape == (0, N_ROWS)
    assert shown.levels_db.dtype == np.uint8


def test_the_scores_come_back_with_their_frames():
    scores = np.linspace(0, 1, 8, dtype=np.float32).reshape(-1, 2)
    shown = PictureMaker(RATE_HZ).finish(scores, 0.25)
    assert np.array_equal(shown.scores, scores)
    assert shown.frame_s == 0.25


@pytest.fixture(scope="module")
def long_sound():
    """More than four times the columns that are held, clicks in the first and last of eight."""
    hop = 2 * N_ROWS
    sound = np.zeros(hop * (4 * MAX_COLUMNS + 1234), dtype=np.float32)
    sound[hop // 2 :: 2000 * hop] = 1.0
    sound[1007 * hop + hop // 2 :: 2000 * hop] = 1.0
    return sound


@pytest.mark.parametrize("block_columns", [7001, 33333, None])
def test_a_long_recording_is_merged_and_keeps_its_times(long_sound, block_columns):
    block = 2 * N_ROWS * block_columns + 17 if block_columns else None
    shown = picture(long_sound, 1000, block)
    assert MAX_COLUMNS / 2 < len(shown.levels_db) <= MAX_COLUMNS
    assert shown.column_s == pytest.approx(8 * 0.256)
    clicks = shown.levels_db.any(axis=1).nonzero()[0]
    n_clicks = -(-(4 * MAX_COLUMNS + 1234) // 1000)
    assert clicks.tolist() == [1000 * click // 8 for click in range(n_clicks)]
