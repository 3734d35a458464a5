"""Annotated recordings as sound with known calls, and when the rules are learned on them alone."""

from dataclasses import replace

import numpy as np
import pytest
from audio_files import write
from bundles import MODEL_RATE_HZ, TONE_HZ
from test_cuts import CALLS_S, RATE_HZ, chirps, field, lines  # noqa: F401

from training.augment import soundscapes as annotated
from training.augment.soundscapes import recordings_of
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
    found = recordings_of(field.settings(), field.clips())
    assert len(found) == len(field.names)
    for one in found:
        assert not one.is_made
        assert np.allclose([call[1:] for call in one.calls], CALLS_S)
        inside = sounding(one.samples)
        for _, start_s, end_s in one.calls:
            assert (
                inside[round(start_s * MODEL_RATE_HZ) : round(end_s * MODEL_RATE_HZ)].mean() > 0.8
            )


def test_only_recordings_that_the_clips_were_cut_from_are_taken(field):  # noqa: F811
    clips = field.clips()
    assert len(recordings_of(field.settings(), clips.subset(field.names[:1]))) == 1
    renamed = replace(clips, clips=tuple(replace(c, source="c") for c in clips.clips))
    assert len(recordings_of(field.settings(), renamed)) == 1
    assert recordings_of(field.settings(), clips.subset([])) == []


def test_without_annotations_there_are_none(field):  # noqa: F811
    assert recordings_of(ClipSettings(), field.clips()) == []


def test_a_long_recording_is_taken_from_before_its_first_call_and_cuts_none(
    field,  # noqa: F811
    monkeypatch,
):
    monkeypatch.setattr(annotated, "LONGEST_S", 40.0)
    calls_s = ((100.0, 101.0), (109.5, 111.0), (130.0, 131.0))
    write(field.season / "a.wav", chirps(calls_s, 150.0), RATE_HZ)
    field.write(lines(["a.wav"], calls_s) + lines(field.names[1:]))
    long = recordings_of(field.settings(), field.clips().subset(["a.wav"]))[0]
    assert np.allclose([call[1:] for call in long.calls], [(30.0, 31.0)])
    assert len(long.samples) == pytest.approx(39.5 * MODEL_RATE_HZ, abs=2)


def test_no_recordings_are_made_where_every_label_has_many_annotated_calls(field):  # noqa: F811
    def is_made(labels):
        settings = TrainSettings(
            clips=field.settings(labels=labels), rules=RuleSettings(recordings_per_fold=3)
        )
        front_end = BandSettings(kind="mel", sample_rate_hz=MODEL_RATE_HZ)
        clips = field.clips(labels=labels)
        return [one.is_made for one in made_of(clips, front_end, settings, [1])]

    assert is_made({"frog": ()}) == [False] * 3 + [True] * 3
    header = "recording,start_s,end_s,label"
    frogs = [f"{line},frog" for line in lines(field.names) * 4]
    field.write([*frogs, "a.wav,5.0,5.5,owl", "b.flac,5.0,5.5,owl"], header)
    assert is_made({"frog": ()}) == [False] * 3
    assert True in is_made({"frog": (), "owl": ()})
