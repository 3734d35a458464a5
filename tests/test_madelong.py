"""Long made files: length, calls where told, memory, and no background that comes round."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from band_levels import RATE_HZ, cut, in_band_db

from training.madelong import write_long


def long_file(path: Path, duration_s: float, times_s: list[float], seed: int = 9):
    return write_long(
        path, duration_s=duration_s, sample_rate_hz=RATE_HZ, call_times_s=times_s, seed=seed
    )


def test_a_long_file_has_its_length_and_its_calls_where_told(tmp_path):
    times_s = [0.0, 2.2, 40.0, 99.5, 200.25, 297.8]
    calls = long_file(tmp_path / "long.wav", 300.0007, times_s)
    info = sf.info(tmp_path / "long.wav")
    assert (info.format, info.subtype, info.channels) == ("WAV", "PCM_16", 1)
    assert info.frames == round(300.0007 * RATE_HZ)
    assert [call.start_s for call in calls] == pytest.approx(times_s, abs=1 / RATE_HZ)
    samples, _ = sf.read(tmp_path / "long.wav")
    without, _ = sf.read(long_without(tmp_path))
    added = samples - without
    noise_db = np.median([in_band_db(cut(without, i, i + 1)) for i in range(300)])
    for call in calls:
        inside = in_band_db(cut(added, call.start_s, call.end_s))
        assert inside - noise_db == pytest.approx(call.snr_db, abs=1)
    assert not cut(added, 45, 99).any()
    assert list(tmp_path.glob(".*")) == []


def long_without(folder: Path) -> Path:
    long_file(folder / "without.wav", 300.0007, [])
    return folder / "without.wav"


def test_a_long_file_is_the_same_twice_and_its_background_does_not_come_round(tmp_path):
    long_file(tmp_path / "a.flac", 130, [5, 50])
    long_file(tmp_path / "b.flac", 130, [5, 50])
    long_file(tmp_path / "c.flac", 130, [5, 50], seed=10)
    a, b, c = ((tmp_path / f"{name}.flac").read_bytes() for name in "abc")
    assert a == b
    assert a != c
    samples, _ = sf.read(tmp_path / "a.flac")
    minute = samples[: 60 * RATE_HZ]
    again = samples[60 * RATE_HZ : 120 * RATE_HZ]
    assert abs(np.corrcoef(minute, again)[0, 1]) < 0.5


def test_a_long_file_takes_no_more_memory_than_a_short_one(tmp_path):
    peaks = []
    for duration_s in (60, 1800):
        tracemalloc.start()
        long_file(tmp_path / "long.wav", duration_s, [])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 5e6


@pytest.mark.parametrize("times_s", [[3.0, 5.0], [-0.1], [8.5], [7.0, 2.0]])
def test_call_times_that_overlap_or_leave_the_file_are_refused(tmp_path, times_s):
    with pytest.raises(ValueError, match="call times"):
        long_file(tmp_path / "long.wav", 10, times_s)
    assert not list(tmp_path.iterdir())


def test_a_long_file_of_no_length_is_an_empty_file(tmp_path):
    assert long_file(tmp_path / "none.wav", 0, []) == ()
    assert sf.info(tmp_path / "none.wav").frames == 0
