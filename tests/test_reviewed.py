"""Mined clips that a person labelled: the table read back, trained on, and what that changed."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import soundfile as sf
import yaml
from audio_files import write
from bundles import FRONT_END, MODEL_RATE_HZ, calls, restless
from hypothesis import given
from hypothesis import strategies as st
from outcomes import refusal, rows_of

from counter.bundle import read_bundle
from counter.cli.main import run
from counter.errors import CallcountError
from counter.events.rules import EventRules
from counter.mining.mine_table import read_review
from counter.timebase import Timebase
from training.data.clip_set import BACKGROUND, Asked, Clip, ClipSet, covers
from training.data.clip_sources import folds, read_clips
from training.rule_learning import CountError, Learned
from training.settings.train_settings import ClipSettings, TrainSettings
from training.validation.cross_fit import cross_fit
from training.validation.review_effect import ReviewedScores, changes, clip_table

DURATION_S = 60.0
TONES_S = {"a.wav": (5.0, 20.0, 40.0), "b.wav": (8.0, 30.0), "c.wav": (12.0,), "d.wav": ()}
CLIPS = 8


@pytest.fixture(scope="session")
def mined(tone_bundle, tmp_path_factory):
    """A folder that ``callcount mine`` left; its candidates are tones, and noise."""
    folder = tmp_path_factory.mktemp("mined")
    for seed, (name, starts_s) in enumerate(TONES_S.items()):
        sound = calls(DURATION_S, starts_s, seed=seed)
        (folder / "rec").mkdir(exist_ok=True)
        write(folder / "rec" / name, sound, MODEL_RATE_HZ, subtype="PCM_16")
    arguments = ["-n", str(CLIPS), "-o", str(folder / "m"), "--model", str(tone_bundle.path)]
    assert run(["mine", str(folder / "rec"), *arguments]) == 0
    return folder / "m"


def says(row):
    return "tone" if row["kind"] != "near miss" else "none"


def fill(folder, answer=says, **dialect):
    """Fill in the table; an answer is a label, or a dict of cells."""
    rows = rows_of(folder / "mine.csv")
    for row in rows:
        told = answer(row)
        row |= told if isinstance(told, dict) else {"label": told}
    with (folder / "mine.csv").open("w", newline="", encoding="utf-8-sig") as file:
        out = csv.DictWriter(file, rows[0], **dialect)
        out.writeheader()
        out.writerows(rows)
    return rows


@pytest.fixture
def folder(mined, tmp_path):
    """A copy of one's own."""
    return shutil.copytree(mined, tmp_path / "m")


def of_row(number, told, other=""):
    """Answers that give one row, counted from 1, what is told, and the others something else."""

    def answer(row):
        return told if row["clip"].startswith(f"clips/{number:04d}-") else other

    return answer


class TestTable:
    def test_what_was_written_comes_back(self, folder):
        rows = fill(folder)
        review = read_review(folder)
        assert (len(review.answers), review.n_open, review.n_unsure) == (CLIPS, 0, 0)
        for row, answer in zip(rows, review.answers, strict=True):
            span_s = (float(row["call_start_s"]), float(row["call_end_s"]))
            assert answer.path == folder / row["clip"]
            assert answer.mined.recording == row["recording"]
            if row["label"] == "tone":
                assert answer.label == "tone"
                assert (answer.start_s, answer.end_s) == span_s
            else:
                assert answer.label == ""
                assert answer.start_s <= span_s[0] < span_s[1] <= answer.end_s

    @pytest.mark.parametrize("word", ["none", "None", " NONE ", "background", "Background"])
    def test_words_for_no_call(self, folder, word):
        fill(folder, of_row(2, word))
        (answer,) = read_review(folder).answers
        assert answer.label == ""

    def test_what_is_filled_in_is_used_and_the_rest_counted(self, folder):
        fill(folder, lambda row: {"0001": "tone", "0002": "Unsure"}.get(row["clip"][6:10], ""))
        review = read_review(folder)
        assert (len(review.answers), review.n_unsure, review.n_open) == (1, 1, CLIPS - 2)

    def test_rows_may_be_sorted_lost_and_parted_as_spreadsheets_do(self, folder):
        def german(row):
            times = {key: row[key].replace(".", ",") for key in ("call_start_s", "call_end_s")}
            return {"label": says(row), **times}

        before = fill(folder)
        plain = {one.path: one for one in read_review(folder).answers}
        fill(folder, german, delimiter=";")
        head, *lines = (folder / "mine.csv").read_text(encoding="utf-8-sig").splitlines()
        text = "\n".join([head, *sorted(lines, reverse=True)[1:]])
        (folder / "mine.csv").write_text(text, encoding="utf-8")
        review = read_review(folder)
        assert len(review.answers) == len(before) - 1
        assert review.n_open == 1
        for one in review.answers:
            other = plain[one.path]
            assert (one.label, one.start_s, one.end_s) == (other.label, other.start_s, other.end_s)

    def test_times_may_be_corrected(self, folder):
        fill(folder, of_row(1, {"label": "tone", "call_start_s": "2.5", "call_end_s": "4"}))
        (answer,) = read_review(folder).answers
        assert (answer.start_s, answer.end_s) == (2.5, 4.0)


class TestBadTable:
    @pytest.mark.parametrize(
        ("told", "message"),
        [
            ({"call_start_s": "soon"}, "call_start_s 'soon' is no number"),
            ({"call_end_s": ""}, "call_end_s '' is no number"),
            ({"call_end_s": "nan"}, ".* to nan s is no stretch of its clip"),
            ({"call_start_s": "-1"}, "-1 to .* s is no stretch of its clip"),
            ({"call_end_s": "99"}, ".* to 99 s is no stretch of its clip, which is .* s long"),
            ({"call_start_s": "4", "call_end_s": "3"}, "4 to 3 s is no stretch"),
            ({"clip": "clips/other.flac"}, "'clips/other.flac' is no clip of this folder"),
        ],
    )
    def test_a_row_that_cannot_be_used_is_named(self, folder, told, message):
        fill(folder, of_row(3, {"label": "tone", **told}, other="none"))
        with pytest.raises(CallcountError, match=rf"mine\.csv, row 4: {message}"):
            read_review(folder)

    def test_a_row_that_is_not_used_may_say_anything(self, folder):
        fill(folder, of_row(3, {"label": "unsure", "call_start_s": "?"}, other="none"))
        assert len(read_review(folder).answers) == CLIPS - 1

    def test_a_clip_that_is_gone(self, folder):
        rows = fill(folder)
        (folder / rows[1]["clip"]).unlink()
        with pytest.raises(CallcountError, match=rf"row 3: there is no clip .*{rows[1]['clip']}"):
            read_review(folder)

    def test_a_clip_twice(self, folder):
        fill(folder)
        lines = (folder / "mine.csv").read_text(encoding="utf-8-sig").splitlines()
        (folder / "mine.csv").write_text("\n".join([*lines, lines[1]]), encoding="utf-8")
        with pytest.raises(CallcountError, match=rf"row {CLIPS + 2}: .* stands there twice"):
            read_review(folder)

    def test_nothing_filled_in(self, folder):
        with pytest.raises(CallcountError, match="is not filled in: no row of 8 says what it is"):
            read_review(folder)

    @pytest.mark.parametrize(
        ("name", "message"),
        [("mine.csv", "holds no mine.csv"), ("mine.json", "has to stay there")],
    )
    def test_a_file_that_is_missing(self, folder, name, message):
        fill(folder)
        (folder / name).unlink()
        with pytest.raises(CallcountError, match=message):
            read_review(folder)

    def test_files_of_another_kind(self, folder):
        fill(folder)
        (folder / "mine.csv").write_text("a,b\n1,2\n", encoding="utf-8")
        with pytest.raises(CallcountError, match="has no column clip"):
            read_review(folder)
        (folder / "mine.json").write_text('{"made_by": "someone"}', encoding="utf-8")
        with pytest.raises(CallcountError, match="was not made by callcount"):
            read_review(folder)


TINY = {
    "name": "tone",
    "network": {"channels": (4, 4, 4), "head_channels": 8},
    "fit": {"epochs": 2, "windows_per_epoch": 64, "batch_size": 16, "window_s": 2.048},
    "rules": {"folds": 2, "recordings_per_fold": 6, "recording_s": 20},
    "models": {"mel": {"kind": "mel", "n_bands": 24}},
}


@pytest.fixture
def clip_folders(tmp_path):
    """Three sources with the tone, and three without."""
    for seed, source in enumerate("xyz"):
        for number in (1, 2):
            for kind, starts_s in (("tone", (0.0,)), ("noise", ())):
                (tmp_path / "clips" / kind).mkdir(parents=True, exist_ok=True)
                sound = calls(1.5, starts_s, seed=10 * seed + number)
                path = tmp_path / "clips" / kind / f"{source}{kind}-{number}.wav"
                write(path, sound, MODEL_RATE_HZ, subtype="PCM_16")
    return tmp_path / "clips"


def settings_of(clip_folders, *reviewed, **more):
    labels = more.pop("labels", {"tone": str(clip_folders / "tone")})
    background = str(clip_folders / "noise")
    return ClipSettings(labels=labels, background=background, reviewed=reviewed, **more)


def mined_clips(clip_set):
    return [clip for clip in clip_set.clips if clip.asked is not None]


class TestClips:
    def test_calls_and_background_are_cut_out_of_the_clips(self, folder, clip_folders):
        rows = fill(folder)
        clip_set = read_clips(settings_of(clip_folders, str(folder)), MODEL_RATE_HZ)
        found = mined_clips(clip_set)
        plain = read_clips(settings_of(clip_folders), MODEL_RATE_HZ)
        assert len(clip_set.clips) == len(plain.clips) + len(found)
        assert len(found) == len(rows)
        for row, clip in zip(rows, found, strict=True):
            assert clip.source == row["recording"]
            whole, _ = sf.read(folder / row["clip"], dtype="float32")
            np.testing.assert_array_equal(clip.asked.samples, whole)
            span = [round(float(row[x]) * MODEL_RATE_HZ) for x in ("call_start_s", "call_end_s")]
            if row["label"] == "tone":
                assert clip.label == 0
                np.testing.assert_array_equal(clip.samples, whole[span[0] : span[1]])
            else:
                assert clip.label == BACKGROUND
                assert len(clip.samples) >= span[1] - span[0]
            assert clip.asked.was_counted == (row["kind"] != "near miss")
        (origin,) = clip_set.origins
        said = [row["label"] for row in rows]
        counts = (said.count("tone"), said.count("none"), 0)
        assert (origin["calls_of_tone"], origin["no_call"], origin["unsure"]) == counts
        assert origin["mined_by"] == "made"
        assert clip_set.remarks == ()

    def test_a_table_filled_in_half_is_used_and_said(self, folder, clip_folders):
        fill(folder, lambda row: {"0001": "tone", "0002": "unsure"}.get(row["clip"][6:10], ""))
        clip_set = read_clips(settings_of(clip_folders, str(folder)), MODEL_RATE_HZ)
        assert len(mined_clips(clip_set)) == 1
        (remark,) = clip_set.remarks
        assert f"1 of {CLIPS} clips are used; 1 are unsure, {CLIPS - 2} not filled in" in remark

    def test_several_folders(self, folder, clip_folders, tmp_path):
        fill(folder)
        other = shutil.copytree(folder, tmp_path / "again")
        both = read_clips(settings_of(clip_folders, str(folder), str(other)), MODEL_RATE_HZ)
        assert len(mined_clips(both)) == 2 * CLIPS
        assert {clip.source for clip in mined_clips(both)} <= set(TONES_S)

    def test_what_comes_from_one_recording_is_one_source(self, folder, clip_folders, tmp_path):
        fill(folder)
        for number in (1, 2):
            sound = calls(1.5, (0.0,), seed=number)
            write(clip_folders / "tone" / f"b-{number}.wav", sound, MODEL_RATE_HZ)
        rec = tmp_path / "all" / "rec"
        shutil.copytree(folder.parent / "m", tmp_path / "kept")
        rec.mkdir(parents=True)
        for seed, (name, starts_s) in enumerate(TONES_S.items()):
            write(rec / name, calls(DURATION_S, starts_s, seed=seed), MODEL_RATE_HZ)
        table = tmp_path / "truth.csv"
        lines = [f"rec/{x},{s},{s + 1.5},tone" for x, all_s in TONES_S.items() for s in all_s]
        table.write_text("\n".join(["recording,start_s,end_s,label", *lines]), encoding="utf-8")
        marked = {"annotations": str(table), "recordings": str(tmp_path / "all")}
        clip_set = read_clips(settings_of(clip_folders, str(folder), **marked), MODEL_RATE_HZ)
        sources = {clip.source for clip in mined_clips(clip_set)}
        # Named by the folder of clips, by the annotated folder, and by the mined one alone.
        assert sources <= {"b", "rec/a.wav", "rec/c.wav", "d.wav"}
        assert {"b", "rec/a.wav"} <= sources

    def test_a_clip_that_does_not_decode_is_named_and_skipped(self, folder, clip_folders):
        rows = fill(folder)
        (folder / rows[0]["clip"]).write_text("no sound")
        with pytest.raises(CallcountError, match="1 of 8 reviewed clips cannot be used"):
            read_clips(settings_of(clip_folders, str(folder)), MODEL_RATE_HZ)


class TestBadInput:
    def train(self, clip_folders, *more):
        given = ["--positive", clip_folders / "tone", "--negative", clip_folders / "noise"]
        return run(["train", *map(str, [*given, "-o", clip_folders.parent / "out", *more])])

    @pytest.mark.parametrize(
        ("told", "message"),
        [
            ("tome", "row 3: label 'tome' (did you mean 'tone'?) is none of those to train on"),
            ("nonne", "did you mean 'none'?"),
            ("frog", "label 'frog' is none of those to train on: tone. Write one of them, `none`"),
            (
                {"label": "tone", "call_start_s": "1", "call_end_s": "1.0002"},
                "row 3: the call is 0.0002 s long; at least 0.0005 s are needed",
            ),
        ],
    )
    def test_answers_that_cannot_be_trained_on(self, folder, clip_folders, capsys, told, message):
        fill(folder, of_row(2, told, other="none"))
        assert self.train(clip_folders, "--reviewed", folder) == 2
        assert message in refusal(capsys)
        assert not (clip_folders.parent / "out").exists()

    def test_a_slip_is_no_new_label_of_annotated_recordings(self, folder, tmp_path, capsys):
        fill(folder, of_row(2, "tome", other="none"))
        (tmp_path / "rec").mkdir()
        lines = ["recording,start_s,end_s,label"]
        for seed, name in enumerate("pq"):
            write(tmp_path / "rec" / f"{name}.wav", calls(20.0, (5.0,), seed=seed), MODEL_RATE_HZ)
            lines.append(f"{name},5,6.5,tone")
        (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
        given = ["--annotations", tmp_path / "t.csv", "--recordings", tmp_path / "rec"]
        arguments = [*given, "--reviewed", folder, "-o", tmp_path / "out"]
        assert run(["train", *map(str, arguments)]) == 2
        assert "label 'tome' (did you mean 'tone'?)" in refusal(capsys)

    def test_folders_that_hold_nothing_to_train_on(self, folder, clip_folders, tmp_path, capsys):
        for path, message in (
            (tmp_path / "gone", "holds no mine.csv"),
            (folder, "is not filled in"),
        ):
            assert self.train(clip_folders, "--reviewed", path) == 2
            assert message in refusal(capsys)


@given(st.tuples(*[st.floats(0, 50)] * 4))
def test_an_event_is_that_of_a_stretch_both_ways(edges_s):
    event, span = sorted(edges_s[:2]), sorted(edges_s[2:])
    assert covers(event, span) == covers(span, event)
    assert covers(span, span)
    apart = (span[1] + 1, span[1] + 2)
    assert not covers(apart, (span[0], span[1] + 0.25))


RULES = EventRules(threshold=0.5, release=0.4, smooth_s=0, gap_s=0.2, min_duration_s=0.2)
TENTH = Timebase(1000, 100)


def heard(label, frames, *, was_counted, span_s=(3.0, 4.0), candidate="tone"):
    """A clip of 7 s with the label told, scored 0.9 in some frames of a tenth of a second."""
    scores = np.full((70, 2), 0.1, np.float32)
    scores[frames[0] : frames[1], 1] = 0.9
    asked = Asked(
        bundle="old",
        count_error=0.5,
        recording="r.wav",
        candidate=candidate,
        span_s=span_s,
        was_counted=was_counted,
        score=0.6,
        samples=np.zeros(7000, np.float32),
    )
    return ReviewedScores("c", label, asked, scores)


def test_what_changed_is_counted_by_what_the_person_heard():
    error = CountError(0.25, 0, 1, 1, 1, 1, 1, 1, 0)
    learned = {"frog": Learned(RULES, error, []), "tone": Learned(RULES, error, [])}
    found = changes(
        [
            heard(1, (30, 40), was_counted=False),
            heard(1, (34, 50), was_counted=True),
            heard(1, (0, 20), was_counted=True),
            heard(BACKGROUND, (30, 40), was_counted=True),
            heard(BACKGROUND, (0, 0), was_counted=True),
            heard(0, (28, 36), was_counted=False),
            heard(1, (0, 0), was_counted=False, candidate="gone"),
        ],
        learned,
        TENTH,
    )
    (change,) = found
    assert (change.bundle, change.label, change.error_then, change.error_now) == (
        "old",
        "tone",
        0.5,
        0.25,
    )
    counts = {
        (is_call, now): change.n_counted(is_call=is_call, now=now)
        for is_call in (True, False)
        for now in (True, False)
    }
    assert counts == {(True, False): 2, (True, True): 2, (False, False): 2, (False, True): 2}
    assert change.n_clips(is_call=True) == change.n_clips(is_call=False) == 3
    assert [row[0] for row in change.table()][:2] == [
        "counted of the 3 calls",
        "counted of the 3 other sounds",
    ]
    rows = clip_table(found)
    assert rows["counted_now"].tolist() == [True, True, False, True, False, True]
    assert rows["score_now"].round(1).tolist() == [0.9, 0.9, 0.1, 0.9, 0.1, 0.9]


def test_reviewed_clips_are_heard_by_a_fold_that_had_not_met_their_recording(monkeypatch):
    settings = TrainSettings.model_validate(TINY)

    def clip(label, source, number):
        samples = restless(1.0, seed=number)
        asked = heard(label, (0, 0), was_counted=True).asked
        return Clip(f"{source}-{number}", source, label, samples, replace(asked, samples=samples))

    clips = ClipSet(
        labels=("tone",),
        sample_rate_hz=MODEL_RATE_HZ,
        clips=tuple(clip(number % 2 - 1, source, number) for source in "abcd" for number in (1, 2)),
    )
    met = []

    class Trained:
        frame_samples, front_end = 1024, FRONT_END

        def __init__(self, kept):
            self.sources = {one.source for one in kept.clips}

        def scores(self, samples):
            met.append(self.sources)
            return np.zeros((4, 1), np.float32)

        def clip_score(self, samples):
            return np.zeros(1, np.float32)

    def fit(settings, front_end, kept, **more):
        return Trained(kept)

    monkeypatch.setattr("training.validation.cross_fit.fit", fit)
    monkeypatch.setattr("training.validation.cross_fit.made_of", lambda *arguments: [])
    crossed = cross_fit(settings, FRONT_END, clips, lambda stage: None)
    assert sorted(one.name for one in crossed.reviewed) == sorted(one.name for one in clips.clips)
    for one, sources in zip(crossed.reviewed, met, strict=True):
        assert one.name.partition("-")[0] not in sources
    assert len(folds(clips, 2, 0)) == 2


@pytest.mark.slow
def test_training_says_what_the_reviewed_clips_changed(folder, clip_folders, capsys):
    rows = fill(folder, lambda row: "" if row["clip"].startswith("clips/0008") else says(row))
    config = clip_folders.parent / "tiny.yaml"
    config.write_text(yaml.safe_dump(json.loads(json.dumps(TINY))))
    out = clip_folders.parent / "out"
    given = ["--positive", clip_folders / "tone", "--negative", clip_folders / "noise"]
    arguments = ["train", "--config", config, *given, "--reviewed", folder, "-o", out]
    assert run([str(one) for one in arguments]) == 0
    said = capsys.readouterr().out
    n_calls = sum(row["label"] == "tone" for row in rows)
    n_others = sum(row["label"] == "none" for row in rows)
    assert f"tone: {n_calls + n_others} reviewed clips of" in said
    assert f"7 of {CLIPS} clips are used; 0 are unsure, 1 not filled in" in said
    card = (out / "tone" / "model_card.md").read_text()
    assert "## What the reviewed clips changed" in card
    # The bundle that was in doubt heard every tone, and nothing else.
    assert f"| counted of the {n_calls} calls | {n_calls} |" in card
    assert f"| counted of the {n_others} other sounds | 0 |" in card
    table = rows_of(out / "tone" / "mel" / "reviewed.csv")
    assert {row["clip"] for row in table} == {f"m/{row['clip']}" for row in rows if row["label"]}
    (origin,) = read_bundle(out / "tone").spec.provenance["origins"]
    assert origin["calls_of_tone"] == n_calls
