"""Long recordings in segments: the seams do not show."""

import numpy as np
import pytest
import soxr
from audio_files import write
from bundles import MODEL_RATE_HZ, calls
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from counter.audio.resample import Segmentation, SegmentResampler
from counter.detector import Detector
from counter.scanning import recording as scan_module
from counter.scanning.recording import ScanOrder, scan_file
from counter.storage.inputs import find_recordings
from counter.timebase import resampled_length

RATES_HZ = [(48000, 16000), (44100, 16000), (16000, 16000), (8000, 16000), (31250, 16000)]
GRID, AROUND, STRETCH_S = 4000, 3000, 1.0


def pieces_of(cut, samples, first=0, block=7000):
    """First offset and all samples of each stretch."""
    resampler, found = SegmentResampler(cut, first), {}
    for begin in range(cut.start_from(first), len(samples), block):
        for piece in resampler.push(samples[begin : begin + block]):
            found.setdefault(piece.index, []).append(piece)
    for piece in resampler.finish():
        found.setdefault(piece.index, []).append(piece)
    for pieces in found.values():
        ends = [piece.offset + len(piece.samples) for piece in pieces]
        assert ends[:-1] == [piece.offset for piece in pieces[1:]]
    return {
        index: (pieces[0].offset, np.concatenate([piece.samples for piece in pieces]))
        for index, pieces in found.items()
    }


def same(one, other):
    return one[0] == other[0] and np.array_equal(one[1], other[1])


@example_settings(max_examples=40)
@given(st.sampled_from(RATES_HZ), st.floats(0.01, 6.0), st.integers(0, 9))
def test_a_stretch_is_the_same_whatever_was_read_before_it_and_in_which_blocks(
    rates, length_s, seed
):
    samples = np.random.default_rng(seed).normal(0, 0.1, int(length_s * rates[0]) + 1)
    samples = samples.astype(np.float32)
    cut = Segmentation.of(rates, GRID, AROUND, STRETCH_S)
    whole = pieces_of(cut, samples)
    end = resampled_length(len(samples), *rates)
    assert list(whole) == list(range(max(1, -(-end // cut.step_to))))
    for index, found in whole.items():
        assert found[0] == (0 if index == 0 else -AROUND)
        assert len(found[1]) + found[0] == min(cut.step_to + AROUND, end - index * cut.step_to)
    for first in whole:
        alone = pieces_of(cut, samples, first, block=1234 + seed)
        assert all(same(found, whole[index]) for index, found in alone.items())


@pytest.mark.parametrize("rates", RATES_HZ)
def test_stretches_put_together_are_the_resampled_recording(rates):
    samples = np.random.default_rng(1).normal(0, 0.1, 5 * rates[0]).astype(np.float32)
    cut = Segmentation.of(rates, GRID, AROUND, STRETCH_S)
    own = [found[-begin:][: cut.step_to] for begin, found in pieces_of(cut, samples).values()]
    wanted = samples if rates[0] == rates[1] else soxr.resample(samples, *rates)
    assert len(own) > 3
    np.testing.assert_allclose(np.concatenate(own), wanted, atol=1e-6)


@pytest.fixture(scope="module")
def job(tone_bundle):
    with Detector(tone_bundle, 2) as detector:
        yield detector, ScanOrder(tone_bundle, tone_bundle.spec.rules, 1, scores=True)


@pytest.fixture
def short_segments(monkeypatch):
    """Segments of 64 s."""
    monkeypatch.setattr(scan_module, "Segmentation", ShortSegments)


class ShortSegments:
    """As ``Segmentation``, with segments that a short recording holds several of."""

    @staticmethod
    def of(rates_hz, grid, around):
        return Segmentation.of(rates_hz, grid, around, 64.0)


def recording_of(folder, name, rate_hz=MODEL_RATE_HZ, edit=None, **kind):
    starts_s = [*range(3, 195, 7), 63.2, 127.9]
    sound = calls(200.0, starts_s, rate_hz=rate_hz)
    if edit is not None:
        edit(sound, rate_hz)
    (recording,) = find_recordings([write(folder / name, sound, rate_hz, **kind)])
    return recording


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.aiff", "a.w64"])
@pytest.mark.parametrize("rate_hz", [MODEL_RATE_HZ, 11025])
def test_seams_change_no_count(tmp_path, job, monkeypatch, name, rate_hz):
    recording = recording_of(tmp_path, name, rate_hz)
    whole = scan_file(recording, *job)
    assert len(whole.events) > 25
    monkeypatch.setattr(scan_module, "Segmentation", ShortSegments)
    cut = scan_file(recording, *job)
    assert cut.events == whole.events
    np.testing.assert_allclose(cut.scores, whole.scores, atol=1e-5)
    facts = ("status", "message", "duration_s", "scanned_s", "dead_s", "tags", "channels")
    assert all(getattr(cut, fact) == getattr(whole, fact) for fact in facts)


def test_seams_change_no_count_of_a_model_with_windows(tmp_path, windowed_network, monkeypatch):
    bundle = windowed_network.bundle
    recording = recording_of(tmp_path, "a.wav", 11025)
    with Detector(bundle, 2) as detector:
        job = detector, ScanOrder(bundle, bundle.spec.rules, 1, scores=True)
        whole = scan_file(recording, *job)
        monkeypatch.setattr(scan_module, "Segmentation", ShortSegments)
        cut = scan_file(recording, *job)
    np.testing.assert_allclose(cut.scores, whole.scores, atol=1e-5)
    assert whole.scores.std() > 0.05


@pytest.mark.parametrize(("from_s", "to_s"), [(60.0, 70.0), (63.5, 64.9), (63.9, 65.2), (63.0, 64)])
def test_dead_air_over_a_seam_is_found_whole(tmp_path, job, short_segments, from_s, to_s):
    def kill(sound, rate_hz):
        sound[int(from_s * rate_hz) : int(to_s * rate_hz)] = 0.25

    recording = recording_of(tmp_path, "a.wav", edit=kill, subtype="PCM_16")
    assert scan_file(recording, *job).dead_s == ((from_s, to_s),)
