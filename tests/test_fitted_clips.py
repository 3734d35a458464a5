"""Band and lengths that follow from clips of calls of any size and pitch."""

import numpy as np
import pytest
from audio_files import noise, write

from counter.config import validate
from counter.errors import ClipError
from training.autoconfig import fit_to_calls, resolve_settings
from training.call_facts import clip_facts
from training.settings.train_settings import TrainSettings


def call(hz, length_s, rate_hz):
    """A note that rises by a tenth, with soft edges."""
    t = np.arange(round(length_s * rate_hz)) / rate_hz
    edge = np.minimum(1, 8 * np.minimum(t, length_s - t) / length_s)
    return edge * np.sin(2 * np.pi * hz * t * (1 + 0.05 * t / length_s))


def make_clips(folder, *, hz, rate_hz, length_s, clip_s, with_call, over=3.0, n=9):
    """Clips of hiss, each at a level of its own; the call lies anywhere in them, or fills them."""
    folder.mkdir()
    rng = np.random.default_rng(len(str(folder)))
    for number in range(n):
        size = round(clip_s * rate_hz)
        sound = 0.01 * noise(size, seed=number + 50 * with_call)[:, 0]
        if with_call:
            own = over * 0.01 * call(hz, min(length_s, clip_s), rate_hz)
            start = int(rng.uniform(0, size - len(own) + 1))
            sound[start : start + len(own)] += own
        level = 10 ** rng.uniform(-0.3, 0.3)
        write(folder / f"s{number}-1.wav", (level * sound).astype(np.float32), rate_hz)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("room", [1, 6], ids=["cut closely", "cut loosely"])
@pytest.mark.parametrize(
    ("hz", "rate_hz", "length_s"),
    [(100, 4000, 2.0), (5000, 22050, 0.3), (12000, 48000, 0.05), (110000, 384000, 0.01)],
)
def test_the_band_and_the_lengths_are_those_of_the_calls(tmp_path, hz, rate_hz, length_s, room):
    how = {"hz": hz, "rate_hz": rate_hz, "length_s": length_s, "clip_s": room * length_s}
    calls = make_clips(tmp_path / "with", with_call=True, **how)
    rest = make_clips(tmp_path / "without", with_call=False, **how)
    facts = clip_facts(calls, rest)
    assert facts.n_calls == len(calls)
    assert hz / 2 < facts.low_hz < hz
    assert 1.1 * hz < facts.high_hz < 2 * hz
    assert 0.5 * length_s < facts.short_s <= facts.long_s < 1.5 * length_s
    assert facts.over_db(facts.low_hz, facts.high_hz) > 6
    assert facts.over_db(1.6 * hz, 3 * hz) < 3
    labels, background = {"frog": str(tmp_path / "with")}, str(tmp_path / "without")
    clips = {"labels": labels, "background": background}
    settings, found = fit_to_calls(TrainSettings.model_validate({"clips": clips}))
    assert found == facts
    for one in settings.models.values():
        assert (one.low_hz, one.high_hz) == (facts.low_hz, min(facts.high_hz, one.high_hz))
        assert one.sample_rate_hz >= 2 * one.high_hz
        assert 4 * one.hop_samples / one.sample_rate_hz <= max(length_s / 4, 1e-4)
    assert settings.fit.window_s > 1.5 * length_s


def test_clips_that_differ_in_nothing_have_no_band_of_their_own(tmp_path):
    how = {"hz": 1000, "rate_hz": 16000, "length_s": 0.3, "clip_s": 1.0, "with_call": False}
    facts = clip_facts(make_clips(tmp_path / "a", **how), make_clips(tmp_path / "bb", **how))
    assert facts.n_calls == 0
    assert facts.low_hz < 40
    assert facts.high_hz > 7000


def test_without_background_nothing_is_measured(tmp_path):
    how = {"hz": 1000, "rate_hz": 16000, "length_s": 0.3, "clip_s": 1.0, "with_call": True}
    assert clip_facts(make_clips(tmp_path / "a", **how), []) is None
    assert clip_facts([], []) is None


@pytest.mark.parametrize("value", [0.0, 0.3])
def test_clips_of_a_single_value_stand_out_of_nothing(tmp_path, value):
    how = {"hz": 3000, "rate_hz": 16000, "length_s": 0.3, "clip_s": 1.0}
    rest = make_clips(tmp_path / "without", with_call=False, **how)
    (tmp_path / "flat").mkdir()
    flat = [
        write(tmp_path / "flat" / f"f{number}-1.wav", np.full(16000, value, np.float32), 16000)
        for number in range(4)
    ]
    assert clip_facts(flat, rest) is None
    calls = make_clips(tmp_path / "with", with_call=True, **how)
    assert clip_facts([*calls, *flat], rest) == clip_facts(calls, rest)


def test_clips_that_do_not_decode_are_passed_over(tmp_path):
    how = {"hz": 3000, "rate_hz": 16000, "length_s": 0.3, "clip_s": 1.0}
    calls = make_clips(tmp_path / "a", with_call=True, **how)
    rest = make_clips(tmp_path / "b", with_call=False, **how)
    (tmp_path / "a" / "z-1.wav").write_text("no sound")
    assert clip_facts([*calls, tmp_path / "a" / "z-1.wav"], rest) == clip_facts(calls, rest)


def test_a_single_setting_goes_before_what_follows_from_the_calls(tmp_path, monkeypatch):
    how = {"hz": 5000, "rate_hz": 22050, "length_s": 0.3, "clip_s": 1.0}
    make_clips(tmp_path / "frog", with_call=True, **how)
    make_clips(tmp_path / "rain", with_call=False, **how)
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "mine.yaml"
    config.write_text(
        "clips: {labels: {frog: frog}, background: rain}\n"
        "models: {one: {kind: mel, high_hz: 9000, low_hz: auto}}\n"
    )
    from training.autoconfig import TrainInputs

    settings, facts = resolve_settings(config, TrainInputs())
    assert settings.models["one"].high_hz == 9000
    assert settings.models["one"].low_hz == facts.low_hz
    assert settings.models["one"].sample_rate_hz == 24000


def test_missing_folders_are_told_before_anything_is_loaded(tmp_path):
    labels = {"frog": str(tmp_path / "gone")}
    settings = validate(TrainSettings, {"clips": {"labels": labels}}, "mine.yaml")
    with pytest.raises(ClipError, match="clip folder"):
        fit_to_calls(settings)
