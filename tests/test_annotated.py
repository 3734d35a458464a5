"""Annotated recordings as sound with known calls, and when the rules are learned on them alone."""

import re

import numpy as np
from audio_files import noise, write
from bundles import MODEL_RATE_HZ, TONE_HZ
from hypothesis import given
from hypothesis import strategies as st
from test_cuts import CALLS_S, RATE_HZ, chirps, field, lines  # noqa: F401

from training.augment import context_windows
from training.augment.context_windows import context_window_maker, frame_targets
from training.augment.windows import IGNORED
from training.data import annotated_clips
from training.data.annotated_clips import known_spans, time_cuts_s
from training.data.clip_set import BACKGROUND, KnownRecording
from training.data.clip_sources import read_clips
from training.models.front_ends import band_centres_hz
from training.settings.front_end_settings import BandSettings
from training.settings.train_settings import (
    ClipSettings,
    RuleSettings,
    TrainSettings,
)
from training.validation.cross_fit import made_of


def sounding(samples):
    t = np.arange(len(samples)) / MODEL_RATE_HZ
    turned = samples * np.exp(-2j * np.pi * TONE_HZ * t)
    return np.abs(np.convolve(turned, np.ones(400) / 400, "same")) > 0.05


def test_calls_sound_in_a_recording_where_they_were_marked(field):  # noqa: F811
    found = field.clips().recordings
    assert [one.source for one in found] == sorted(field.names)
    for one in found:
        assert not one.is_made
        assert np.allclose([call[1:] for call in one.calls], CALLS_S)
        inside = sounding(one.samples)
        for _, start_s, end_s in one.calls:
            assert (
                inside[round(start_s * MODEL_RATE_HZ) : round(end_s * MODEL_RATE_HZ)].mean() > 0.8
            )


def test_a_recording_stays_with_the_clips_that_were_cut_from_it(field):  # noqa: F811
    clips = field.clips()
    (own,) = clips.subset(["b.flac"]).recordings
    assert own.source == "b.flac"
    assert clips.subset([]).recordings == ()
    # Calls of the whole table decide whether recordings must be made, in every fold alike.
    assert clips.subset(["b.flac"]).n_known_calls == clips.n_known_calls == (9,)


def test_without_annotations_there_are_none(field, tmp_path):  # noqa: F811
    for folder in ("frog", "rain"):
        for seed in range(2):
            path = tmp_path / folder / f"{seed}.wav"
            path.parent.mkdir(exist_ok=True)
            write(path, noise(8000, seed=seed), RATE_HZ)
    folders = {"labels": {"frog": str(tmp_path / "frog")}, "background": str(tmp_path / "rain")}
    assert read_clips(ClipSettings(**folders), MODEL_RATE_HZ).recordings == ()


def test_of_a_long_recording_what_lies_about_its_calls_is_taken_and_some_far_from_them(
    field,  # noqa: F811
    monkeypatch,
):
    monkeypatch.setattr(annotated_clips, "LONGEST_S", 40.0)
    calls_s = ((100.0, 101.0), (109.5, 111.0), (190.0, 191.0))
    write(field.season / "a.wav", chirps(calls_s, 300.0), RATE_HZ)
    field.write(lines(["a.wav"], calls_s) + lines(field.names[1:]))
    found = field.clips().subset(["a.wav"]).recordings
    heard = [call for one in found for call in one.calls]
    assert np.allclose([end_s - start_s for _, start_s, end_s in heard], [1.0, 1.5, 1.0])
    for one in found:
        told = np.zeros(len(one.samples), dtype=bool)
        for _, start_s, end_s in one.calls:
            told[round(start_s * MODEL_RATE_HZ) : round(end_s * MODEL_RATE_HZ)] = True
        assert (sounding(one.samples) == told).mean() > 0.98
    lengths_s = [len(one.samples) / MODEL_RATE_HZ for one in found]
    assert sum(lengths_s) <= 41
    assert sum(not one.calls for one in found) >= 1


spans = st.tuples(st.floats(0, 900), st.floats(0.1, 20)).map(lambda x: (x[0], x[0] + x[1]))


@given(st.lists(spans, min_size=1, max_size=30), st.floats(20, 2000))
def test_stretches_stand_apart_in_order_and_hold_no_more_than_asked_for(calls, most_s):
    found = known_spans(calls, (0.0, 1000.0), most_s)
    assert found == sorted(found)
    assert all(0 <= start_s < end_s <= 1000 for start_s, end_s in found)
    ends = [end_s for _, end_s in found]
    assert all(
        start_s >= end_s - 1e-6 for (start_s, _), end_s in zip(found[1:], ends, strict=False)
    )
    assert sum(end_s - start_s for start_s, end_s in found) <= most_s * 1.5 + 1e-6
    if most_s >= 1000:
        assert found == [(0.0, 1000.0)]


@given(st.lists(spans, max_size=30), st.integers(1, 8))
def test_a_recording_is_cut_in_pauses_into_parts_with_calls(calls, n_parts):
    cuts_s = time_cuts_s(calls, n_parts)
    assert cuts_s == sorted(set(cuts_s))
    assert len(cuts_s) < max(1, min(n_parts, len(calls)) + 1)
    assert not any(start_s < cut_s < end_s for cut_s in cuts_s for start_s, end_s in calls)
    edges_s = [-1.0, *cuts_s, 1e9]
    for low_s, high_s in zip(edges_s[:-1], edges_s[1:], strict=True):
        assert not calls or any(low_s < start_s < high_s for start_s, _ in calls)


def test_the_only_recording_is_cut_in_time_and_its_parts_are_sources(field):  # noqa: F811
    calls_s = [(2.0 * n + 1, 2.0 * n + 1.5) for n in range(12)]
    write(field.season / "a.wav", chirps(calls_s, 26.0), RATE_HZ)
    field.write(lines(["a.wav"], calls_s))
    clips = field.clips()
    names = [f"a.wav part {number}" for number in range(1, 7)]
    assert clips.sources_of(0) == clips.sources_of(BACKGROUND) == names
    assert [len(one.calls) for one in clips.recordings] == [2] * 6
    assert sum(len(one.samples) for one in clips.recordings) == 26 * MODEL_RATE_HZ
    assert any("the only recording: cut in time into 6 parts" in one for one in clips.remarks)
    # No piece of background reaches from one part into the next.
    cut_s = 1 + 2 * 2 - 0.25
    for clip in clips.of(BACKGROUND):
        start_s, end_s = map(float, re.findall(r"[\d.]+(?=[- ])", clip.name)[-2:])
        assert not start_s < cut_s - 0.5 < end_s


def test_no_recordings_are_made_where_every_label_has_some_annotated_calls(field):  # noqa: F811
    def is_made(labels):
        settings = TrainSettings(
            clips=field.settings(labels=labels), rules=RuleSettings(recordings_per_fold=3)
        )
        front_end = BandSettings(kind="mel", sample_rate_hz=MODEL_RATE_HZ)
        clips = field.clips(labels=labels)
        return [one.is_made for one in made_of(clips, front_end, settings, [1])]

    assert is_made({"frog": ()}) == [False] * 3 + [True] * 3
    header = "recording,start_s,end_s,label"
    frogs = [f"{line},frog" for line in lines(field.names) * 2]
    field.write([*frogs, "a.wav,5.0,5.5,owl", "b.flac,5.0,5.5,owl"], header)
    assert is_made({"frog": ()}) == [False] * 3
    assert True in is_made({"frog": (), "owl": ()})


def front_end(**more):
    return BandSettings(kind="mel", sample_rate_hz=MODEL_RATE_HZ, **more)


class TestContextWindows:
    """What windows of annotated recordings hold, and what is asked of them."""

    def maker(self, field, **more):  # noqa: F811
        clips = field.clips()
        settings = TrainSettings(clips=field.settings(), fit={"window_s": 4.096}, **more)
        return context_window_maker(clips, front_end(), settings, frame_samples=1024)

    def plain(self, field):  # noqa: F811
        """Windows as they were recorded: at their level, and nothing over them."""
        augment = {"invented_sounds": 0, "gain_low_db": 0.0, "gain_high_db": 0.0}
        return self.maker(field, augment=augment)

    def test_calls_are_asked_for_where_they_sound(self, field, monkeypatch):  # noqa: F811
        for name in ("MIX_SHARE", "FLOOR_SHARE", "MOST_SHIFT"):
            monkeypatch.setattr(context_windows, name, 0)
        x, targets = (one.numpy() for one in self.plain(field)(np.array([0, 0]), 64))
        assert x.shape == (64, 128, 48)
        assert targets.shape == (64, 32, 1)
        # The tone's own band, the mean over the feature frames of a score frame.
        centres_hz = band_centres_hz(front_end())
        tone = x[:, :, np.argmin(np.abs(centres_hz - TONE_HZ))].reshape(64, 32, 4).mean(2)
        calls, background = tone[targets[..., 0] == 1], tone[targets[..., 0] == 0]
        assert len(calls) > 100
        assert len(background) > 100
        # A frame at a call's edge holds some of both.
        assert (calls > np.median(background) + 1).mean() > 0.95
        assert (background < np.median(calls) - 1).mean() > 0.95

    def test_half_of_the_windows_are_around_a_call_and_every_recording_is_met(self, field):  # noqa: F811
        _, targets = self.maker(field)(np.array([3, 1]), 200)
        assert np.mean(np.any(targets.numpy() == 1, axis=(1, 2))) > 0.5
        assert set(np.unique(targets)) == {IGNORED, 0.0, 1.0}

    def test_the_same_seed_gives_the_same_windows(self, field):  # noqa: F811
        maker = self.maker(field)
        (x, y), (again, also), (other, _) = (maker(np.array([seed, 2]), 8) for seed in (1, 1, 2))
        np.testing.assert_array_equal(x, again)
        np.testing.assert_array_equal(y, also)
        assert not np.array_equal(x, other)

    def test_calls_of_short_recordings_reach_the_network_from_mirrors_unasked(self, field):  # noqa: F811
        write(field.season / "a.wav", chirps([(0.2, 0.7)], 1.0), RATE_HZ)
        field.write([*lines(field.names[1:]), "a.wav,0.2,0.7"])
        x, targets = self.plain(field)(np.array([5, 5]), 100)
        assert np.isfinite(x.numpy()).all()
        assert (targets.numpy() == IGNORED).mean() > 0.05


def test_a_frame_is_a_call_where_its_middle_is_and_the_shortest_call_has_one():
    calls = ((0, 0.30, 0.70), (0, 2.02, 2.03), (1, 0.0, 0.1))
    recording = KnownRecording(np.zeros(1, np.float32), calls)
    targets = frame_targets(recording, 30, 0.1, 2)
    assert np.flatnonzero(targets[:, 0] == 1).tolist() == [3, 4, 5, 6, 20]
    assert np.flatnonzero(targets[:, 1] == 1).tolist() == [0]
    # The edges of long pauses are not asked for, short ones are.
    assert np.flatnonzero(targets[:, 0] == IGNORED).tolist() == [7, 19, 21, 29]
    assert np.flatnonzero(targets[:, 1] == IGNORED).tolist() == [1, 29]
