"""Training from annotated recordings: what is cut, under which label, and what is refused."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from audio_files import cut, noise, write
from bundles import MODEL_RATE_HZ, SMALL_NETWORK, TONE_HZ
from hypothesis import given
from hypothesis import strategies as st

from counter.audio.stream import load
from counter.bundle import read_bundle
from counter.cli.main import run
from counter.errors import CallcountError
from training.autoconfig import fit_to_calls
from training.data.annotated_clips import SHORTEST_BACKGROUND_S, background_spans
from training.data.clip_set import BACKGROUND
from training.data.clip_sources import folds, read_clips, split_sources
from training.settings.front_end_settings import BandSettings
from training.settings.train_settings import ClipSettings, TrainSettings

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
RATE_HZ = 16000
CALLS_S = ((1.0, 1.6), (3.0, 3.8), (7.5, 8.0))
DURATION_S = 10.0


def chirps(calls_s=CALLS_S, duration_s=DURATION_S, *, seed=0, hz=TONE_HZ, rate_hz=RATE_HZ):
    """Hiss with a tone wherever a call is."""
    t = np.arange(round(duration_s * rate_hz)) / rate_hz
    sound = 0.02 * noise(len(t), seed=seed)[:, 0]
    for start_s, end_s in calls_s:
        sound += ((t >= start_s) & (t < end_s)) * 0.2 * np.sin(2 * np.pi * hz * t)
    return sound.astype(np.float32)


def lines(names, calls_s=CALLS_S):
    return [f"{name},{start_s},{end_s}" for name in names for start_s, end_s in calls_s]


@pytest.fixture
def field(tmp_path):
    """Three recordings, one of them in a folder, and a table without labels."""
    names = ["a.wav", "b.flac", "deep/c.wav"]
    (tmp_path / "season" / "deep").mkdir(parents=True)
    for seed, name in enumerate(names):
        write(tmp_path / "season" / name, chirps(seed=seed), RATE_HZ)
    return Field(tmp_path, names)


class Field:
    """A folder of recordings with its table, and how they are read."""

    def __init__(self, folder, names):
        self.folder, self.names = folder, names
        self.season, self.table = folder / "season", folder / "calls.csv"
        self.write(lines(names))

    def write(self, rows, header="recording,start_s,end_s"):
        self.table.write_text("".join(f"{row}\n" for row in [header, *rows]), encoding="utf-8")

    def settings(self, **more):
        paths = {"annotations": str(self.table), "recordings": str(self.season)}
        return ClipSettings(**{**paths, "labels": {"frog": ()}, **more})

    def clips(self, rate_hz=MODEL_RATE_HZ, **more):
        return read_clips(self.settings(**more), rate_hz)

    def refusal(self, **more):
        with pytest.raises(CallcountError) as caught:
            self.clips(**more)
        assert "\n" not in str(caught.value)
        return str(caught.value)


def test_calls_are_cut_where_they_were_marked(field):
    clips = field.clips()
    assert [clip.source for clip in clips.of(0)] == [name for name in field.names for _ in CALLS_S]
    for name in field.names:
        whole, _ = load(field.season / name, MODEL_RATE_HZ)
        own = [clip for clip in clips.of(0) if clip.source == name]
        for clip, (start_s, end_s) in zip(own, CALLS_S, strict=True):
            start, stop = round(start_s * MODEL_RATE_HZ), round(end_s * MODEL_RATE_HZ)
            np.testing.assert_array_equal(clip.samples, whole[start:stop])
            assert clip.name == f"{name} {start_s:.2f}-{end_s:.2f} s"


def test_background_is_cut_away_from_calls_and_holds_none(field):
    clips = field.clips(background_s=1.5)
    assert {clip.source for clip in clips.of(BACKGROUND)} == set(field.names)
    for clip in clips.of(BACKGROUND):
        assert 0.5 <= len(clip.samples) / MODEL_RATE_HZ <= 1.5
        assert np.abs(clip.samples).max() < 0.05
    for clip in clips.of(0):
        assert np.abs(clip.samples).max() > 0.1
    # 10 s less calls of 1.9 s and six margins of 0.25 s; no pause is too short to be used.
    free_s = sum(len(clip.samples) for clip in clips.of(BACKGROUND)) / MODEL_RATE_HZ
    assert free_s == pytest.approx(len(field.names) * (DURATION_S - 1.9 - 6 * 0.25), abs=0.01)


def test_a_wider_margin_leaves_less_background(field):
    amounts = [
        sum(len(clip.samples) for clip in field.clips(margin_s=margin_s).of(BACKGROUND))
        for margin_s in (0, 0.5, 1)
    ]
    assert amounts == sorted(amounts, reverse=True)
    assert amounts[0] > amounts[2] > 0


@st.composite
def some_calls(draw):
    times = st.floats(0, 60, allow_nan=False).map(lambda value: round(value, 3))
    pairs = draw(st.lists(st.tuples(times, st.floats(0.05, 5)), max_size=12))
    return [(start_s, start_s + length_s) for start_s, length_s in pairs]


@given(some_calls(), st.floats(0, 2), st.floats(1, 10), st.floats(1, 100))
def test_pieces_keep_their_distance_and_their_length(calls, margin_s, longest_s, most_s):
    settings = ClipSettings(margin_s=margin_s, background_s=longest_s)
    pieces = background_spans(calls, 60.0, settings, most_s=most_s)
    assert pieces == sorted(pieces)
    ends_s = [0.0, *(end_s for _, end_s in pieces)]
    for (start_s, end_s), before_s in zip(pieces, ends_s, strict=False):
        assert before_s <= start_s
        assert end_s <= 60 + 1e-9
        assert SHORTEST_BACKGROUND_S - 1e-9 <= end_s - start_s <= longest_s + 1e-9
        for call_start_s, call_end_s in calls:
            apart_s = max(call_start_s - end_s, start_s - call_end_s)
            assert apart_s >= margin_s - 1e-9
    whole = background_spans(calls, 60.0, settings, most_s=1e9)
    assert set(pieces) <= set(whole)
    total_s = sum(end_s - start_s for start_s, end_s in pieces)
    assert total_s <= max(most_s + longest_s, longest_s)


@given(some_calls())
def test_what_is_far_from_all_calls_is_background(calls):
    pieces = background_spans(calls, 60.0, ClipSettings(margin_s=0.25), most_s=1e9)
    for time_s in np.arange(0.5, 60, 0.37):
        is_far = all(start_s - time_s > 0.8 or time_s - end_s > 0.8 for start_s, end_s in calls)
        # Nearer to an edge a pause may be too short to be cut.
        if is_far and 0.8 < time_s < 59.2:
            assert any(start_s <= time_s <= end_s for start_s, end_s in pieces)


def test_a_long_recording_gives_no_more_background_than_asked_for(field):
    few = field.clips(background_s=1.0, background_per_recording_s=3.0).of(BACKGROUND)
    for name in field.names:
        own = [clip for clip in few if clip.source == name]
        assert 1.5 <= sum(len(clip.samples) for clip in own) / MODEL_RATE_HZ <= 3.0


def test_a_recording_without_a_row_is_not_used_and_told(field):
    field.write(lines(field.names[:2]))
    clips = field.clips()
    assert {clip.source for clip in clips.clips} == set(field.names[:2])
    assert any(
        "without a row in" in remark and remark.endswith(", not used: 1")
        for remark in clips.remarks
    )


def test_a_recording_covered_by_calls_gives_no_background_and_is_told(field):
    rows = lines(field.names[:2]) + ["deep/c.wav,0,5", "deep/c.wav,4,10"]
    field.write(rows)
    clips = field.clips()
    assert clips.sources_of(0) == sorted(field.names)
    assert clips.sources_of(BACKGROUND) == sorted(field.names[:2])
    assert "deep/c.wav: no background between its calls" in clips.remarks


def test_a_recording_that_ends_early_loses_the_calls_after_its_end(field):
    path = write(field.season / "a.wav", chirps(), RATE_HZ, subtype="PCM_16")
    cut(path, 0.6)
    clips = field.clips()
    own = [clip for clip in clips.of(0) if clip.source == "a.wav"]
    assert len(own) == 2
    assert "a.wav ends early; annotated calls after its end: 1" in clips.remarks


def test_what_was_cut_is_told_by_numbers(field):
    (origin,) = field.clips().origins
    assert origin["annotations"] == str(field.table)
    assert origin["recordings"] == str(field.season)
    assert (origin["annotated_recordings"], origin["calls"]) == (3, 9)
    assert origin["background_s"] == pytest.approx(3 * 6.6)


class TestLabels:
    def test_those_in_the_table_are_the_labels(self, field):
        marks = zip(lines(field.names), ["frog", "toad", "frog"] * 3, strict=True)
        field.write([",".join(mark) for mark in marks], "recording,start_s,end_s,label")
        clips = field.clips(labels={})
        assert clips.labels == ("frog", "toad")
        assert [len(clips.of(label)) for label in range(2)] == [6, 3]

    def test_calls_of_another_label_are_neither_call_nor_background(self, field):
        marks = zip(lines(field.names), ["frog", "toad", "frog"] * 3, strict=True)
        field.write([",".join(mark) for mark in marks], "recording,start_s,end_s,label")
        clips = field.clips(labels={"toad": ()})
        assert len(clips.of(0)) == 3
        assert max(np.abs(clip.samples).max() for clip in clips.of(BACKGROUND)) < 0.05
        assert "annotated calls of other labels (frog), not to be counted: 6" in clips.remarks

    def test_a_label_that_no_call_has_is_told_with_those_there(self, field):
        field.write([f"{row},Frog" for row in lines(field.names)], "recording,start_s,end_s,label")
        said = field.refusal()
        assert "has no call of 'frog'; its labels are 'Frog'" in said

    def test_without_any_label_one_is_asked_for(self, field):
        assert "has no labels. Name what was marked with --label" in field.refusal(labels={})

    def test_without_labels_there_can_be_one_only(self, field):
        said = field.refusal(labels={"frog": (), "toad": ()})
        assert "has no labels, but there are several: frog, toad" in said

    def test_labels_in_some_rows_alone_are_an_error_with_the_row(self, field):
        rows = [f"{row},frog" for row in lines(field.names)]
        field.write([*rows, "a.wav,9,9.5,"], "recording,start_s,end_s,label")
        assert re.search(r"calls\.csv, row 11: no label, but other rows", field.refusal())


class TestWithClipFolders:
    @pytest.fixture
    def folders(self, tmp_path):
        for folder in ("frog", "rain"):
            (tmp_path / folder).mkdir()
            for seed, name in enumerate(["x-1", "y-1"]):
                write(tmp_path / folder / f"{name}.wav", noise(8000, seed=seed), RATE_HZ)
        return {"labels": {"frog": str(tmp_path / "frog")}, "background": str(tmp_path / "rain")}

    def test_both_are_joined(self, field, folders):
        clips = field.clips(**folders)
        assert clips.labels == ("frog",)
        assert clips.sources_of(0) == sorted(["x", "y", *field.names])
        assert len(clips.of(0)) == 2 + 9
        assert len(clips.origins) == 1

    def test_clips_named_after_a_recording_are_one_source_with_what_is_cut_from_it(
        self, field, folders, tmp_path
    ):
        write(tmp_path / "frog" / "c-7.wav", noise(8000), RATE_HZ)
        clips = field.clips(**folders)
        assert clips.sources_of(0) == ["a.wav", "b.flac", "c", "x", "y"]
        assert {clip.name for clip in clips.of(0) if clip.source == "c"} > {"c-7.wav"}

    def test_folders_of_the_defaults_are_not_asked_for(self, field):
        settings = ClipSettings(annotations=str(field.table), recordings=str(field.season))
        assert settings.labels == {}
        assert settings.background == ()
        default = ClipSettings()
        assert default.labels
        assert default.background


SHORT = "a.wav,2,2.0002"
BAD_ROWS = {
    "unknown name": (["z.wav,1,2"], "names 1 recording that are not here: z.wav (row 2)"),
    "ends first": (["a.wav,1,2", "a.wav,2,1.5"], "row 3: the call ends at 1.5 s, before it"),
    "beyond": (["a.wav,1,2", "b.flac,9,10.6"], "row 3: ends at 10.6 s, but b.flac is only 10"),
    "too short": ([SHORT], "row 2: 0.0002 s long, at least 0.0005 s are needed"),
    "points": (["a.wav,2,2", "b.flac,3,3"], "2 of 2 marks in"),
    "many odd ones": (
        [*lines(["a.wav", "b.flac"]), SHORT, "b.flac,3,3"],
        "2 of 8 marks in",
    ),
    "no row": ([], "holds no call"),
    "one call": (["a.wav,1,2"], "label 'frog' has 1 source(s)"),
    "no background": (
        ["a.wav,0,10", "b.flac,0,10", "deep/c.wav,1,2"],
        "background has 1 source(s)",
    ),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_table_that_does_not_serve_is_one_clear_line(field, case):
    rows, says = BAD_ROWS[case]
    field.write(rows)
    assert says in field.refusal()


@pytest.mark.parametrize("odd", [SHORT, "a.wav,2,2", "b.flac,9,10.6"])
def test_one_odd_mark_is_left_out_and_named(field, odd):
    field.write([*lines(field.names), odd, "a.wav,9,9.5"])
    clips = field.clips()
    assert len(clips.of(0)) == 10
    (said,) = (one for one in clips.remarks if "cannot be calls" in one)
    assert "left out: 1 of 11" in said
    assert "calls.csv, row 11: " in said


def test_short_calls_that_are_close_leave_background_at_their_own_scale(field):
    calls_s = [(0.2 * n + 0.05, 0.2 * n + 0.1) for n in range(45)]
    for seed, name in enumerate(field.names):
        write(field.season / name, chirps(calls_s, 9.0, seed=seed), RATE_HZ)
    field.write(lines(field.names, calls_s))
    background = field.clips().of(BACKGROUND)
    assert {clip.source for clip in background} == set(field.names)
    for clip in background:
        assert 0.05 <= len(clip.samples) / MODEL_RATE_HZ <= 0.1
        assert np.abs(clip.samples).max() < 0.05


def test_recordings_that_do_not_decode_are_named_and_too_many_refused(field):
    (field.season / "b.flac").write_text("no sound")
    said = field.refusal()
    assert "1 of 3 recordings cannot be used" in said
    assert "b.flac: not sound" in said
    names = [f"more{n}.wav" for n in range(8)]
    for seed, name in enumerate(names):
        write(field.season / name, chirps(seed=seed + 5), RATE_HZ)
    field.write(lines([*field.names, *names]))
    clips = field.clips()
    assert [(Path(one.path).name, "not sound" in one.reason) for one in clips.broken] == [
        ("b.flac", True)
    ]
    assert clips.sources_of(0) == sorted({*field.names, *names} - {"b.flac"})


def test_samples_that_are_no_numbers_are_taken_as_a_scan_takes_them(field):
    sound = chirps()
    sound[20000] = np.nan
    write(field.season / "a.wav", sound, RATE_HZ, subtype="FLOAT")
    clips = field.clips()
    assert all(np.isfinite(clip.samples).all() for clip in clips.clips)
    assert "a.wav" in clips.sources_of(0)


@pytest.mark.parametrize("n_recordings", [2, 3, 4, 5, 6, 9])
def test_few_recordings_serve_every_class_on_every_side(tmp_path, n_recordings):
    names = [f"r{n}.wav" for n in range(n_recordings)]
    (tmp_path / "season").mkdir()
    for seed, name in enumerate(names):
        write(tmp_path / "season" / name, chirps(seed=seed), RATE_HZ)
    # As in the field, some recordings hold many calls and some few.
    few_or_many = [
        row for n, name in enumerate(names) for row in lines([name], CALLS_S[: n % 3 + 1])
    ]
    field = Field(tmp_path, names)
    field.write(few_or_many)
    settings, clips = field.settings(), field.clips()
    for seed in range(5):
        split = split_sources(clips, settings, seed)
        assert sorted((*split.train, *split.validation, *split.test)) == names
        for side in (split.train, split.validation):
            assert all(clips.subset(side).of(label) for label in clips.classes())
        # So few that a test would cost a sixth of them: cross-validation judges the model.
        assert len(split.test) == (1 if n_recordings > 6 else 0)
        pairs = folds(clips, 3, seed)
        assert sorted(name for _, held_out in pairs for name in held_out) == names
        for sides in pairs:
            for side in sides:
                assert all(clips.subset(side).of(label) for label in clips.classes())


class TestSuited:
    """Bands, rates and windows that follow from what was marked."""

    def settings(self, field, **more):
        return TrainSettings(clips=field.settings(), **more)

    def remade(self, field, *, hz, rate_hz, calls_s=CALLS_S):
        for seed, name in enumerate(field.names):
            sound = chirps(calls_s, seed=seed, hz=hz, rate_hz=rate_hz)
            write(field.season / name, sound, rate_hz)
        field.write(lines(field.names, calls_s))

    @pytest.mark.parametrize(
        ("hz", "rate_hz", "model_rate_hz"),
        [(300, 8000, 2000), (1500, 44100, 4000), (9000, 48000, 32000)],
    )
    def test_the_band_holds_the_calls_and_the_rate_the_band(
        self, field, hz, rate_hz, model_rate_hz
    ):
        self.remade(field, hz=hz, rate_hz=rate_hz)
        settings, facts = fit_to_calls(self.settings(field))
        assert facts.n_calls == 9
        for kind, one in settings.models.items():
            assert one.kind == kind
            assert hz / 2 < one.low_hz < hz < one.high_hz < 2 * hz
            assert one.sample_rate_hz == model_rate_hz
        assert read_clips(settings.clips, model_rate_hz).sample_rate_hz == model_rate_hz

    def test_the_band_that_was_marked_goes_before_the_one_that_is_heard(self, field):
        self.remade(field, hz=2000, rate_hz=16000)
        header = "recording,start_s,end_s,low_hz,high_hz"
        field.write([f"{line},1200,5000" for line in lines(field.names)], header)
        _, facts = fit_to_calls(self.settings(field))
        assert (facts.low_hz, facts.high_hz) == (1000.0, 5800.0)
        few = [f"{line},1200,5000" for line in lines(field.names[:1])]
        field.write([*few, *(f"{line},," for line in lines(field.names[1:]))], header)
        _, facts = fit_to_calls(self.settings(field))
        assert 1500 < facts.low_hz < 2000 < facts.high_hz < 3000

    def test_short_calls_have_short_frames_and_long_ones_long_windows(self, field):
        found = []
        for length_s in (0.06, 0.3, 2.0):
            self.remade(
                field, hz=2000, rate_hz=16000, calls_s=[(1, 1 + length_s), (5, 5 + length_s)]
            )
            settings, _ = fit_to_calls(self.settings(field))
            one = settings.models["mel"]
            frame_s = 4 * one.hop_samples / one.sample_rate_hz
            assert frame_s <= max(length_s / 6, 0.0161)
            assert settings.fit.window_s > length_s
            found.append((frame_s, settings.fit.window_s))
        assert found == sorted(found)

    def assert_left(self, settings):
        found, facts = fit_to_calls(settings)
        assert facts is None
        assert (found.models, found.fit.window_s) == (settings.models, settings.fit.window_s)

    def test_what_is_given_goes_before(self, field):
        self.remade(field, hz=2500, rate_hz=16000, calls_s=[(0.5, 4.5)])
        mine = {"mine": BandSettings(kind="mel", low_hz=500)}
        settings, facts = fit_to_calls(self.settings(field, models=mine))
        assert settings.models["mine"].low_hz == 500
        assert settings.models["mine"].high_hz < 3500
        assert facts is not None
        assert settings.fit.window_s != TrainSettings().fit.window_s
        whole = {"mine": BandSettings.model_validate(BandSettings(kind="mel").model_dump())}
        self.assert_left(self.settings(field, models=whole, fit={"window_s": 3.0}))

    def test_where_no_call_can_be_heard_all_that_is_recorded_is_listened_to(self, field):
        for seed, name in enumerate(field.names):
            write(field.season / name, chirps([], seed=seed), RATE_HZ)
        settings, facts = fit_to_calls(self.settings(field))
        assert facts.n_calls == 0
        one = settings.models["mel"]
        assert one.low_hz < 40
        assert one.high_hz > 0.8 * RATE_HZ / 2

    def test_a_network_of_windows_is_left_as_it_is(self, field):
        self.assert_left(self.settings(field, network={"kind": "cnn-2d"}))

    @pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not here")
    def test_the_screaming_piha_is_heard_whole(self):
        piha = SHARED / "piha"
        clips = ClipSettings(annotations=str(piha / "truth.csv"), recordings=str(piha))
        settings, facts = fit_to_calls(TrainSettings(clips=clips))
        assert facts.n_calls > 100
        # Its notes lie near 1 kHz, its song between 1.3 and 5.5 kHz.
        one = settings.models["mel"]
        assert one.low_hz < 800
        assert 5500 < one.high_hz < 8000
        assert settings.fit.window_s > 2.2


def settings_of(monkeypatch, folder, *arguments):
    """Settings as the command reads them, from a folder of the user's own."""
    monkeypatch.chdir(folder)
    taken = []
    monkeypatch.setattr("training.run.train_all", lambda settings, *_, **__: taken.append(settings))
    monkeypatch.setattr("counter.cli.train.print_result", lambda result: None)
    assert run(["train", *map(str, arguments)]) == 0
    return taken[0]


class TestCommand:
    def annotated(self, field):
        return ["--annotations", field.table, "--recordings", field.season]

    def test_flags_are_settings_and_the_label_names_the_run(self, field, monkeypatch, capsys):
        given = [*self.annotated(field), "--label", "tree frog"]
        settings = settings_of(monkeypatch, field.folder, *given)
        assert settings.clips.annotations == str(field.table)
        assert settings.clips.recordings == str(field.season)
        assert (settings.name, settings.clips.labels) == ("tree_frog", {"tree frog": ()})
        assert settings.clips.background == ()
        assert "Suited to 9 calls that stand out" in capsys.readouterr().err

    def test_a_band_without_the_calls_is_warned_of(self, field, monkeypatch, capsys):
        given = [*self.annotated(field), "--label", "frog"]
        settings_of(monkeypatch, field.folder, *given)
        assert "can hardly hear them" not in capsys.readouterr().err
        config = field.folder / "deaf.yaml"
        config.write_text("models: {mel: {kind: mel, low_hz: 3000, high_hz: 6000}}")
        settings = settings_of(monkeypatch, field.folder, *given, "--config", config)
        assert (settings.models["mel"].low_hz, settings.models["mel"].high_hz) == (3000, 6000)
        said = " ".join(capsys.readouterr().err.split())
        assert "stand out by less than 3 dB, so the model can hardly hear them" in said

    def test_without_a_label_the_table_names_the_run_and_its_labels_count(self, field, monkeypatch):
        settings = settings_of(monkeypatch, field.folder, *self.annotated(field))
        assert (settings.name, settings.clips.labels) == ("calls", {})

    def test_the_defaults_in_a_checkout_are_no_choice(self, field, monkeypatch):
        from write_default_config import default_config

        plain = settings_of(monkeypatch, field.folder, *self.annotated(field))
        (field.folder / "configs").mkdir()
        path = field.folder / "configs" / "default.yaml"
        path.write_text(default_config())
        assert settings_of(monkeypatch, field.folder, *self.annotated(field)) == plain
        # What a user changed there is one.
        path.write_text(default_config().replace("window_s: auto", "window_s: 3.5"))
        settings = settings_of(monkeypatch, field.folder, *self.annotated(field))
        assert settings.fit.window_s == 3.5
        assert settings.models == plain.models

    def test_clip_folders_and_recordings_are_joined(self, field, monkeypatch):
        more = ["--positive", "clips/frog", "--negative", "clips/rain"]
        settings = settings_of(monkeypatch, field.folder, *self.annotated(field), *more)
        assert settings.clips.labels == {"frog": ("clips/frog",)}
        assert settings.clips.background == ("clips/rain",)
        assert settings.name == "frog"

    def test_a_config_says_all_that_flags_say(self, field, monkeypatch):
        clips = {"annotations": str(field.table), "recordings": str(field.season)}
        config = field.folder / "mine.yaml"
        config.write_text(yaml.safe_dump({"name": "frogs", "clips": {**clips, "margin_s": 0.5}}))
        settings = settings_of(monkeypatch, field.folder, "--config", config, "--label", "frog")
        assert (settings.name, settings.clips.margin_s) == ("frogs", 0.5)
        assert settings.clips.labels == {"frog": ()}

    @pytest.mark.parametrize(
        ("flags", "says"),
        [
            (["--annotations", "calls.csv"], "give the folder of the recordings that calls.csv is"),
            (["--recordings", "season"], "give annotations too: a table of the calls"),
            (["--annotations", "gone.csv", "--recordings", "season"], "no annotations at gone.csv"),
            (["--annotations", "calls.csv", "--recordings", "seasons"], "Did you mean season?"),
            (["--annotations", "calls.csv", "--recordings", "empty"], "no recordings in empty"),
            (["--label", "frog"], "--label names what --positive or --annotations holds"),
        ],
    )
    def test_what_is_missing_is_one_clear_line_and_nothing_is_left(
        self, field, monkeypatch, capsys, flags, says
    ):
        (field.folder / "empty").mkdir()
        monkeypatch.chdir(field.folder)
        before = sorted(field.folder.rglob("*"))
        assert run(["train", *flags]) == 2
        said = capsys.readouterr().err.rstrip("\n").splitlines()[-1]
        assert said.startswith("Error: ")
        assert says in said
        assert sorted(field.folder.rglob("*")) == before


@pytest.mark.slow
def test_training_on_annotated_recordings_leaves_a_model_that_says_so(field, capsys, monkeypatch):
    # No model is good enough for this one.
    monkeypatch.setattr("training.report.trust.LEAST_F1", 2.0)
    (field.season / "never.wav").write_text("no sound, and no row")
    config = field.folder / "tiny.yaml"
    config.write_text(
        yaml.safe_dump(
            {
                "models": {"mel": {"kind": "mel", "n_bands": 24}},
                "network": SMALL_NETWORK.model_dump(),
                "fit": {"epochs": 2, "windows_per_epoch": 64, "batch_size": 16},
                "rules": {"folds": 2, "recordings_per_fold": 4, "recording_s": 20},
            }
        )
    )
    given = ["--annotations", field.table, "--recordings", field.season, "--label", "frog"]
    output = field.folder / "artifacts"
    assert run([*map(str, ["train", *given, "--config", config, "-o", output])]) == 1
    said = capsys.readouterr()
    assert "without a row in" in said.out
    assert "Warning: do not count with this yet: of " in said.err
    scanned = ["scan", field.season / "a.wav", "--model", output / "frog", "-o", output / "r.csv"]
    assert run([*map(str, [*scanned, "--no-plots"])]) == 0
    assert "Warning: do not count with this yet: of " in capsys.readouterr().err
    spec = read_bundle(output / "frog").spec
    assert "## Before you count with it" in (output / "frog" / "model_card.md").read_text()
    assert spec.labels == ("frog",)
    (origin,) = spec.provenance["origins"]
    assert (origin["annotations"], origin["calls"]) == (str(field.table), 9)
    told = [
        output / "frog" / "model_card.md",
        output / "frog" / "mel" / "classification_report.txt",
    ]
    for path in told:
        text = path.read_text().replace("\\", "")
        assert f"annotations: {field.table}, recordings: {field.season}" in text
        assert "annotated recordings: 3, calls: 9" in text
