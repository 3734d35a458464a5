"""callcount mine: which clips are picked, what stands in their folder, and bad input."""

import json
import signal

import bundles
import numpy as np
import pytest
import soundfile as sf
from audio_files import write
from bundles import LABELS_HZ, MODEL_RATE_HZ, TONE_HZ, calls
from hypothesis import given
from hypothesis import strategies as st
from outcomes import refusal, rows_of

from counter.cli import mine as mining
from counter.cli.main import run
from counter.events.rules import EventRules
from counter.mining.candidates import (
    CONTEXT_S,
    EVENT,
    NEAR_MISS,
    SURPRISE,
    Candidate,
    doubt,
    near_misses,
    unlike,
)
from counter.mining.selection import LEAST_DOUBT, SHARES, CandidatePool
from counter.tables.csv import plain
from counter.timebase import Timebase

DURATION_S = 60.0
RULES = EventRules(**bundles.RULES)
TIMEBASE = Timebase(8000, 1000)
CLOSE = 0.002


def tones(level, starts_s, hz=TONE_HZ, seed=0):
    """Noise with tones of a level that the model may doubt."""
    loud = calls(DURATION_S, starts_s, hz=hz, seed=seed)
    rng = np.random.default_rng(seed + 100)
    return level * loud + rng.normal(0, 0.02, len(loud)).astype(np.float32)


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    """Recordings with clear calls, with doubtful ones, and with none."""
    folder = tmp_path_factory.mktemp("season")
    for number, (level, starts_s) in enumerate(
        [(1, (3, 14, 25, 50)), (0.14, (5, 20, 35)), (0.11, (8, 30)), (0.08, (10, 45)), (1, ())]
    ):
        (folder / "site").mkdir(exist_ok=True)
        sound = tones(level, starts_s, seed=number)
        write(folder / "site" / f"r{number}.wav", sound, MODEL_RATE_HZ, subtype="PCM_16")
    return folder


@pytest.fixture
def mine(tone_bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def go(recordings, *arguments, model=tone_bundle):
        return run(["mine", str(recordings), "--model", str(model.path), *map(str, arguments)])

    return go


class TestFolder:
    def test_clips_hold_what_the_table_says(self, mine, season, tmp_path):
        assert mine(season, "-n", 8) == 0
        rows = rows_of(tmp_path / "mined/mine.csv")
        assert len(rows) == 8
        assert {row["label"] for row in rows} == {""}
        assert {row["candidate"] for row in rows} == {"tone"}
        for row in rows:
            clip, rate_hz = sf.read(tmp_path / "mined" / row["clip"])
            whole, _ = sf.read(season / row["recording"])
            first, stop = (round(float(row[key]) * rate_hz) for key in ("start_s", "end_s"))
            np.testing.assert_allclose(clip, whole[first:stop], atol=1e-6)
            start_s, end_s = float(row["call_start_s"]), float(row["call_end_s"])
            length_s = len(clip) / rate_hz
            assert 0 <= start_s < end_s <= length_s + CLOSE
            is_first, is_last = first == 0, stop == len(whole)
            assert is_first or start_s == pytest.approx(CONTEXT_S, abs=CLOSE)
            assert is_last or length_s - end_s == pytest.approx(CONTEXT_S, abs=CLOSE)
            picture = (tmp_path / "mined" / row["picture"]).read_bytes()
            assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        text = (tmp_path / "mined/HOW_TO.txt").read_text()
        assert "tone" in text
        assert "--reviewed mined" in text

    def test_events_were_counted_and_near_misses_were_not(
        self, mine, season, tmp_path, tone_bundle
    ):
        assert mine(season, "-n", 30) == 0
        scanned = ["-o", "r.csv", "--no-plots", "--model", str(tone_bundle.path)]
        assert run(["scan", str(season), *scanned]) == 0
        events = {
            (event["recording"], round(float(event["start_s"]), 2)): float(event["score"])
            for event in rows_of(tmp_path / "r/events.csv")
        }
        rows = rows_of(tmp_path / "mined/mine.csv")
        assert {row["kind"] for row in rows} >= {EVENT, NEAR_MISS}
        for row in rows:
            start_s = float(row["start_s"]) + float(row["call_start_s"])
            score = events.get((row["recording"], round(start_s, 2)))
            assert (score is None) == (row["kind"] == NEAR_MISS)
            assert score is None or float(row["score"]) == pytest.approx(score, abs=1e-3)

    def test_clips_never_overlap(self, mine, season, tmp_path):
        assert mine(season, "-n", 40) == 0
        rows = rows_of(tmp_path / "mined/mine.csv")
        spans = sorted((r["recording"], float(r["start_s"]), float(r["end_s"])) for r in rows)
        for (name, _, end_s), (other, start_s, _) in zip(spans, spans[1:], strict=False):
            assert name != other or end_s <= start_s
        assert len(rows) < 40

    def test_every_recording_that_is_in_doubt_is_asked_about(self, mine, season, tmp_path):
        assert mine(season, "-n", 10) == 0
        named = {row["recording"] for row in rows_of(tmp_path / "mined/mine.csv")}
        assert named >= {f"site/r{number}.wav" for number in (1, 2, 3)}

    def test_equal_seeds_pick_equally_on_any_number_of_threads(self, mine, season, tmp_path):
        tables = []
        for number, (seed, jobs) in enumerate(((3, 1), (3, 4), (0, 1), (1, 1), (2, 1))):
            arguments = ["-n", 6, "-o", f"m{number}", "--seed", seed, "--jobs", jobs]
            assert mine(season, *arguments) == 0
            tables.append(rows_of(tmp_path / f"m{number}/mine.csv"))
        assert tables[0] == tables[1]
        assert any(one != tables[0] for one in tables)

    def test_several_labels_share_the_clips(self, mine, tmp_path):
        bundle = bundles.tone_bundle(tmp_path / "two", LABELS_HZ)
        folder = tmp_path / "rec"
        folder.mkdir()
        for name, hz in LABELS_HZ.items():
            sound = tones(0.15, (5, 20, 35, 50), hz=hz)
            write(folder / f"{name}.wav", sound, MODEL_RATE_HZ, subtype="PCM_16")
        assert mine(folder, "-n", 10, model=bundle) == 0
        rows = rows_of(tmp_path / "mined/mine.csv")
        counted = [row["candidate"] for row in rows if row["kind"] != NEAR_MISS]
        assert set(counted) == set(LABELS_HZ)
        for row in rows:
            assert row["kind"] == NEAR_MISS or row["recording"] == f"{row['candidate']}.wav"

    def test_names_of_recordings_make_safe_files(self, mine, tmp_path):
        names = ["a, b\n.wav", "Фрог 森.wav", "-o.wav", "x" * 180 + ".wav"]
        (tmp_path / "rec").mkdir()
        for seed, name in enumerate(names):
            sound = tones(0.1, (10, 40), seed=seed)
            write(tmp_path / "rec" / name, sound, MODEL_RATE_HZ, subtype="PCM_16")
        assert mine(tmp_path / "rec", "-n", 8) == 0
        rows = rows_of(tmp_path / "mined/mine.csv")
        assert {plain(row["recording"]) for row in rows} == set(names)
        for row in rows:
            assert (tmp_path / "mined" / row["clip"]).is_file()
            assert not set(row["clip"]) & set(" ,\n")
            assert len(row["clip"].encode()) < 150

    def test_a_call_beside_the_candidate_is_no_background(self, mine, season, tmp_path):
        assert mine(season, "-n", 30) == 0
        plan = json.loads((tmp_path / "mined/mine.json").read_text())
        for one in plan["clips"]:
            assert one["clear_start_s"] in (0.0, one["call_start_s"])
            length_s = one["end_s"] - one["start_s"]
            assert one["clear_end_s"] in (one["call_end_s"], pytest.approx(length_s))
        clear = [calls(30.0, (3.0, 7.0)), calls(30.0, (3.0, 20.0))]
        for name, sound, is_clear in zip("ab", clear, (False, True), strict=True):
            (tmp_path / name).mkdir()
            write(tmp_path / name / "x.wav", sound, MODEL_RATE_HZ, subtype="PCM_16")
            assert mine(tmp_path / name, "-n", 1, "-o", tmp_path / f"m{name}") == 0
            (one,) = json.loads((tmp_path / f"m{name}/mine.json").read_text())["clips"]
            assert one["is_counted"]
            has_room = one["clear_start_s"] == 0 and one["clear_end_s"] > one["call_end_s"]
            assert has_room == is_clear


class TestBadInput:
    def test_a_broken_recording_stops_nothing(self, mine, season, tmp_path, capsys):
        (tmp_path / "rec").mkdir()
        (tmp_path / "rec/good.wav").symlink_to(season / "site/r1.wav")
        (tmp_path / "rec/bad.wav").write_text("no sound")
        assert mine(tmp_path / "rec", "-n", 4) == 1
        assert "failed: bad.wav: not sound" in capsys.readouterr().err
        assert {row["recording"] for row in rows_of(tmp_path / "mined/mine.csv")} == {"good.wav"}
        assert json.loads((tmp_path / "mined/mine.json").read_text())["failed"] == ["bad.wav"]

    def test_nothing_to_pick_from(self, mine, tmp_path, capsys):
        (tmp_path / "rec").mkdir()
        (tmp_path / "rec/bad.wav").write_text("no sound")
        assert mine(tmp_path / "rec") == 2
        assert "nothing to pick from: 1 of 1 recordings could not be read" in refusal(capsys)
        assert not (tmp_path / "mined").exists()

    def test_no_recordings(self, mine, tmp_path, capsys):
        (tmp_path / "rec").mkdir()
        assert mine(tmp_path / "rec") == 2
        assert "no recordings in" in refusal(capsys)
        assert mine(tmp_path / "recs") == 2
        assert "did you mean" in refusal(capsys).lower()

    @pytest.mark.parametrize("n", ["0", "-3", "x"])
    def test_how_many_is_a_number_from_one(self, mine, season, tmp_path, capsys, n):
        assert mine(season, "-n", n) == 2
        assert "'-n'" in refusal(capsys)
        assert list(tmp_path.iterdir()) == []

    def test_what_is_filled_in_is_never_overwritten(self, mine, season, tmp_path, capsys):
        assert mine(season, "-n", 3) == 0
        filled = (tmp_path / "mined/mine.csv").read_text().replace(",\n", ",tone\n")
        (tmp_path / "mined/mine.csv").write_text(filled)
        assert mine(season, "-n", 3) == 2
        assert "mined exists already; clips may have been filled in there" in refusal(capsys)
        assert (tmp_path / "mined/mine.csv").read_text() == filled

    def test_an_interrupt_leaves_nothing(self, mine, season, tmp_path, monkeypatch, capsys):
        def interrupted(progress, recording):
            signal.raise_signal(signal.SIGINT)
            monkeypatch.undo()

        monkeypatch.setattr(mining.ScanProgress, "finished", interrupted)
        assert mine(season, "-o", tmp_path / "m") == 130
        assert "Interrupted: nothing was picked." in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []

    def test_a_place_that_cannot_be_written_is_found_before_the_work(
        self, mine, season, tmp_path, capsys
    ):
        (tmp_path / "file").write_text("")
        assert mine(season, "-o", tmp_path / "file" / "m") == 2
        said = capsys.readouterr().err
        assert "file is a file, not a folder" in said
        assert "Model" not in said

    def test_a_missing_bundle(self, mine, season, tmp_path, capsys):
        assert run(["mine", str(season), "--model", "none"]) == 2
        assert "no bundle at none" in refusal(capsys)
        assert list(tmp_path.iterdir()) == []


@given(st.floats(0.01, 0.99), st.floats(0.05, 0.95))
def test_doubt_is_highest_at_the_threshold_and_the_same_on_both_sides(score, threshold):
    at, there = doubt([threshold, score], threshold)
    assert at == pytest.approx(1)
    assert 0 <= there <= 1
    odds = (threshold / (1 - threshold)) ** 2 * (1 - score) / score
    assert doubt(odds / (1 + odds), threshold) == pytest.approx(there, abs=1e-4)


@given(
    st.lists(st.floats(0, 1, width=32), max_size=120),
    st.lists(st.tuples(st.integers(0, 100), st.integers(1, 20)), max_size=3),
    st.integers(1, 6),
)
def test_near_misses_keep_their_distance(scores, events, n):
    smoothed = np.array(scores, np.float32)
    frame_s, length_s = TIMEBASE.frame_s, len(scores) * TIMEBASE.frame_s
    spans_s = [(start * frame_s, (start + length) * frame_s) for start, length in events]
    found = near_misses(smoothed, spans_s, RULES, timebase=TIMEBASE, n=n)
    assert len(found) <= n
    assert found == sorted(found, key=lambda one: -float(doubt(one[1], RULES.threshold)))
    for place, ((start_s, end_s), score) in enumerate(found):
        assert 0 <= start_s < end_s <= length_s
        assert end_s - start_s <= RULES.part_s + frame_s
        inside = smoothed[round(start_s / frame_s) : round(end_s / frame_s)]
        assert np.float32(score) in inside
        for event_start_s, event_end_s in spans_s:
            assert end_s <= event_start_s or start_s >= event_end_s
        for (other_start_s, other_end_s), _ in found[:place]:
            apart_s = max(other_start_s - end_s, start_s - other_end_s)
            assert apart_s >= CONTEXT_S - frame_s


def test_a_near_miss_is_as_long_as_an_event_of_its_height_would_be():
    bump = 0.4 * np.sin(np.linspace(0, np.pi, 21)).astype(np.float32)
    smoothed = np.concatenate([np.full(40, 0.01, np.float32), bump, np.full(40, 0.01, np.float32)])
    ((start_s, end_s), score), *_ = near_misses(smoothed, [], RULES, timebase=TIMEBASE, n=2)
    assert score == pytest.approx(0.4, abs=1e-3)
    wanted = np.flatnonzero(smoothed >= 0.4 * RULES.release / RULES.threshold)
    frames = (start_s / TIMEBASE.frame_s, end_s / TIMEBASE.frame_s)
    assert frames == (wanted[0], wanted[-1] + 1)


@given(st.integers(0, 1000), st.integers(1, 12))
def test_sounds_are_taken_farthest_first(seed, n):
    sounds = list(np.random.default_rng(seed).normal(size=(8, 3)).astype(np.float32))
    order = unlike(sounds, n, [1.0] * 8)
    assert len(order) == min(n, 8)
    assert len(set(order)) == len(order)
    assert order == unlike(sounds, 8, [0.5] * 8)[:n]

    def nearest(place, others):
        return min(np.linalg.norm(sounds[place] - sounds[other]) for other in others)

    gaps = [nearest(place, order[:i]) for i, place in enumerate(order) if i]
    assert gaps == sorted(gaps, reverse=True)


def test_of_equally_odd_sounds_the_weightier_come_first():
    sounds = [np.array([x], np.float32) for x in (-10, 10, 0, 0, 0, 0)]
    assert unlike(sounds, 2, [0.2, 0.9, 1, 1, 1, 1])[0] == 1
    assert unlike([], 3, []) == []


def candidate(number, *, score=0.5, sound=0.0, recording=None):
    span_s = (20.0 * number, 20.0 * number + 1)
    return Candidate(
        recording=recording or f"r{number}",
        label="frog",
        span_s=span_s,
        clip_s=(span_s[0], span_s[1] + 2),
        clear_s=span_s,
        score=score,
        doubt=float(doubt(score, 0.5)),
        sound=np.array([sound, 0.0], np.float32),
    )


class TestChoice:
    def test_sounds_that_are_alike_are_asked_about_once(self):
        kinds = [0.0] * 50 + [30.0] * 2 + [70.0]
        pool = CandidatePool(3, seed=1)
        pool.add({("frog", EVENT): [candidate(n, sound=s) for n, s in enumerate(kinds)]})
        assert {float(one.candidate.sound[0]) for one in pool.choose()} == {0.0, 30.0, 70.0}

    def test_of_sounds_that_are_alike_the_doubtful_one_is_taken(self):
        scores = [0.02, 0.5, 0.98, 0.9]
        every = [candidate(n, score=s, sound=100.0) for n, s in enumerate(scores)]
        pool = CandidatePool(2, seed=0)
        pool.add({("frog", NEAR_MISS): [candidate(9, score=0.4)], ("frog", EVENT): every})
        assert [one.candidate.score for one in pool.choose()] == [0.4, 0.5]

    def test_recordings_take_turns(self):
        rng = np.random.default_rng(0)
        one = [candidate(n, sound=rng.normal(), recording="loud") for n in range(40)]
        others = [candidate(n, sound=rng.normal()) for n in range(50, 54)]
        pool = CandidatePool(8, seed=0)
        pool.add({("frog", NEAR_MISS): one + others})
        chosen = [pick.candidate.recording for pick in pool.choose()]
        assert len(set(chosen)) >= 4

    def test_kinds_have_their_share_and_what_is_certain_only_fills_up(self):
        rng = np.random.default_rng(0)

        def some(start, score, n=30):
            return [candidate(start + i, score=score, sound=rng.normal()) for i in range(n)]

        found = {
            ("frog", EVENT): some(0, 0.6) + some(50, 0.999),
            ("frog", NEAR_MISS): some(100, 0.4, n=2) + some(150, 0.001),
            ("frog", SURPRISE): some(200, 0.999),
        }
        for n, n_events in ((10, 6), (30, 22), (80, 38)):
            pool = CandidatePool(n, seed=0)
            pool.add(found)
            picks = pool.choose()
            assert len(picks) == n
            kinds = [one.kind for one in picks]
            assert kinds.count(SURPRISE) >= SHARES[SURPRISE] * n
            if n <= 30:
                assert kinds.count(NEAR_MISS) == 2
                assert kinds.count(EVENT) == n_events
            certain = [
                i
                for i, one in enumerate(picks)
                if one.kind != SURPRISE and one.candidate.doubt < LEAST_DOUBT
            ]
            assert not certain or certain[0] > 30

    def test_one_sound_repeated_all_season_does_not_crowd_out_others(self):
        pool = CandidatePool(4, seed=0)
        for start in range(0, 1000, 10):
            found = [candidate(start + n, score=0.5) for n in range(10)]
            if start == 500:
                found[3] = candidate(503, score=0.3, sound=40.0)
            pool.add({("frog", NEAR_MISS): found})
        assert 40.0 in [one.candidate.sound[0] for one in pool.choose()]

    def test_what_is_held_is_bounded(self):
        pool = CandidatePool(2, seed=0)
        for start in range(0, 3000, 10):
            every = [candidate(start + n, score=0.4, sound=start + n) for n in range(10)]
            pool.add({("frog", NEAR_MISS): every, ("frog", SURPRISE): every})
        best = candidate(5000, score=0.5, sound=-1e6)
        pool.add({("frog", NEAR_MISS): [best]})
        assert sum(len(held) for held in pool._held.values()) < 40
        assert any(one.candidate is best for one in pool.choose())

    def test_nothing_gives_nothing(self):
        assert CandidatePool(3, seed=0).choose() == []
