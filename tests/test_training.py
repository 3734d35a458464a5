"""Training: clips, windows, front ends, export, made recordings, and the command as a whole."""

import io
import json
import re
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import librosa
import numpy as np
import pytest
import yaml
from audio_files import blocks_of, noise, write
from bundles import FRONT_END, MODEL_RATE_HZ, SMALL_NETWORK, TONE_HZ, TRAINED, restless
from hypothesis import given
from hypothesis import settings as example_settings
from hypothesis import strategies as st
from outcomes import rows_of
from report_data import FILES

from counter.bundle import DEFAULT_FILE, MODEL_FILE, read_bundle
from counter.cli.main import run
from counter.errors import CallcountError, ClipError
from counter.timebase import Timebase
from training.augment.invented_sounds import make_distractors
from training.augment.levels import band_level
from training.augment.soundscapes import make_recordings
from training.data.clip_set import BACKGROUND, Clip, ClipSet
from training.data.clip_sources import folds, read_clips, split_sources
from training.demo.clips_and_recordings import make_clips
from training.fit.fit_by_kind import mean_of
from training.settings.front_end_settings import BandSettings
from training.settings.train_settings import (
    AugmentSettings,
    ClipSettings,
    FitSettings,
    RuleSettings,
    TrainSettings,
)
from training.validation.cross_fit import cross_fit, with_rules

BACKGROUND_LEVEL = 0.01
CLIP_S = 1.5
PLAIN = {
    "gain_low_db": 0,
    "gain_high_db": 0,
    "stretch": 0,
    "equaliser_db": 0,
    "smear_share": 0,
    "invented_sounds": 0,
}


def write_clips(folder, names, *, rate_hz=MODEL_RATE_HZ, duration_s=0.5):
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names):
        sound = noise(int(duration_s * rate_hz), seed=seed)
        write(folder / f"{name}.wav", sound, rate_hz, subtype="PCM_16")
    return folder


@pytest.fixture
def folders(tmp_path):
    """Three sources of two clips each, with the call and without."""
    names = [f"{source}-{n}" for source in "abc" for n in (1, 2)]
    write_clips(tmp_path / "frog", names)
    write_clips(tmp_path / "rain", names)
    return ClipSettings(labels={"frog": str(tmp_path / "frog")}, background=str(tmp_path / "rain"))


def test_clips_are_labelled_by_folder_and_grouped_by_source(folders):
    clips = read_clips(folders, MODEL_RATE_HZ)
    assert [(clip.label, clip.name) for clip in clips.clips] == [
        (label, f"{source}-{n}.wav")
        for label in (BACKGROUND, 0)
        for source in "abc"
        for n in (1, 2)
    ]
    assert clips.sources_of(0) == ["a", "b", "c"]
    # What was cut from one recording is one source, with the call and without.
    assert clips.sources_of(BACKGROUND) == ["a", "b", "c"]
    kept = [(clip.label, clip.name) for clip in clips.subset(["b"]).clips]
    assert kept == [(label, f"b-{n}.wav") for label in (BACKGROUND, 0) for n in (1, 2)]


def test_several_folders_labels_and_subfolders(folders, tmp_path):
    write_clips(tmp_path / "toad", ["x-1", "y-1"])
    write_clips(tmp_path / "rain" / "more", ["z-1"])
    settings = folders.model_copy(
        update={"labels": {**folders.labels, "toad": (str(tmp_path / "toad"),)}}
    )
    clips = read_clips(settings, MODEL_RATE_HZ)
    assert clips.labels == ("frog", "toad")
    assert [len(clips.of(label)) for label in clips.classes()] == [7, 6, 2]
    assert clips.sources_of(BACKGROUND) == ["a", "b", "c", "z"]


def test_the_source_pattern_is_configurable(tmp_path):
    for name in ("frog", "rain"):
        write_clips(tmp_path / name, ["1-100-A", "2-100-B", "1-200-A"])
    settings = ClipSettings(
        labels={"frog": str(tmp_path / "frog")},
        background=str(tmp_path / "rain"),
        source_pattern=r"^\d-(?P<source>\d+)-.*$",
    )
    assert read_clips(settings, MODEL_RATE_HZ).sources_of(0) == ["100", "200"]


@example_settings(max_examples=15)
@given(
    st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_ .é]{1,12}[A-Za-z_é]", fullmatch=True).filter(
            lambda name: not name.startswith(".")
        ),
        st.integers(1, 4),
        min_size=2,
        max_size=5,
    )
)
def test_clips_of_one_source_are_named_by_a_number_at_the_end(tmp_path_factory, sources):
    folder = tmp_path_factory.mktemp("drawn")
    names = [f"{source}-{n}" for source, n_clips in sources.items() for n in range(n_clips)]
    for kind in ("frog", "rain"):
        write_clips(folder / kind, names, duration_s=0.05)
    settings = ClipSettings(labels={"frog": str(folder / "frog")}, background=str(folder / "rain"))
    clips = read_clips(settings, MODEL_RATE_HZ)
    for source, n_clips in sources.items():
        assert len(clips.subset([source]).clips) == 2 * n_clips


@pytest.mark.parametrize("rate_hz", [8000, 11025, 44100, 48000])
def test_training_hears_what_scanning_hears(tmp_path, rate_hz):
    for name in ("frog", "rain"):
        folder = write_clips(tmp_path / name, ["a-1", "b-1"], rate_hz=rate_hz)
        write(folder / "c-1.flac", noise(rate_hz, 2, seed=9), rate_hz)
    settings = ClipSettings(
        labels={"frog": str(tmp_path / "frog")}, background=str(tmp_path / "rain")
    )
    for clip in read_clips(settings, MODEL_RATE_HZ).of(0):
        blocks, _ = blocks_of(tmp_path / "frog" / clip.name, MODEL_RATE_HZ, block_s=0.1)
        np.testing.assert_array_equal(clip.samples, np.concatenate(blocks))


def clip_set(sources, *, duration_s=0.1):
    """Clips of noise from a list of (label, source, number of clips)."""
    return ClipSet(
        labels=("frog", "toad"),
        sample_rate_hz=MODEL_RATE_HZ,
        clips=tuple(
            Clip(f"{source}-{n}.wav", source, label, restless(duration_s, seed=n))
            for label, source, n_clips in sources
            for n in range(n_clips)
        ),
    )


@st.composite
def some_sources(draw, most_shared=0):
    """Clips of a background and two labels, some of which share some of their sources."""
    numbers = [draw(st.lists(st.integers(1, 6), min_size=2, max_size=12)) for _ in range(3)]
    return clip_set(
        [
            (label, f"{0 if index < draw(st.integers(0, most_shared)) else label}/{index}", n_clips)
            for label, of_label in zip((BACKGROUND, 0, 1), numbers, strict=True)
            for index, n_clips in enumerate(of_label)
        ]
    )


shares = st.floats(0.01, 0.95)


@given(some_sources(most_shared=3), shares, shares, st.integers(0, 5))
def test_no_source_stands_on_two_sides(clips, validation_share, test_share, seed):
    settings = ClipSettings(validation_share=validation_share, test_share=test_share)
    split = split_or_refusal(lambda: split_sources(clips, settings, seed))
    if split is None:
        return
    sides = (split.train, split.validation, split.test)
    every = [source for side in sides for source in side]
    assert sorted(every) == sorted({clip.source for clip in clips.clips})
    assert all(clips.subset(split.train).of(label) for label in clips.classes())
    assert split == split_sources(clips, settings, seed)


def split_or_refusal(split):
    """A split, or None where too many classes share too few sources."""
    try:
        return split()
    except ClipError:
        return None


@given(some_sources(), shares, shares, st.integers(0, 5))
def test_every_class_is_trained_on_and_validated(clips, validation_share, test_share, seed):
    settings = ClipSettings(validation_share=validation_share, test_share=test_share)
    split = split_sources(clips, settings, seed)
    for label in clips.classes():
        assert clips.subset(split.train).of(label)
        assert clips.subset(split.validation).of(label)


def test_a_label_that_shares_its_two_sources_with_the_background_is_trained_on():
    background = [(BACKGROUND, f"{n}", 3) for n in range(12)]
    clips = clip_set([*background, (0, "0", 1), (0, "1", 1), (1, "12", 1), (1, "13", 1)])
    for seed in range(40):
        split = split_sources(clips, ClipSettings(), seed)
        for side in (split.train, split.validation):
            assert all(clips.subset(side).of(label) for label in clips.classes())
        for kept, _ in folds(clips, 3, seed):
            assert all(clips.subset(kept).of(label) for label in clips.classes())


def test_labels_that_leave_nothing_to_train_on_are_told():
    sources = [(0, "a", 1), (0, "b", 1), (1, "a", 1), (1, "b", 1), (BACKGROUND, "a", 1)]
    clips = clip_set([*sources, (BACKGROUND, "b", 1)])
    for kept, held_out in folds(clips, 2, 0):
        assert len(kept) == len(held_out) == 1
    one_source = replace(clips, clips=tuple(c for c in clips.clips if c.source == "a"))
    with pytest.raises(ClipError, match="none was left to train on"):
        folds(one_source, 2, 0)


def test_every_class_is_split_in_the_shares_asked_for():
    clips = clip_set(
        [(label, f"{label}/{n}", 1) for label in (BACKGROUND, 0, 1) for n in range(20)]
    )
    settings = ClipSettings(validation_share=0.15, test_share=0.25)
    split = split_sources(clips, settings, 0)
    for label in clips.classes():
        numbers = [
            len(clips.subset(side).of(label))
            for side in (split.train, split.validation, split.test)
        ]
        assert numbers == [12, 3, 5]
    assert split_sources(clips, settings, 1) != split


@given(some_sources(most_shared=3), st.integers(2, 6), st.integers(0, 5))
def test_every_source_is_held_out_once(clips, n_folds, seed):
    pairs = split_or_refusal(lambda: folds(clips, n_folds, seed))
    if pairs is None:
        return
    every = sorted({clip.source for clip in clips.clips})
    assert sorted(source for _, held_out in pairs for source in held_out) == every
    for kept, held_out in pairs:
        assert sorted((*kept, *held_out)) == every
        assert all(clips.subset(kept).of(label) for label in clips.classes())


@given(some_sources(), st.integers(2, 6), st.integers(0, 5))
def test_folds_hold_out_sources_of_every_class(clips, n_folds, seed):
    pairs = folds(clips, n_folds, seed)
    for label in clips.classes():
        sources = clips.sources_of(label)
        without = [pair for pair in pairs if not set(pair[1]) & set(sources)]
        assert len(without) == max(0, len(pairs) - len(sources))


def refusal(settings):
    with pytest.raises(ClipError) as caught:
        read_clips(settings, MODEL_RATE_HZ)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def many_clips(folders, tmp_path):
    """Ten clips more, so that one that is broken is less than a tenth."""
    write_clips(tmp_path / "rain", [f"d-{n}" for n in range(10)])
    return folders


def nan_clip(path):
    write(path, np.full(4000, np.nan, np.float32), MODEL_RATE_HZ, subtype="FLOAT")


BROKEN = {
    "not sound": lambda path: path.write_text("no sound"),
    "NaN": nan_clip,
    "holds no sound": lambda path: write(path, np.zeros(0, np.float32), MODEL_RATE_HZ),
    "no such file": lambda path: path.symlink_to("nowhere"),
    "too short": lambda path: write(path, noise(3), MODEL_RATE_HZ),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_a_clip_that_cannot_be_used_is_named_and_skipped(folders, tmp_path, reason):
    path = tmp_path / "frog" / "d-1.wav"
    BROKEN[reason](path)
    clips = read_clips(many_clips(folders, tmp_path), MODEL_RATE_HZ)
    assert [(one.path, reason in one.reason) for one in clips.broken] == [(str(path), True)]
    assert len(clips.clips) == 22


def test_many_clips_that_cannot_be_used_are_an_error(folders, tmp_path):
    for n in range(2):
        (tmp_path / "rain" / f"bad-{n}.wav").write_text("no sound")
    said = refusal(folders)
    assert "2 of 14 clips" in said
    assert str(tmp_path / "rain" / "bad-0.wav") in said


@pytest.mark.parametrize(("kind", "named"), [("frog", "'frog'"), ("rain", "background")])
def test_one_source_cannot_be_tested_on_unseen_ones(folders, tmp_path, kind, named):
    for path in (tmp_path / kind).glob("[bc]-*.wav"):
        path.unlink()
    said = refusal(folders)
    assert f"{named} has 1 source(s)" in said


@pytest.mark.parametrize("kind", ["frog", "rain"])
def test_a_missing_or_empty_folder_is_named_with_the_layout_expected(folders, tmp_path, kind):
    for path in (tmp_path / kind).iterdir():
        path.unlink()
    assert str(tmp_path / kind) in refusal(folders)
    (tmp_path / kind).rmdir()
    said = refusal(folders)
    assert str(tmp_path / kind) in said
    assert "data/README.md" in said


@pytest.mark.parametrize("pattern", ["(", r"^(.*)-\d$", r"^(?P<source>x)"])
def test_a_source_pattern_that_does_not_serve_is_quoted(folders, pattern):
    assert repr(pattern) in refusal(folders.model_copy(update={"source_pattern": pattern}))


def tone(duration_s=CLIP_S, hz=TONE_HZ):
    t = np.arange(int(duration_s * MODEL_RATE_HZ)) / MODEL_RATE_HZ
    return (0.1 * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def hiss(seed, duration_s=3.0):
    sound = np.random.default_rng(seed).normal(0, BACKGROUND_LEVEL, int(duration_s * MODEL_RATE_HZ))
    return sound.astype(np.float32)


def tones_and_hiss(n_sources=3):
    """Calls that are tones without any noise of their own, and steady hiss without any tone."""
    return ClipSet(
        labels=("frog",),
        sample_rate_hz=MODEL_RATE_HZ,
        clips=tuple(
            [Clip(f"tone{n}", f"frog/{n}", 0, tone()) for n in range(n_sources)]
            + [Clip(f"hiss{n}", f"rain/{n}", BACKGROUND, hiss(n)) for n in range(n_sources)]
        ),
    )


def maker_of(clips, seed=3, **augment):
    from training.augment.windows import window_maker

    values = AugmentSettings(**{**PLAIN, **augment})
    settings = TrainSettings(seed=seed, augment=values, fit=FitSettings(window_s=4.096))
    return window_maker(clips, FRONT_END, settings, frame_samples=1024)


def windows(maker, n):
    """``n`` windows, ten drawn at once: samples, targets, and which samples hold a tone."""
    import tensorflow as tf

    draw = tf.function(lambda number: maker(tf.stack([number, 7]), 10))
    for number in range(n // 10):
        for samples, targets in zip(*draw(tf.constant(number)), strict=True):
            yield samples.numpy(), targets.numpy()[:, 0], tone_inside(samples.numpy())


def tone_inside(samples):
    """Whether a tone sounds, for every sample: its own frequency, over 32 ms."""
    t = np.arange(len(samples)) / MODEL_RATE_HZ
    turned = samples * np.exp(-2j * np.pi * TONE_HZ * t)
    return np.abs(np.convolve(turned, np.ones(256) / 256, "same")) > 6 * BACKGROUND_LEVEL / 16


def runs_of(inside):
    """Start and stop of every run of true samples, shape (n_runs, 2)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], inside.astype(int), [0]])))
    return edges.reshape(-1, 2)


def longest_run(inside):
    """Start and stop of the longest run of true samples."""
    pairs = runs_of(inside)
    return tuple(pairs[np.argmax(pairs[:, 1] - pairs[:, 0])]) if len(pairs) else (0, 0)


@pytest.fixture(scope="module")
def drawn():
    return list(windows(maker_of(tones_and_hiss(), snr_low_db=15, snr_high_db=15), 300))


def test_targets_mark_calls_where_they_were_laid(drawn):
    n_calls = 0
    for samples, targets, inside in drawn:
        share = inside.reshape(-1, 1024).mean(axis=1)
        assert len(samples) == 32 * 1024
        assert set(targets) <= {-1.0, 0.0, 1.0}
        assert np.all(share[targets == 1] > 0.4)
        start, stop = longest_run(inside)
        is_whole = abs(stop - start - CLIP_S * MODEL_RATE_HZ) < 800
        if is_whole:
            n_calls += 1
            marked = np.flatnonzero(targets == 1) * 1024
            own = marked[(marked > start - 1024) & (marked < stop)]
            assert abs(own[0] - start) < 1024
            assert abs(own[-1] + 1024 - stop) < 1024
            # Far from the call is background; next to its edges nothing is asked.
            assert np.all(targets[share == 0] <= 0)
            if len(runs_of(inside)) == 1:
                assert (targets == 0).sum() > 32 - len(marked) - 10
    assert n_calls > 50


def test_a_short_pause_between_two_calls_is_background(drawn):
    n_pauses = 0
    for _, targets, inside in drawn:
        long = [run for run in runs_of(inside) if np.ptp(run) > 0.7 * CLIP_S * MODEL_RATE_HZ]
        for (_, stop), (start, _) in zip(long[:-1], long[1:], strict=True):
            pause = targets[stop // 1024 + 3 : start // 1024 - 2]
            n_pauses += len(pause) > 0
            assert np.all(pause == 0)
            assert targets[stop // 1024 - 2] == targets[start // 1024 + 2] == 1
    assert n_pauses > 2


def test_a_call_heard_for_one_moment_is_not_enough_where_all_of_it_is_asked_for():
    from training.fit.fitting import window_loss

    targets = np.ones((1, 10, 1), np.float32)
    throughout = np.full((1, 10, 1), 3, np.float32)
    moment = np.full((1, 10, 1), -4, np.float32)
    moment[0, 5] = 8
    loss = {
        share: [float(window_loss(targets, logits, 0.0, share)) for logits in (throughout, moment)]
        for share in (0.0, 0.5)
    }
    assert loss[0.0][0] > loss[0.0][1]
    assert loss[0.5][0] < loss[0.5][1]


def test_pieces_of_calls_are_no_calls(drawn):
    n_pieces = 0
    for samples, targets, inside in drawn:
        start, stop = longest_run(inside)
        if start > 0 and stop < len(samples) and 400 < stop - start < 0.55 * CLIP_S * MODEL_RATE_HZ:
            n_pieces += 1
            assert not np.any(targets == 1)
    assert n_pieces > 5


def loosely_cut(clips):
    """The same calls, each with a second of faint hiss before and after it."""
    still = hiss(9, 1.0) * np.float32(0.01)

    def loose(clip):
        return replace(clip, samples=np.concatenate([still, clip.samples, still]))

    changed = [clip if clip.label == BACKGROUND else loose(clip) for clip in clips.clips]
    return replace(clips, clips=tuple(changed))


def test_what_stands_in_a_clip_beside_its_call_is_background():
    maker, n_whole = maker_of(loosely_cut(tones_and_hiss()), snr_low_db=15, snr_high_db=15), 0
    for _, targets, inside in windows(maker, 200):
        share = inside.reshape(-1, 1024).mean(axis=1)
        assert np.all(share[targets == 1] > 0.4)
        start, stop = (end // 1024 for end in longest_run(inside))
        if np.any(targets == 1) and start > 8 and stop < 24:
            n_whole += 1
            # Next to the ends of the call and of its clip nothing is asked.
            assert np.all(targets[start - 5 : start - 3] == 0)
            assert np.all(targets[stop + 4 : stop + 5] == 0)
            assert np.all(targets[start - 1 : start] == -1)
    assert n_whole > 5


def test_a_piece_of_a_loosely_cut_clip_never_holds_most_of_the_call():
    # The tone is far longer than the stillness, so whatever is longer than half of it is the call.
    maker = maker_of(loosely_cut(tones_and_hiss()), snr_low_db=15, snr_high_db=15)
    runs = [
        stop - start
        for samples, targets, inside in windows(maker, 300)
        for start, stop in [longest_run(inside)]
        if np.all(targets == 0) and start > 0 and stop < len(samples)
    ]
    assert len(runs) > 20
    assert max(runs) < 0.5 * CLIP_S * MODEL_RATE_HZ


def test_pieces_beside_a_call_are_background(drawn):
    n_beside = 0
    for _, targets, inside in drawn:
        sounding = inside.reshape(-1, 1024).mean(axis=1) > 0.5
        n_beside += bool(np.any(targets == 1) and np.any(sounding & (targets == 0)))
    assert n_beside > 10


def test_windows_without_a_call_are_background_all_through(drawn):
    silent = [targets for _, targets, inside in drawn if not inside.any()]
    assert len(silent) > 10
    assert all(np.all(targets == 0) for targets in silent)


def test_calls_are_cut_by_the_edges_too(drawn):
    runs = [longest_run(inside) for _, targets, inside in drawn if np.any(targets == 1)]
    whole = CLIP_S * MODEL_RATE_HZ - 800
    assert any(start == 0 and stop < whole for start, stop in runs)
    assert any(stop == 32 * 1024 and stop - start < whole for start, stop in runs)


@pytest.mark.parametrize("snr_db", [5.0, 20.0])
def test_calls_are_as_loud_over_the_background_as_asked_for(snr_db):
    maker = maker_of(tones_and_hiss(), snr_low_db=snr_db, snr_high_db=snr_db)
    measured = []
    for samples, targets, inside in windows(maker, 120):
        frames, silent = samples.reshape(-1, 1024), ~inside.reshape(-1, 1024).any(axis=1)
        called, apart = frames[targets == 1], frames[(targets == 0) & silent]
        if len(called) > 8 and len(apart) > 8:
            background = band_level(apart.ravel(), FRONT_END)
            both = band_level(called[2:-2].ravel(), FRONT_END)
            measured.append(10 * np.log10(both**2 / background**2 - 1))
    assert len(measured) > 20
    assert np.abs(np.array(measured) - snr_db).max() < 1.0


def test_a_call_recorded_with_noise_is_laid_as_far_over_all_noise_as_asked_for():
    clean = tones_and_hiss()
    call = np.pad(clean.clips[0].samples, 4000)
    added_db = []
    for share in (0, 1):
        samples = call + share * hiss(9, duration_s=len(call) / MODEL_RATE_HZ)
        clips = replace(clean.clips[0], samples=samples), *clean.clips[1:]
        clip_pool = maker_of(replace(clean, clips=clips)).clip_pool
        gain = float(clip_pool.gains(np.array([0]), 5.0)[0])
        own_noise = gain**2 * float(clip_pool.noises[0])
        added_db.append(10 * np.log10(1 + own_noise))
        over_bed = gain**2 * band_level(call, FRONT_END) ** 2
        assert 10 * np.log10(over_bed / (1 + own_noise)) == pytest.approx(5, abs=0.3)
    assert added_db[0] < 0.01 < added_db[1]


def test_gain_changes_the_level_alone():
    clips = tones_and_hiss()
    loud = windows(maker_of(clips), 10)
    soft = windows(maker_of(clips, gain_low_db=-20, gain_high_db=-20), 10)
    for (samples, targets, _), (softer, same, _) in zip(loud, soft, strict=True):
        np.testing.assert_allclose(softer, samples / 10, rtol=1e-4, atol=1e-7)
        np.testing.assert_array_equal(targets, same)


def batches(n=2, seed=3, **augment):
    import keras

    from training.augment.windows import features_by, training_windows
    from training.models.front_ends import LogBands

    keras.utils.set_random_seed(seed)
    maker = maker_of(tones_and_hiss(), **augment)
    drawn = features_by(maker, LogBands(FRONT_END.model_dump()))
    made = training_windows(drawn, maker.augment, 8, seed)
    return [(x.numpy(), y.numpy()) for x, y in made.take(n)]


def test_the_same_seed_gives_the_same_batches_and_another_seed_others():
    first, again = batches(equaliser_db=6), batches(equaliser_db=6)
    for (x, y), (same_x, same_y) in zip(first, again, strict=True):
        np.testing.assert_array_equal(x, same_x)
        np.testing.assert_array_equal(y, same_y)
    assert np.abs(first[0][0] - batches(seed=4, equaliser_db=6)[0][0]).max() > 0.1
    assert np.abs(first[0][0] - first[1][0]).max() > 0.1


def test_a_share_of_windows_is_smeared_over_bands_alone_and_targets_stay():
    clear = batches(mask_bands=0, mask_frames=0)
    some = batches(mask_bands=0, mask_frames=0, smear_share=0.5)
    n_smeared = 0
    for (x, y), (x_some, y_some) in zip(clear, some, strict=True):
        np.testing.assert_array_equal(y, y_some)
        for one, same in zip(x, x_some, strict=True):
            if np.abs(one - same).max() < 1e-6:
                continue
            n_smeared += 1
            # Where neighbouring bands come together, they differ less than before in every frame.
            rough, smooth = (np.abs(np.diff(a, axis=1)).sum(axis=1) for a in (one, same))
            assert (smooth <= rough + 1e-4).all()
            np.testing.assert_allclose(same.mean(), one.mean(), atol=0.1)
    assert 0 < n_smeared < 16


def test_masks_blank_bands_and_frames_and_targets_stay():
    plain = batches(mask_bands=0, mask_frames=0)
    masked = batches(mask_bands=6, mask_frames=8)
    n_bands = n_frames = 0
    for (x, y), (x_masked, y_masked) in zip(plain, masked, strict=True):
        np.testing.assert_array_equal(y, y_masked)
        blank = x_masked == 0
        np.testing.assert_array_equal(x[~blank], x_masked[~blank])
        for one in blank:
            assert np.array_equal(one, one.all(axis=0)[None, :] | one.all(axis=1)[:, None])
            assert one.all(axis=0).sum() <= 6
            assert one.all(axis=1).sum() <= 8
        n_bands += blank.all(axis=1).sum()
        n_frames += blank.all(axis=2).sum()
    assert n_bands > 0
    assert n_frames > 0
    assert not np.any(plain[0][0] == 0)


def test_invented_sounds_are_laid_as_background_and_only_where_asked_for():
    clips = tones_and_hiss()
    plain = np.array([samples for samples, _, _ in windows(maker_of(clips), 60)])
    made = list(windows(maker_of(clips, invented_sounds=20), 60))
    changed = np.any(plain != np.array([samples for samples, _, _ in made]), axis=1)
    assert 0.05 < changed.mean() < 0.5
    assert all(
        np.all(targets <= 0) for (_, targets, _), other in zip(made, changed, strict=True) if other
    )


def test_invented_sounds_stand_in_the_band_and_come_again_with_their_seed():
    sounds = make_distractors(FRONT_END, 40, 7)
    for samples, again in zip(sounds, make_distractors(FRONT_END, 40, 7), strict=True):
        np.testing.assert_array_equal(samples, again)
        assert 0 < len(samples) <= 3.5 * MODEL_RATE_HZ
        assert 0 < np.abs(samples).max() < 0.101
    power = sum(np.abs(np.fft.rfft(samples, 2**15)) ** 2 for samples in sounds)
    hz = np.fft.rfftfreq(2**15, 1 / MODEL_RATE_HZ)
    inside = (hz > FRONT_END.low_hz / 2) & (hz < FRONT_END.high_hz * 1.2)
    assert power[inside].sum() > 0.9 * power.sum()
    assert not np.array_equal(sounds[0], make_distractors(FRONT_END, 1, 8)[0])


def test_clips_of_any_length_make_windows():
    clips = tones_and_hiss()
    others = tuple(clip for clip in clips.clips if clip.label == BACKGROUND)
    for duration_s in (0.1, 20.0):
        odd = Clip("odd", "frog/odd", 0, tone(duration_s))
        short = Clip("short", "rain/short", BACKGROUND, hiss(5, duration_s))
        maker = maker_of(replace(clips, clips=(odd, short, *others)))
        for samples, targets, _ in windows(maker, 40):
            assert np.isfinite(samples).all()
            assert np.isfinite(targets).all()


def librosa_bands(sound, settings):
    """Power in bands as librosa has it, frame by frame, shape (n_frames, n_bands)."""
    n_window, hop = settings.window_samples, settings.hop_samples
    window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n_window) + 0.5) / n_window)
    padded = np.concatenate([np.zeros(n_window - hop), sound])
    spectrum = librosa.stft(padded, n_fft=n_window, hop_length=hop, window=window, center=False)
    power = np.abs(spectrum) ** 2 / (window.sum() / 2) ** 2
    hz = librosa.fft_frequencies(sr=settings.sample_rate_hz, n_fft=n_window)
    kept = (hz >= settings.low_hz) & (hz <= settings.high_hz)
    if settings.kind == "mel":
        filters = librosa.filters.mel(
            sr=settings.sample_rate_hz,
            n_fft=n_window,
            n_mels=settings.n_bands,
            fmin=settings.low_hz,
            fmax=settings.high_hz,
        )
        return (filters / filters.sum(axis=1, keepdims=True) @ power).T
    groups = np.array_split(power[kept], settings.n_bands)
    return np.stack([group.mean(axis=0) for group in groups], axis=1)


FRONT_ENDS = {
    "mel": BandSettings(kind="mel", n_bands=24),
    "spectrogram": BandSettings(kind="spectrogram", n_bands=48),
    "long window": BandSettings(kind="mel", window_samples=1024, hop_samples=256, n_bands=32),
    "high rate": BandSettings(
        kind="spectrogram", sample_rate_hz=22050, low_hz=1000, high_hz=9000, n_bands=40
    ),
}


@pytest.mark.parametrize("name", FRONT_ENDS)
def test_the_front_end_is_librosas(name):
    from training.models.front_ends import CENTRE_DB, UNIT_DB, LogBands

    settings = FRONT_ENDS[name]
    sound = restless(4.096)
    features = np.asarray(LogBands(settings.model_dump())(sound[None]))[0]
    reference_db = 10 * np.log10(librosa_bands(sound, settings) + 1e-10)
    assert features.shape == (len(sound) // settings.hop_samples, settings.n_bands)
    difference_db = np.abs(features * UNIT_DB + CENTRE_DB - reference_db)
    assert difference_db.mean() < 0.05
    assert np.quantile(difference_db, 0.999) < 0.5
    power, reference = (10 ** (x / 10) for x in (features * UNIT_DB + CENTRE_DB, reference_db))
    loudest = reference.max(axis=1, keepdims=True)
    assert (np.abs(power - reference) / loudest).max() < 1e-3


def test_features_are_in_decibels_of_full_scale():
    from training.models.front_ends import CENTRE_DB, UNIT_DB, LogBands, band_centres_hz

    settings = BandSettings(kind="spectrogram", low_hz=200, high_hz=3000, n_bands=179)
    hz = 64 * 8000 / 512
    sine = np.sin(2 * np.pi * hz * np.arange(8192) / 8000).astype(np.float32)
    layer = LogBands(settings.model_dump())
    levels_db = np.asarray(layer(sine[None]))[0] * UNIT_DB + CENTRE_DB
    band = int(np.argmax(levels_db[10]))
    assert levels_db[10, band] == pytest.approx(0, abs=0.1)
    assert band_centres_hz(settings)[band] == pytest.approx(hz)
    softer_db = np.asarray(layer(0.01 * sine[None]))[0] * UNIT_DB + CENTRE_DB
    assert levels_db[10, band] - softer_db[10, band] == pytest.approx(40, abs=0.01)
    silent_db = np.asarray(layer(0 * sine[None]))[0] * UNIT_DB + CENTRE_DB
    assert silent_db == pytest.approx(-100, abs=0.01)


def test_exports_do_what_the_trained_network_does(made_network):
    from training.models.litert_run import scorer

    exports = {one.variant: one for one in made_network.exports}
    assert set(exports) == {"float32", "int8"}
    assert 0 < exports["float32"].largest_difference <= exports["float32"].tolerance
    assert exports["int8"].content != exports["float32"].content
    sound = restless(5.0, seed=8)
    trained = made_network.trained.scores(sound)
    score = scorer(exports["float32"].content, made_network.trained.frame_samples)
    np.testing.assert_allclose(score(sound), trained, atol=exports["float32"].tolerance, rtol=0)
    score = scorer(exports["int8"].content, made_network.trained.frame_samples)
    for gain in np.float32([0.1, 1.0, 3.0]):
        trained = made_network.trained.scores(gain * sound)
        assert 0 < np.abs(score(gain * sound) - trained).mean() < 0.04


def test_an_export_over_its_tolerance_fails(made_network, monkeypatch):
    from training.export import litert_export as export

    monkeypatch.setitem(export.TOLERANCES, "float32", 0.0)
    sounds = [restless(2.0)]
    with pytest.raises(CallcountError, match="no bundle was written"):
        export.export(made_network.trained, sounds, sounds)


def test_an_int8_export_outside_its_tolerance_is_marked(made_network, monkeypatch):
    from training.export import litert_export as export

    monkeypatch.setitem(export.TOLERANCES, "int8", 0.0)
    sounds = [restless(2.0)]
    exports = export.export(made_network.trained, sounds, sounds)
    found = {one.variant: one for one in exports.variants}
    assert found["float32"].is_within
    assert not found["int8"].is_within


RULES = RuleSettings(recording_s=30, snr_low_db=20, snr_high_db=20)


def make(clips, n=24, seed=1):
    return make_recordings(clips, FRONT_END, RULES, n_recordings=n, seed=[seed])


@pytest.fixture(scope="module")
def made():
    return make(tones_and_hiss())


def test_calls_sound_where_the_truth_says(made):
    for recording in made:
        inside = tone_inside(recording.samples)
        assert len(recording.samples) == 30 * MODEL_RATE_HZ
        for label, start_s, end_s in recording.calls:
            assert label == 0
            assert end_s - start_s == pytest.approx(CLIP_S, abs=0.2)
            within = inside[round(start_s * MODEL_RATE_HZ) : round(end_s * MODEL_RATE_HZ)]
            assert within.mean() > 0.9


def test_the_truth_of_a_loosely_cut_clip_is_its_call():
    for recording in make(loosely_cut(tones_and_hiss()), n=6):
        for _, start_s, end_s in recording.calls:
            assert end_s - start_s == pytest.approx(CLIP_S, abs=0.2)


def test_made_recordings_are_empty_sparse_and_crowded(made):
    counts = [len(recording.calls) for recording in made]
    assert 0.1 < counts.count(0) / len(counts) < 0.6
    assert max(counts) >= 8
    assert any(0 < count <= 4 for count in counts)
    for recording in made:
        assert np.isfinite(recording.samples).all()
        times = [time for _, start_s, end_s in recording.calls for time in (start_s, end_s)]
        assert times == sorted(times)
        assert all(0 <= time <= 30 for time in times)
        if not recording.calls:
            assert not tone_inside(recording.samples).any()


def test_made_recordings_come_again_with_their_seed_alone(made):
    again = make(tones_and_hiss())
    assert [one.calls for one in again] == [one.calls for one in made]
    for one, other in zip(made, again, strict=True):
        np.testing.assert_array_equal(one.samples, other.samples)
    assert [one.calls for one in make(tones_and_hiss(), seed=2)] != [one.calls for one in made]


TINY = {
    "network": SMALL_NETWORK.model_dump(),
    "fit": {"epochs": 2, "windows_per_epoch": 64, "batch_size": 16, "window_s": 2.048},
    "rules": {"folds": 2, "recordings_per_fold": 6, "recording_s": 20},
    "models": {
        "mel": {"kind": "mel", "n_bands": 24},
        "spectrogram": {"kind": "spectrogram", "n_bands": 24},
    },
}


def test_the_same_seed_trains_the_same_network_twice():
    from training.fit.fitting import fit

    settings = TrainSettings.model_validate(TINY)
    clips = tones_and_hiss()
    histories = [
        fit(settings, FRONT_END, clips, validation=clips, seed=seed).history for seed in (1, 1, 2)
    ]
    assert histories[0] == histories[1]
    assert histories[0] != histories[2]
    assert [row["epoch"] for row in histories[0]] == [1, 2]
    assert all(np.isfinite(list(row.values())).all() for row in histories[0])


@pytest.mark.parametrize("batch_size", [8, 3, 1])
def test_a_short_training_and_any_batch_give_a_network(batch_size):
    from training.fit.fitting import fit

    shape = {"epochs": 1, "windows_per_epoch": 8, "batch_size": batch_size}
    settings = TrainSettings.model_validate({**TINY, "fit": {**TINY["fit"], **shape}})
    clips = tones_and_hiss()
    one, again, other = (fit(settings, FRONT_END, clips, seed=seed) for seed in (1, 1, 2))
    weights, same, others = (x.network.get_weights() for x in (one, again, other))
    assert all(np.isfinite(weight).all() for weight in weights)
    assert all(np.array_equal(a, b) for a, b in zip(weights, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(weights, others, strict=True))


def test_batches_are_normalised_as_keras_does():
    import keras

    from training.models.networks import BatchNorm

    x = np.random.default_rng(0).normal(3, 2, (4, 6, 5, 3)).astype(np.float32)
    ours, theirs = BatchNorm(momentum=0.8), keras.layers.BatchNormalization(momentum=0.8)
    for _ in range(2):
        trained = [np.asarray(layer(x, training=True)) for layer in (ours, theirs)]
    np.testing.assert_allclose(*trained, atol=1e-5)
    # Keras averages the variance of the sample, the fused operation that which it estimates.
    n = x[..., 0].size
    np.testing.assert_allclose(ours.moving_mean, theirs.moving_mean, rtol=1e-5)
    np.testing.assert_allclose(ours.moving_variance, theirs.moving_variance, rtol=2 / n)
    np.testing.assert_allclose(ours(x), theirs(x), rtol=2 / n, atol=2 / n)


@pytest.fixture(scope="module")
def crossed_tones():
    """Clips, the stages told of, and their cross-fit."""
    clips, stages = tones_and_hiss(), []

    def progress(stage):
        stages.append(stage)
        return lambda epoch, row: None

    settings = TrainSettings.model_validate(TINY)
    return clips, stages, cross_fit(settings, FRONT_END, clips, progress)


def test_every_source_is_scored_by_a_fold_that_had_not_met_it(crossed_tones):
    clips, stages, crossed = crossed_tones
    assert stages == ["fold 1 of 2", "fold 2 of 2"]
    assert sorted(crossed.clips.names) == sorted(clip.name for clip in clips.clips)
    assert len(crossed.scored[0]) == 2 * TINY["rules"]["recordings_per_fold"]
    assert crossed.learned == ()
    assert crossed.timebase == Timebase(MODEL_RATE_HZ, 4 * FRONT_END.hop_samples)


def test_rules_are_learned_on_the_folds_and_on_a_final_model_that_is_none_of_them(crossed_tones):
    crossed = crossed_tones[2]
    assert with_rules(crossed, None, [[CLIP_S]]).scored == crossed.scored
    final = list(crossed.scored[0][:2])
    ruled = with_rules(crossed, [final], [[CLIP_S]])
    assert ruled.scored[0] == (*crossed.scored[0], *final)
    assert ruled.learned[0].error.n_recordings == len(crossed.scored[0]) + 2


def test_a_mean_counts_from_a_lower_one_of_equally_good_thresholds(crossed_tones):
    crossed = crossed_tones[2]

    def clear(one):
        scores = np.full_like(one.scores, 0.1)
        for ends_s in zip(one.calls.start_s, one.calls.end_s, strict=True):
            first, last = (crossed.timebase.frames(end_s) for end_s in ends_s)
            scores[first:last] = 0.8
        return replace(one, scores=scores)

    crossed = replace(crossed, scored=(tuple(clear(one) for one in crossed.scored[0]),))
    single, mean = (with_rules(crossed, final, [[CLIP_S]]).learned[0] for final in ([[]], None))
    assert single.error.cost == mean.error.cost == 0
    assert 0.1 < mean.rules.threshold < single.rules.threshold < 0.8


def test_the_mean_of_the_folds_models_says_what_they_say_on_average(crossed_tones):
    clips, _, crossed = crossed_tones
    mean, sound = mean_of(TrainSettings(), crossed.models), clips.clips[0].samples
    scores = [one.scores(sound) for one in crossed.models]
    assert not np.allclose(*scores, atol=0.01)
    logits = np.mean([np.log(one / (1 - one)) for one in scores], axis=0)
    assert mean.scores(sound) == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-4)
    losses = [[row["loss"] for row in one.history] for one in crossed.models]
    assert [row["loss"] for row in mean.history] == pytest.approx(np.mean(losses, axis=0))


def test_models_of_windows_have_no_mean(crossed_tones):
    recipe = Path(__file__).parents[1] / "configs" / "city-mfcc-forest.yaml"
    settings = TrainSettings.model_validate(yaml.safe_load(recipe.read_text()))
    assert mean_of(settings, crossed_tones[2].models) is None


@pytest.fixture(scope="module")
def clip_folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    make_clips(
        folder,
        seed=1,
        sample_rate_hz=MODEL_RATE_HZ,
        n_sources=5,
        clips_per_source=3,
        n_background_sources=5,
        backgrounds_per_source=3,
    )
    (folder / "Parsed_Demobird_Clips" / "DB001-9.flac").write_text("no sound")
    return folder


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return path


@pytest.fixture(scope="module")
def run_of_training(clip_folders, config, tmp_path_factory):
    """``callcount train`` as a user runs it: where it wrote, and what it said."""
    output = tmp_path_factory.mktemp("artifacts")
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        assert train(clip_folders, config, output, "--label", "frog", "--seed", "3") in TRAINED
    return output, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def trained(run_of_training):
    return run_of_training[0]


def train(clip_folders, config, output, *more):
    arguments = ["train", "--config", config, "-o", output, *more]
    arguments += ["--positive", clip_folders / "Parsed_Demobird_Clips"]
    arguments += ["--negative", clip_folders / "Parsed_Not_Demobird_Clips"]
    return run([str(one) for one in arguments])


BUNDLE = {"bundle.yaml", "model.tflite", "model-float32.tflite", "model-int8.tflite"}


@pytest.mark.slow
def test_training_leaves_models_reports_and_card(trained):
    assert [path.name for path in trained.iterdir()] == ["frog"]
    folder = trained / "frog"
    top = {"mel", "spectrogram", "default.yaml", "config.yaml", "model_card.md"}
    assert {path.name for path in folder.iterdir()} == top
    for model in ("mel", "spectrogram"):
        left = {path.name for path in (folder / model).iterdir()}
        assert left >= BUNDLE | FILES
        assert all((folder / model / name).stat().st_size for name in left)
        history = rows_of(folder / model / "training.csv")
        assert [float(row["epoch"]) for row in history] == [1, 2]
        assert {"loss", "val_loss"} <= set(history[0])
        json.loads((folder / model / "classification_report.json").read_text())
    card = (folder / "model_card.md").read_text()
    assert "frog-mel" in card
    assert "frog-spectrogram" in card
    assert "DB001-9.flac" in card


@pytest.mark.slow
def test_the_bundle_says_how_it_and_its_rules_came_about(trained):
    folder = trained / "frog"
    default = yaml.safe_load((folder / DEFAULT_FILE).read_text())["model"]
    bundle = read_bundle(folder)
    assert bundle == read_bundle(folder / default)
    spec = bundle.spec
    assert (spec.labels, spec.name) == (("frog",), f"frog-{default}")
    resolved = yaml.safe_load((folder / "config.yaml").read_text())["models"][default]
    assert {name: getattr(spec, name) for name in ("low_hz", "high_hz", "sample_rate_hz")} == {
        name: resolved[name] for name in ("low_hz", "high_hz", "sample_rate_hz")
    }
    told = spec.provenance
    assert told["seed"] == 3
    assert sum(told["sources"].values()) == 10
    assert told["rules_learned_on"]["frog"]["recordings"] == 2 * 6  # those of the folds
    assert 0 <= told["parity"]["float32"] <= 1e-3
    chosen = folder / default / f"model-{told['variant']}.tflite"
    assert bundle.model_path.read_bytes() == chosen.read_bytes()
    assert (folder / default / MODEL_FILE).is_file()


@pytest.mark.slow
def test_the_resolved_config_trains_the_same_again(trained):
    resolved = yaml.safe_load((trained / "frog" / "config.yaml").read_text())
    settings = TrainSettings.model_validate(resolved)
    assert (settings.name, settings.seed) == ("frog", 3)
    assert settings.fit.model_dump().items() >= TINY["fit"].items()
    assert set(settings.models) == {"mel", "spectrogram"}


@pytest.mark.slow
def test_what_was_trained_scans(trained, clip_folders, tmp_path):
    arguments = ["scan", clip_folders / "Parsed_Not_Demobird_Clips", "--model", trained / "frog"]
    output = tmp_path / "results.csv"
    assert run([str(one) for one in [*arguments, "--no-plots", "-o", output]]) == 0
    assert [row["status"] for row in rows_of(output)] == ["ok"] * 15


@pytest.mark.slow
def test_the_terminal_names_the_better_model_and_what_was_skipped(run_of_training):
    folder, out, err = run_of_training
    default = yaml.safe_load((folder / "frog" / DEFAULT_FILE).read_text())["model"]
    assert f"{default} (default)" in out
    assert re.search(r"^skipped .*DB001-9\.flac: not sound", out, re.MULTILINE)
    assert str(folder / "frog") in out
    assert re.search(
        r"^mel: fold 2 of 2, 2 epochs: loss [\d.]+  val_loss [\d.]+", err, re.MULTILINE
    )
    assert not re.search(r"[\x1b\r]", out + err)


WRONG = {
    "no folder": (["--negative", "gone"], "clip folder gone does not exist"),
    "no layout": ([], "data/README.md"),
    "label alone": (["--label", "frog"], "--positive"),
    "unknown key": (["--set", "fit.epoch=3"], "did you mean 'epochs'"),
    "out of range": (["--set", "fit.epochs=0"], "'fit.epochs' = 0"),
    "no assignment": (["--set", "fit.epochs"], "key=value"),
    "seed": (["--seed", "-1"], "'seed' = -1"),
    "folds": (["--cv", "1"], "--cv"),
    "name": (["--set", "name=../elsewhere"], "'name'"),
    "dots": (["--set", "name=.."], "'name'"),
    "model name": (["--set", "models={../mel: {kind: mel}}"], "'models.../mel"),
    "no model": (["--set", "models={}"], "'models'"),
    "no label": (["--set", "clips.labels={}"], "'clips.labels'"),
    "config": (["--config", "gone.yaml"], "gone.yaml"),
}


@pytest.mark.parametrize("case", WRONG)
def test_training_that_cannot_begin_is_one_clear_line_and_leaves_nothing(
    tmp_path, monkeypatch, capsys, case
):
    arguments, says = WRONG[case]
    monkeypatch.chdir(tmp_path)
    assert run(["train", *arguments]) == 2
    said = capsys.readouterr().err.rstrip("\n").splitlines()[-1]
    assert said.startswith("Error: ")
    assert says in said
    assert list(tmp_path.iterdir()) == []


def test_training_never_replaces_what_it_did_not_make(clip_folders, config, tmp_path, capsys):
    (tmp_path / "frog").mkdir()
    (tmp_path / "frog" / "clip.wav").write_text("mine")
    assert train(clip_folders, config, tmp_path, "--label", "frog") == 2
    assert str(tmp_path / "frog") in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "frog").iterdir()] == ["clip.wav"]
    assert [path.name for path in tmp_path.iterdir()] == ["frog"]


def test_training_that_is_interrupted_leaves_nothing(
    clip_folders, config, tmp_path, monkeypatch, capsys
):
    from training import run as training_run

    def interrupted(*arguments):
        (made,) = tmp_path.iterdir()
        assert made.is_dir()
        raise KeyboardInterrupt

    monkeypatch.setattr(training_run, "cross_fit", interrupted)
    assert train(clip_folders, config, tmp_path, "--label", "frog") == 130
    assert "Interrupted." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
