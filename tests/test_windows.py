"""Windows cut out of clips, recordings without background, and figures of exclusive classes."""

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st

from training.augment.soundscapes import make_clip_series, stands_alone
from training.data.clip_set import BACKGROUND, Clip, ClipSet
from training.models.litert_run import clip_windows, frame_windows
from training.settings.front_end_settings import BandSettings
from training.settings.network_settings import WindowShape
from training.settings.train_settings import ClipSettings, CropSettings, RuleSettings
from training.validation.clip_metrics import ClipScores, classification_report, spread_over_sources

RATE_HZ = 1000
N = 400
PLAIN = CropSettings(gain_low_db=0, gain_high_db=0, background_share=0)
LEVELS = {BACKGROUND: 0.01, 0: 1.0, 1: 2.0}


def clip(label, n_samples, source="a"):
    """A ramp over the whole clip at the level of its label: every sample says where it stands."""
    ramp = LEVELS[label] * (1 + np.arange(n_samples) / n_samples)
    return Clip(f"{label}{source}", f"{label}{source}", label, ramp.astype(np.float32))


def clip_set(*clips):
    return ClipSet(("a", "b"), RATE_HZ, clips)


SET = clip_set(clip(BACKGROUND, 900), clip(0, 1000), clip(0, 150, "b"), clip(1, 700))


def maker_of(settings=PLAIN, clips=SET, *, is_exclusive=True):
    from training.augment.crops import CropMaker, Targets

    return CropMaker.of(clips, settings, Targets.of(clips, is_exclusive=is_exclusive), N)


def drawn(maker, n_windows=300, seed=1):
    samples, targets = maker(np.array([seed, 2], np.int32), n_windows)
    return np.asarray(samples), np.asarray(targets)


@pytest.mark.parametrize("is_exclusive", [True, False])
def test_a_window_is_a_crop_of_a_clip_of_its_class(is_exclusive):
    samples, targets = drawn(maker_of(is_exclusive=is_exclusive))
    assert samples.shape == (300, N)
    assert targets.shape == (300, 3 if is_exclusive else 2)
    level = samples.min(axis=1)
    columns = {0: level < 0.5, 1: (level >= 0.9) & (level < 2.0), 2: level >= 2.0}
    assert all(found.sum() > 60 for found in columns.values()), "classes are drawn alike"
    for place, column in ((1, 0), (2, 1)):
        assert (targets[columns[place], column] == 1).all()
    assert (targets[columns[0]].sum(axis=1) == is_exclusive).all()
    # Of the long clips windows run on; a short one goes to and fro, which no long one does.
    steps = np.diff(samples, axis=1)
    is_mirrored = (steps < -1e-6).any(axis=1)
    assert 0.05 < is_mirrored.mean() < 0.3
    assert (np.abs(steps[is_mirrored]) < 0.02).all(), "at its ends a clip goes on as its mirror"


def test_windows_come_again_with_their_seed_alone():
    settings = CropSettings(mix_share=0.5)
    first, again, other = (drawn(maker_of(settings), seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(x, y) for x, y in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_gains_stay_in_their_range():
    plain, _ = drawn(maker_of())
    settings = PLAIN.model_copy(update={"gain_low_db": -20.0, "gain_high_db": 6.0})
    gained, _ = drawn(maker_of(settings))
    gains_db = 20 * np.log10((gained / plain).mean(axis=1))
    assert -20 <= gains_db.min() < -15
    assert 2 < gains_db.max() <= 6


def test_background_stands_under_labels_at_its_level_and_changes_no_target():
    update = {"background_share": 1.0, "snr_low_db": 10.0, "snr_high_db": 20.0}
    plain, targets = drawn(maker_of())
    laid, same = drawn(maker_of(PLAIN.model_copy(update=update)))
    np.testing.assert_array_equal(same, targets)
    is_label = targets[:, 2] == 0
    np.testing.assert_array_equal(laid[~is_label], plain[~is_label])
    rest = (laid - plain)[is_label]
    rms = [np.sqrt((x**2).mean(axis=1)) for x in (plain[is_label], rest)]
    snr_db = 20 * np.log10(rms[0] / rms[1])
    assert 9.9 < snr_db.min() < 12
    assert 18 < snr_db.max() < 20.1


def test_mixed_windows_have_their_labels_in_the_same_shares():
    plain, wanted = drawn(maker_of())
    mixed, targets = drawn(maker_of(PLAIN.model_copy(update={"mix_share": 1.0})))
    assert targets.sum(axis=1) == pytest.approx(1)
    differ = np.flatnonzero((wanted != np.roll(wanted, 1, axis=0)).any(axis=1))
    own = (targets * wanted).sum(axis=1)[differ]
    assert 0.5 <= own.min() < 0.6
    other = np.roll(plain, 1, axis=0)[differ]
    sums = own[:, None] * plain[differ] + (1 - own)[:, None] * other
    np.testing.assert_allclose(mixed[differ], sums, atol=1e-5)


def test_every_source_of_a_class_is_drawn_by_the_root_of_its_clips():
    from training.augment.crops import class_odds

    many = [replace(clip(0, 10), name=f"m{n}") for n in range(16)]
    odds = class_odds([*many, clip(0, 10, "b"), clip(1, 10)])
    assert odds.sum() == pytest.approx(1)
    assert odds[-1] == pytest.approx(0.5)
    assert odds[:16].sum() == pytest.approx(4 * odds[16])


SHAPES = st.tuples(st.integers(1, 40), st.integers(0, 30)).map(
    lambda x: WindowShape(x[0] + 2 * x[1], x[0])
)


@example_settings(max_examples=60)
@given(SHAPES, st.integers(1, 200))
def test_every_frame_is_the_middle_of_its_window(shape, n_samples):
    sound = np.arange(1, n_samples + 1, dtype=np.float32)
    windows = frame_windows(sound, shape)
    hop, context = shape.hop_samples, shape.context_samples
    assert windows.shape == (-(-n_samples // hop), shape.window_samples)
    middle = windows[:, context : context + hop].ravel()
    np.testing.assert_array_equal(middle[:n_samples], sound)
    assert windows.min() >= 1, "its ends are mirrored, not silent"


@example_settings(max_examples=60)
@given(SHAPES, st.integers(1, 200))
def test_windows_of_a_clip_reach_its_ends_and_no_further(shape, n_samples):
    sound = np.arange(1, n_samples + 1, dtype=np.float32)
    windows = clip_windows(sound, shape)
    assert windows.shape[1] == shape.window_samples
    if n_samples >= shape.window_samples:
        assert (np.diff(windows, axis=1) == 1).all()
        assert (windows[0, 0], windows[-1, -1]) == (1, n_samples)
    else:
        assert len(windows) == 1
        assert set(windows[0]) == set(sound)


RULES = RuleSettings(recordings_per_fold=5, recording_s=20)
IN_A_ROW = clip_set(*(clip(label, 1500, source) for label in (0, 1) for source in "abc"))


def test_without_background_clips_stand_one_after_another():
    made = make_clip_series(IN_A_ROW, RULES, seed=[3])
    assert len(made) == 5
    for one in made:
        labels = [label for label, _, _ in one.calls]
        assert all(label != after for label, after in zip(labels, labels[1:], strict=False))
        assert len(one.samples) / RATE_HZ <= 20
        assert one.calls[-1][2] == pytest.approx(len(one.samples) / RATE_HZ)
        ends = [end_s for _, _, end_s in one.calls[:-1]]
        assert [start_s for _, start_s, _ in one.calls[1:]] == pytest.approx(
            [end_s - 0.05 for end_s in ends]
        )
        assert all(end_s - start_s == pytest.approx(1.5) for _, start_s, end_s in one.calls)
    again = make_clip_series(IN_A_ROW, RULES, seed=[3])
    assert all(np.array_equal(x.samples, y.samples) for x, y in zip(made, again, strict=True))


def test_a_single_class_makes_no_row():
    assert make_clip_series(clip_set(clip(0, 900), clip(0, 900, "b")), RULES, seed=[1]) == []


def test_only_settings_without_any_background_stand_alone():
    labels = {"a": ("a",), "b": ("b",)}
    assert stands_alone(ClipSettings(labels=labels, background=()))
    assert not stands_alone(ClipSettings(labels=labels, background="c"))
    assert not stands_alone(ClipSettings(labels=labels, background=(), reviewed="r"))
    assert not stands_alone(ClipSettings(annotations="t.csv", recordings="r"))


def scored(scores, truth, *, has_background):
    truth = np.array(truth)[:, None] == np.arange(2)
    names = tuple(f"{n}.wav" for n in range(len(truth)))
    scores = np.array(scores, dtype=np.float32)
    return ClipScores(("a", "b"), scores, truth, names, names, "test", True, has_background)


def test_of_exclusive_classes_the_highest_is_said_whatever_its_score():
    scores = [[0.4, 0.3], [0.2, 0.3], [0.2, 0.1], [0.45, 0.55]]
    clips = scored(scores, [0, 1, BACKGROUND, 0], has_background=True)
    report = classification_report(clips, [0.5, 0.5])
    assert report["confusion"]["classes"] == ["a", "b", "background"]
    # 0.4 against 0.3 that are left; 0.5 left; 0.7 left; 0.55.
    assert report["confusion"]["counts"] == [[1, 1, 0], [0, 0, 1], [0, 0, 1]]
    assert report["accuracy"] == 0.5
    assert report["labels"]["a"]["threshold"] is None
    assert spread_over_sources(clips, [0.5, 0.5])["accuracy"]["value"] == 0.5


def test_without_a_background_class_one_of_the_labels_is_said():
    clips = scored([[0.4, 0.3], [0.2, 0.3]], [0, 0], has_background=False)
    report = classification_report(clips, [0.5, 0.5])
    assert report["confusion"] == {"classes": ["a", "b"], "counts": [[1, 1], [0, 0]]}


@pytest.mark.skipif(
    importlib.util.find_spec("audiomentations") is None, reason="needs callcount[augment]"
)
def test_transforms_of_audiomentations_come_before_bands_too():
    from training.augment.crops import training_crops
    from training.models.front_ends import UNIT_DB
    from training.models.window_front_ends import window_front_end

    noise = np.random.default_rng(0).normal(0, 0.1, (2, 4096)).astype(np.float32)
    clips = clip_set(*(replace(clip(0, 1, f"{n}"), samples=x) for n, x in enumerate(noise)))
    louder = {"name": "Gain", "min_gain_db": 6.0, "max_gain_db": 6.0, "p": 1.0}

    def features(settings):
        maker = replace(maker_of(settings, clips), n_samples=2048)
        layer = window_front_end(BandSettings(kind="mel"))
        return next(iter(training_crops(maker, layer, 4, seed=1)))[0].numpy()

    raised = features(PLAIN.model_copy(update={"audiomentations": (louder,)})) - features(PLAIN)
    assert raised == pytest.approx(6.0 / UNIT_DB, abs=1e-3)
