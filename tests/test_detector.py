"""Samples to frame scores: nothing of how a sound arrives or is cut up shows in its scores."""

import numpy as np
import pytest
from bundles import MODEL_RATE_HZ, calls, restless
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from counter.bundle import MODEL_FILE, write_bundle
from counter.detector import Detector, Scoring
from counter.errors import BundleError

ROUNDING = 1e-5
CHUNK_S = 4.0
SOUND = restless(20.3, seed=2)


@pytest.fixture(scope="module")
def detector(either_network):
    with Detector(either_network.bundle, chunk_s=CHUNK_S) as one:
        yield one


@pytest.fixture(scope="module")
def threaded(either_network):
    with Detector(either_network.bundle, 3, chunk_s=CHUNK_S) as several:
        yield several


def test_the_scores_to_compare_vary_widely(detector):
    scores = detector.scores(SOUND)
    assert scores.std(axis=0).min() > 0.1
    assert np.abs(np.diff(scores, axis=0)).mean() > 0.1


@pytest.mark.parametrize("chunk_s", [0.01, 1.0, 1.7, 5.0, 16.0, 100.0])
def test_chunk_length_never_shows(either_network, detector, chunk_s):
    with Detector(either_network.bundle, chunk_s=chunk_s) as other:
        scores = other.scores(SOUND)
    np.testing.assert_allclose(scores, detector.scores(SOUND), atol=ROUNDING, rtol=0)


def test_a_model_of_many_frames_a_second_takes_fewer_seconds_at_once(either_network, monkeypatch):
    monkeypatch.setattr("counter.detector.MOST_CHUNK_FRAMES", 9)
    with (
        Detector(either_network.bundle) as few,
        Detector(either_network.bundle, chunk_s=0.5) as one,
    ):
        assert few.chunk_frames == 9
        np.testing.assert_allclose(few.scores(SOUND), one.scores(SOUND), atol=ROUNDING, rtol=0)


def test_training_scores_a_long_sound_in_parts_that_do_not_show(made_network, monkeypatch):
    whole = made_network.trained.scores(SOUND)
    monkeypatch.setattr("training.models.litert_run.PART_FRAMES", 30)
    np.testing.assert_allclose(made_network.trained.scores(SOUND), whole, atol=ROUNDING, rtol=0)


def test_chunks_score_as_the_trained_network_does(either_network, detector):
    scores = detector.scores(SOUND)
    context = either_network.bundle.spec.context_frames
    inner = slice(context, -context)
    np.testing.assert_allclose(
        scores[inner], either_network.trained.scores(SOUND)[inner], atol=1e-4, rtol=0
    )


@example_settings(max_examples=25)
@given(st.lists(st.integers(0, len(SOUND)), max_size=12), st.booleans())
def test_blocks_and_threads_never_show_bit_for_bit(detector, threaded, cuts, is_threaded):
    scoring = Scoring(threaded if is_threaded else detector)
    for block in np.split(SOUND, sorted(cuts)):
        scoring.push(block)
    np.testing.assert_array_equal(scoring.finish(), detector.scores(SOUND))


def test_blocks_of_one_sample(detector):
    short = SOUND[: detector.context_samples + 3]
    scoring = Scoring(detector)
    for sample in short:
        scoring.push(np.array([sample]))
    np.testing.assert_array_equal(scoring.finish(), detector.scores(short))


def edge_lengths(detector):
    """Lengths around those at which frames, context and chunks begin and end."""
    frame, context = detector.bundle.spec.frame_samples, detector.context_samples
    chunk = detector.chunk_samples
    edges = (frame, 2 * frame, context, 2 * context, chunk, chunk + context, chunk + 2 * context)
    return sorted({0, 1, 2} | {edge + more for edge in edges for more in (-1, 0, 1)})


def test_every_started_frame_has_finite_scores_whatever_the_length(detector):
    frame = detector.bundle.spec.frame_samples
    assert edge_lengths(detector)[-1] < len(SOUND)
    for n_samples in edge_lengths(detector):
        scores = detector.scores(SOUND[:n_samples])
        assert scores.shape == (-(-n_samples // frame), 2), n_samples
        assert scores.dtype == np.float32
        assert np.all((scores >= 0) & (scores <= 1)), n_samples


@pytest.mark.parametrize("n_frames", [1, 5, 30, 31, 32, 63])
def test_the_last_sample_is_scored(detector, n_frames):
    whole = SOUND[: n_frames * detector.bundle.spec.frame_samples + 1].copy()
    before = detector.scores(whole)
    whole[-1] += 3
    after = detector.scores(whole)
    assert len(after) == n_frames + 1
    assert np.abs(after[-1] - before[-1]).max() > 0.01


@pytest.mark.parametrize("frame", [0, 20, 31, 32, 80, 150])
def test_a_sound_farther_off_than_the_context_changes_nothing(detector, frame):
    spec = detector.bundle.spec
    changed = SOUND.copy()
    changed[frame * spec.frame_samples : (frame + 1) * spec.frame_samples] += 1.0
    difference = np.abs(detector.scores(changed) - detector.scores(SOUND)).max(axis=1)
    apart = np.abs(np.arange(len(difference)) - frame)
    assert difference[apart > spec.context_frames].max() == 0
    assert difference[apart == 0].min() > 0.01
    # Context is work: most of it is really looked at.
    assert apart[difference > 0].max() >= spec.context_frames / 2


def test_a_recording_goes_on_as_its_mirror_image(detector):
    spec, n_context = detector.bundle.spec, detector.context_samples
    context = spec.context_frames
    sound = SOUND[: 60 * spec.frame_samples]
    mirrored = np.concatenate([sound[:n_context][::-1], sound, sound[-n_context:][::-1]])
    inner = detector.scores(mirrored)[context:-context]
    np.testing.assert_allclose(inner, detector.scores(sound), atol=ROUNDING, rtol=0)


def test_the_ends_of_a_steady_sound_are_no_onset(tone_bundle):
    steady = calls(9.3, [0.0], call_s=9.3)
    with Detector(tone_bundle) as detector:
        assert detector.scores(steady).min() > 0.9


def test_recordings_scored_at_once_do_not_mix(threaded, detector):
    sounds = [restless(duration_s, seed=duration_s) for duration_s in (17, 9, 13)]
    scorings = [Scoring(threaded) for _ in sounds]
    for start in range(0, 17 * MODEL_RATE_HZ, 5000):
        for scoring, sound in zip(scorings, sounds, strict=True):
            scoring.push(sound[start : start + 5000])
    for scoring, sound in zip(scorings, sounds, strict=True):
        np.testing.assert_array_equal(scoring.finish(), detector.scores(sound))


def test_scoring_leaves_the_samples_as_they_are(detector):
    sound = SOUND.copy()
    detector.scores(sound)
    np.testing.assert_array_equal(sound, SOUND)


def test_a_model_that_does_not_load_is_named(tmp_path, tone_bundle):
    spec = tone_bundle.spec.model_dump(exclude={"format", "model_sha256"})
    bundle = write_bundle(tmp_path / "wrong", spec, {MODEL_FILE: b"TFL3, but nothing of it"})
    with pytest.raises(BundleError) as caught:
        Detector(bundle)
    assert str(bundle.model_path) in str(caught.value)
    assert "\n" not in str(caught.value)
