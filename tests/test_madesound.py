"""Made sound: its truth is true of the samples, and the same seed means the same bytes."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile as sf
from band_levels import RATE_HZ, cut, in_band_db

from training.demo import clips_and_recordings as madesound
from training.demo.clips_and_recordings import KINDS, Call

NUMBERS = {
    "n_sources": 6,
    "clips_per_source": 4,
    "n_background_sources": 10,
    "backgrounds_per_source": 2,
}


class Demo(NamedTuple):
    folder: Path
    clips: dict[str, Call]
    recordings: dict[str, tuple[Call, ...]]


@pytest.fixture(scope="module")
def demo(tmp_path_factory) -> Demo:
    folder = tmp_path_factory.mktemp("demo")
    clips = madesound.make_clips(folder, seed=5, **NUMBERS)
    return Demo(folder, clips, madesound.make_recordings(folder, seed=5, duration_s=70))


def files(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def asked_and_measured_db(samples: np.ndarray, call: Call) -> tuple[float, float]:
    """Level asked for, and level in the file, taking what surrounds the call for its noise."""
    inside = in_band_db(cut(samples, call.start_s, call.end_s))
    around = [cut(samples, call.start_s - 0.7, call.start_s)]
    around += [cut(samples, call.end_s + 0.3, call.end_s + 0.8)]
    outside = min(in_band_db(part) for part in around if part.size > RATE_HZ // 5)
    return call.snr_db, inside - outside


def test_clips_are_counted_named_and_grouped_by_source(demo):
    positives = sorted((demo.folder / "Parsed_Demobird_Clips").iterdir())
    negatives = sorted((demo.folder / "Parsed_Not_Demobird_Clips").iterdir())
    sources = {re.sub(r"-\d+$", "", path.stem) for path in positives}
    backgrounds = [re.sub(r"-\d+$", "", path.stem) for path in negatives]
    assert sources == {f"DB{i:03d}" for i in range(1, 7)}
    assert {path.name for path in positives} == set(demo.clips)
    assert len(positives) == 6 * 4
    assert {backgrounds.count(name) for name in backgrounds} == {2}
    assert {name[:-2] for name in backgrounds} == set(KINDS)


def test_files_are_flac_16_bit_mono_of_the_length_asked_for(demo):
    for path in demo.folder.rglob("*.flac"):
        info = sf.info(path)
        assert (info.format, info.subtype, info.channels) == ("FLAC", "PCM_16", 1)
        assert info.samplerate == RATE_HZ
        if path.parent.name == "Forest Recordings":
            assert info.frames == 70 * RATE_HZ
        else:
            assert 2.0 - 1 / RATE_HZ <= info.duration <= 3.0


def test_no_sample_clips_and_none_is_lost_in_silence(demo):
    for path in demo.folder.rglob("*.flac"):
        assert 0.149 < np.abs(sf.read(path)[0]).max() < 0.901


def test_truth_table_says_what_is_returned(demo):
    with (demo.folder / "truth.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["recording", "start_s", "end_s"]
    told = [
        [name, f"{call.start_s:.3f}", f"{call.end_s:.3f}"]
        for name, calls in demo.recordings.items()
        for call in calls
    ]
    assert rows[1:] == told
    assert list(demo.recordings) == [
        path.name for path in sorted((demo.folder / "Forest Recordings").iterdir())
    ]


def test_same_seed_same_bytes_and_another_seed_others(tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("other", 4)):
        madesound.make_clips(
            tmp_path / name,
            seed=seed,
            n_sources=2,
            clips_per_source=2,
            n_background_sources=3,
            backgrounds_per_source=1,
        )
        madesound.make_recordings(tmp_path / name, seed=seed, n_recordings=2, duration_s=12)
    one, two, other = (files(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    assert list(one) == list(other)
    assert all(one[name] != other[name] for name in one)


def test_a_source_does_not_depend_on_how_many_there_are(tmp_path):
    few = {"clips_per_source": 2, "n_background_sources": 2, "backgrounds_per_source": 1}
    madesound.make_clips(tmp_path / "few", seed=1, n_sources=1, **few)
    madesound.make_clips(
        tmp_path / "more", seed=1, n_sources=3, **{**few, "n_background_sources": 4}
    )
    fewer, more = files(tmp_path / "few"), files(tmp_path / "more")
    assert fewer.items() < more.items()


def test_calls_never_overlap_and_stay_inside_their_file(demo):
    for calls in demo.recordings.values():
        edges = [0.0, *(edge for call in calls for edge in (call.start_s, call.end_s)), 70.0]
        assert edges == sorted(edges)
        assert all(b.start_s - a.end_s >= 0.5 for a, b in zip(calls, calls[1:], strict=False))
    for name, call in demo.clips.items():
        length_s = sf.info(demo.folder / "Parsed_Demobird_Clips" / name).duration
        assert 0 <= call.start_s < call.end_s <= length_s


def test_there_is_a_chorus_a_recording_without_calls_and_sparse_ones(demo):
    numbers = sorted(len(calls) for calls in demo.recordings.values())
    assert numbers[0] == 0
    assert 1 <= numbers[1] <= numbers[2] <= 3
    assert 5 <= numbers[3] <= numbers[4] <= 10
    assert 12 <= numbers[5] <= 14
    chorus = max(demo.recordings.values(), key=len)
    pauses = [b.start_s - a.end_s for a, b in zip(chorus, chorus[1:], strict=False)]
    assert min(pauses) >= 0.8 - 1e-3
    assert max(pauses) <= 2.0 + 1e-3


def test_calls_vary_within_the_species_and_recordings_hold_other_birds(demo):
    clips = list(demo.clips.values())
    recorded = [call for calls in demo.recordings.values() for call in calls]
    lengths_s = [call.end_s - call.start_s for call in clips + recorded]
    assert 1.2 - 1e-3 <= min(lengths_s) < 1.5 < 1.8 < max(lengths_s) <= 2.2 + 1e-3
    assert len({call.bird for call in clips}) == 6
    assert not {call.bird for call in clips} & {call.bird for call in recorded}
    assert min(call.snr_db for call in clips) >= 3
    assert max(call.snr_db for call in clips) <= 25
    assert min(call.snr_db for call in recorded) >= -3
    assert max(call.snr_db for call in recorded) <= 20


def test_loud_calls_stand_out_at_their_times_and_nowhere_near(demo):
    loud = 0
    for name, calls in demo.recordings.items():
        samples, _ = sf.read(demo.folder / "Forest Recordings" / name)
        for call in calls:
            if call.snr_db > 12:
                asked_db, measured_db = asked_and_measured_db(samples, call)
                assert measured_db > asked_db - 6
                loud += 1
    assert loud >= 5


def test_levels_in_the_clips_are_as_told(demo):
    pairs = []
    for name, call in demo.clips.items():
        samples, _ = sf.read(demo.folder / "Parsed_Demobird_Clips" / name)
        if min(call.start_s, samples.size / RATE_HZ - call.end_s) > 0.25:
            pairs.append(asked_and_measured_db(samples, call))
    # In the file the call's power comes with the noise's: 10 log10(1 + SNR).
    expected = [10 * np.log10(1 + 10 ** (asked_db / 10)) for asked_db, _ in pairs]
    errors_db = [measured_db - told for (_, measured_db), told in zip(pairs, expected, strict=True)]
    assert len(errors_db) >= 5
    assert abs(np.median(errors_db)) < 2


@pytest.mark.parametrize("rate_hz", [8000, 22050, 48000])
def test_other_sample_rates_give_files_of_that_rate(tmp_path, rate_hz):
    truth = madesound.make_recordings(
        tmp_path, seed=0, n_recordings=1, duration_s=12, sample_rate_hz=rate_hz
    )
    info = sf.info(tmp_path / "Forest Recordings" / "demo_00.flac")
    assert (info.samplerate, info.frames) == (rate_hz, 12 * rate_hz)
    assert 1 <= len(truth["demo_00.flac"]) <= 2


def test_a_rate_too_low_for_the_species_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="sample_rate_hz 4000 is below 8000"):
        madesound.make_clips(tmp_path, seed=0, sample_rate_hz=4000)
    with pytest.raises(ValueError, match="4000"):
        madesound.make_recordings(tmp_path, seed=0, sample_rate_hz=4000)
    assert not list(tmp_path.iterdir())
