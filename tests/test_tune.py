"""Rules and probabilities from annotated recordings: callcount tune, scan --rules, evaluate."""

import hashlib
import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from audio_files import write
from bundles import LABELS_HZ, MODEL_RATE_HZ, calls
from bundles import tone_bundle as make_tone_bundle
from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes import is_wide_picture, refusal, rows_of
from reference_matching import match
from written_tables import write_manifest, write_tables

from counter.bundle import MODEL_FILE, read_bundle, write_bundle
from counter.cli.main import run
from counter.errors import CallcountError
from counter.evaluation.rule_scoring import (
    EVENT_WEIGHT,
    AnnotatedScores,
    RuleScorer,
    table_costs,
)
from counter.evaluation.rule_search import GRID, RuleCandidate, Scale
from counter.evaluation.tuning import deal_folds
from counter.events.decoding import decode, smooth, spans
from counter.events.matching import Criterion, Intervals
from counter.events.rules import EventRules
from counter.records import OK, FileResult, Recording
from counter.tables.manifest import Manifest, OutputPaths
from counter.tables.scores import logits_of, read_scores, write_scores
from counter.timebase import Timebase

TIMEBASE = Timebase(8000, 1024)
CALL_S = 3.0
LENGTH_S = 60.0
RULES = EventRules(threshold=0.9, release=0.8, smooth_s=0, gap_s=0.3, min_duration_s=0.3)


def spec_of(labels, **changes):
    return {
        "name": "made",
        "trained_at": "2024-05-01T06:00:00+00:00",
        "labels": labels,
        "sample_rate_hz": TIMEBASE.sample_rate_hz,
        "frame_samples": TIMEBASE.hop_samples,
        "context_frames": 3,
        "low_hz": 200.0,
        "high_hz": 3000.0,
        "rules": {label: RULES.model_dump() for label in labels},
        "provenance": {"seed": 7, "rules_learned_on": {labels[0]: {"recordings": 12}}},
        **changes,
    }


def drawn(seed, n_calls, *, quiet=0.1, level=0.6, spread=0.05):
    """Scores of one recording, noise about ``quiet`` and ``level`` at the calls; and the calls."""
    rng = np.random.default_rng(seed)
    n_frames = TIMEBASE.n_frames(int(LENGTH_S * TIMEBASE.sample_rate_hz))
    scores = rng.normal(quiet, spread, n_frames)
    room_s = LENGTH_S / max(n_calls, 1)
    starts_s = [
        round(n * room_s + rng.uniform(0.5, room_s - CALL_S - 0.5), 3) for n in range(n_calls)
    ]
    for start_s in starts_s:
        inside = slice(TIMEBASE.frames(start_s), TIMEBASE.frames(start_s + CALL_S))
        scores[inside] += level - quiet
    scores = np.clip(scores, 0.001, 0.999).astype(np.float32)
    return scores, [(start_s, start_s + CALL_S) for start_s in starts_s]


def scanned(folder, seasons, **changes):
    """What a scan would leave: a bundle, results with kept scores, and the truth.

    ``seasons`` gives each label the scores and calls of its recordings.
    """
    labels = tuple(seasons)
    bundle = write_bundle(folder / "bundle", spec_of(labels, **changes), {MODEL_FILE: b"any"})
    paths, results, rows = OutputPaths(folder / "r.csv"), [], []
    paths.folder.mkdir()
    with write_scores(paths.scores, bundle) as add:
        for number, by_label in enumerate(zip(*seasons.values(), strict=True)):
            name = f"site/{number:03d}.wav"
            scores = np.stack([one for one, _ in by_label], axis=1)
            add(name, logits_of(scores))
            events = decode(scores, labels, bundle.spec.rules, TIMEBASE, LENGTH_S)
            results.append(FileResult(Recording(name, name), OK, "", LENGTH_S, LENGTH_S, events))
            for label, (_, spans_s) in zip(labels, by_label, strict=True):
                rows += [f"{name},{start},{end},{label}" for start, end in spans_s]
    write_tables(paths.results, results, labels, {label: (200.0, 3000.0) for label in labels})
    told = {"path": str(bundle.path), "name": "made", "hash": bundle.sha256, "which": "made"}
    rules = {label: one.model_dump() for label, one in bundle.spec.rules.items()}
    facts = Manifest(("callcount",), {}, told, {"rules": rules}, (), time.time(), 1, 1, 0, {})
    write_manifest(paths.manifest, facts)
    (folder / "truth.csv").write_text("\n".join(["recording,start_s,end_s,label", *rows]) + "\n")
    return SimpleNamespace(results=paths.results, truth=folder / "truth.csv", bundle=bundle)


def quiet_calls(n=12, first_seed=0):
    """Recordings whose calls the rules of the bundle miss; every third holds none."""
    return [drawn(first_seed + number, (number % 3) * 3) for number in range(n)]


def tune(work, *flags):
    return run(["tune", str(work.results), "--truth", str(work.truth), *map(str, flags)])


def told_of(bundle):
    return json.loads((bundle / "tuning.json").read_text(encoding="utf-8"))


def hashes(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in files}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def quiet(here):
    return scanned(here, {"frog": quiet_calls()})


class TestTune:
    def test_finds_rules_that_count_right_where_those_of_the_bundle_miss(self, quiet, here, capsys):
        assert tune(quiet, "-o", "tuned") == 0
        figures = told_of(here / "tuned")["labels"]["frog"]["figures"]
        assert figures["before"]["count_error"]["value"] == 3
        assert figures["left_out"]["count_error"]["value"] <= 0.1
        assert figures["left_out"]["f1"]["value"] >= 0.98
        said = capsys.readouterr()
        assert "frog: 12 recordings, 36 calls, 5 folds" in said.out
        assert "less in 8 recordings, more in 0, the same in 4" in said.out
        assert "does not help" not in said.out
        # between noise at 0.1 and calls at 0.6
        assert 0.2 < read_bundle(here / "tuned").spec.rules["frog"].threshold < 0.55

    def test_a_new_bundle_stands_beside_the_old_one_which_is_unchanged(self, quiet, here):
        before = hashes(quiet.bundle.path)
        assert tune(quiet) == 0
        assert hashes(quiet.bundle.path) == before
        folder = here / "r" / "tuned"
        assert sorted(path.name for path in folder.iterdir()) == [
            "bundle.yaml",
            "model.tflite",
            "rules.yaml",
            "tuning.csv",
            "tuning.json",
            "tuning.png",
            "tuning_recordings.csv",
        ]
        made, old = read_bundle(folder).spec, quiet.bundle.spec
        assert made.name == "made-tuned"
        assert made.rules["frog"] != old.rules["frog"]
        changed = {"rules", "name", "provenance", "files_sha256"}
        assert made.model_dump(exclude=changed) == old.model_dump(exclude=changed)
        assert is_wide_picture(folder / "tuning.png")
        rules = yaml.safe_load((folder / "rules.yaml").read_text())
        assert EventRules(**rules["frog"]) == made.rules["frog"]

    def test_the_bundle_says_where_its_rules_come_from(self, quiet, here):
        assert tune(quiet, "--folds", 3, "--seed", 4) == 0
        spec = read_bundle(here / "r" / "tuned").spec
        told = spec.provenance["tuning"]
        assert told["truth_sha256"] == hashlib.sha256(quiet.truth.read_bytes()).hexdigest()
        assert told["bundle"] == {"name": "made", "hash": quiet.bundle.sha256}
        assert (told["folds"], told["seed"], told["recordings"]) == (3, 4, 12)
        label = told["labels"]["frog"]
        assert label["calls"] == 36
        assert EventRules(**label["rules_before"]) == RULES
        assert label["before"]["count_error"] == 3
        assert label["left_out"]["count_error"] < 1
        assert label["rules_before_learned_on"] == {"recordings": 12}
        assert spec.provenance["seed"] == 7
        assert "rules_learned_on" not in spec.provenance

    def test_the_same_seed_finds_the_same_and_another_deals_anew(self, quiet, here):
        for name, seed in (("one", 1), ("same", 1), ("other", 2)):
            assert tune(quiet, "-o", name, "--seed", seed) == 0
        one, same, other = (
            [row["fold"] for row in rows_of(here / name / "tuning_recordings.csv")]
            for name in ("one", "same", "other")
        )
        assert one == same != other
        bundles = [(here / name / "bundle.yaml").read_text() for name in ("one", "same")]
        assert bundles[0] == bundles[1]

    def test_a_recording_is_counted_with_rules_that_were_chosen_without_it(self, quiet, here):
        assert tune(quiet, "-o", "tuned") == 0
        rules = told_of(here / "tuned")["labels"]["frog"]["rules_by_fold"]
        kept = read_scores(here / "r" / "scores.npz")
        rows = rows_of(here / "tuned" / "tuning_recordings.csv")
        assert len(rows) == 12
        for row, (name, scores) in zip(
            rows, kept.each([row["recording"] for row in rows]), strict=True
        ):
            used = {"frog": EventRules(**rules[int(row["fold"]) - 1])}
            events = decode(scores, ("frog",), used, TIMEBASE, LENGTH_S)
            assert (name, len(events)) == (row["recording"], int(row["counted_left_out"]))

    def test_what_is_said_of_a_fold_does_not_depend_on_its_truth(self, quiet, here):
        assert tune(quiet, "-o", "one") == 0
        rows = rows_of(here / "one" / "tuning_recordings.csv")
        left_out = {row["recording"] for row in rows if row["fold"] == "2"}
        lines = quiet.truth.read_text().splitlines()
        moved = [lines[0]]
        for line in lines[1:]:
            name, start_s, end_s, label = line.split(",")
            if name in left_out:  # as many calls, of another length, at other places
                start_s, end_s = f"{float(start_s) / 2}", f"{float(start_s) / 2 + 9}"
            moved.append(",".join([name, start_s, end_s, label]))
        assert moved != lines
        quiet.truth.write_text("\n".join(moved))
        assert tune(quiet, "-o", "two") == 0
        one, two = (told_of(here / name)["labels"]["frog"] for name in ("one", "two"))
        assert [row["fold"] for row in rows_of(here / "two" / "tuning_recordings.csv")] == [
            row["fold"] for row in rows
        ]
        assert one["rules_by_fold"][1] == two["rules_by_fold"][1]
        assert one["rules"] != two["rules"]
        assert one["figures"]["left_out"] != two["figures"]["left_out"]

    @pytest.mark.parametrize("seed", [0, 100, 200])
    def test_on_chance_alone_the_honest_figure_is_worse_than_the_flattering_one(self, here, seed):
        rng = np.random.default_rng(seed)
        season = []
        for number in range(12):
            scores = drawn(seed + number, 0, quiet=0.5, spread=0.2)[0]
            starts_s = np.sort(rng.uniform(0, LENGTH_S - CALL_S, rng.integers(0, 7)))
            season.append((scores, [(start_s, start_s + CALL_S) for start_s in starts_s]))
        work = scanned(here, {"frog": season})
        assert tune(work) == 0
        figures = told_of(here / "r" / "tuned")["labels"]["frog"]["figures"]
        assert figures["left_out"]["cost"]["value"] > figures["fitted"]["cost"]["value"]

    def test_where_the_rules_are_right_already_it_says_that_tuning_does_not_help(
        self, here, capsys
    ):
        season = [drawn(number, 3, level=0.95, spread=0.01) for number in range(6)]
        assert tune(scanned(here, {"frog": season}), "--folds", 3) == 0
        assert "Tuning does not help here" in capsys.readouterr().out

    def test_says_how_flat_the_optimum_is(self, quiet, here, capsys):
        assert tune(quiet) == 0
        said = capsys.readouterr().out
        assert "Near the least: at most 10% and 0.02 calls a recording" in said
        rows = rows_of(here / "r" / "tuned" / "tuning.csv")
        assert {row["rule"] for row in rows} == set(EventRules.model_fields)
        thresholds = {float(row["value"]): row for row in rows if row["rule"] == "threshold"}
        assert len(thresholds) == len(GRID["threshold"])
        assert [row["chosen"] for row in thresholds.values()].count("yes") == 1
        assert thresholds[0.02]["near_least"] == "no"
        assert thresholds[0.99]["near_least"] == "no"
        near = [value for value, row in thresholds.items() if row["near_least"] == "yes"]
        chosen = read_bundle(here / "r" / "tuned").spec.rules["frog"].threshold
        assert min(near) < chosen < max(near)
        assert f"{min(near):g} to {max(near):g} ({len(near)}/24)" in said
        least = min(float(row["cost"]) for row in rows)
        assert float(thresholds[chosen]["cost"]) <= least * 1.1 + 0.02

    def test_the_longest_event_follows_the_calls(self, here):
        # a hum of 20 s, as loud as a call, in every recording
        season = [drawn(number, 2) for number in range(8)]
        for scores, _ in season:
            middle = TIMEBASE.frames(LENGTH_S / 2)
            hum = slice(middle - TIMEBASE.frames(1.5), middle + TIMEBASE.frames(1.5))
            scores[hum] = 0.1
        hummed = []
        for number in range(8):
            scores, spans_s = drawn(50 + number, 0)
            scores[TIMEBASE.frames(10) : TIMEBASE.frames(30)] = 0.6
            hummed.append((scores, spans_s))
        assert tune(scanned(here, {"frog": season + hummed})) == 0
        rules = read_bundle(here / "r" / "tuned").spec.rules["frog"]
        assert CALL_S < rules.max_duration_s < 20
        left_out = told_of(here / "r" / "tuned")["labels"]["frog"]["figures"]["left_out"]
        assert left_out["count_error"]["value"] < 0.5

    def test_an_earlier_tuning_is_replaced_and_other_bundles_are_not(self, quiet, here, capsys):
        assert tune(quiet, "-o", "tuned") == 0
        assert tune(quiet, "-o", "tuned", "--folds", 2) == 0
        assert told_of(here / "tuned")["folds"] == 2
        write_bundle(here / "other", spec_of(("frog",)), {MODEL_FILE: b"other"})
        before = hashes(here)
        assert tune(quiet, "-o", "other") == 2
        assert "other is a bundle of another kind" in refusal(capsys)
        assert tune(quiet, "-o", "bundle") == 2
        assert "is the bundle of the scan itself" in refusal(capsys)
        assert hashes(here) == before

    def test_a_truth_in_a_folder_is_read_and_hashed(self, quiet, here):
        (here / "marks").mkdir()
        for name in ("001", "002", "004", "005", "007", "008"):
            lines = [
                line.split(",")
                for line in quiet.truth.read_text().splitlines()
                if line.startswith(f"site/{name}")
            ]
            text = "".join(f"{start}\t{end}\tfrog\n" for _, start, end, _ in lines)
            (here / "marks" / f"{name}.txt").write_text(text)
        quiet.truth = here / "marks"
        assert tune(quiet, "-o", "one") == 0
        assert tune(quiet, "-o", "same") == 0
        (here / "marks" / "008.txt").write_text("")
        assert tune(quiet, "-o", "other") == 0
        one, same, other = (
            told_of(here / name)["truth_sha256"] for name in ("one", "same", "other")
        )
        assert one == same != other


class TestLabels:
    def test_each_label_gets_rules_of_its_own(self, here):
        loud = [drawn(40 + n, (n % 2) * 3, quiet=0.5, level=0.8) for n in range(8)]
        work = scanned(here, {"frog": quiet_calls(8), "owl": loud})
        assert tune(work) == 0
        rules = read_bundle(here / "r" / "tuned").spec.rules
        assert rules["frog"].threshold < rules["owl"].threshold
        assert set(told_of(here / "r" / "tuned")["labels"]) == {"frog", "owl"}

    def test_one_without_calls_keeps_its_rules(self, here, capsys):
        silent = [drawn(40 + n, 0) for n in range(8)]
        chance = {"method": "platt", "scores": [0.2, 0.8], "probabilities": [0.1, 0.9]}
        told = {"frog": {"events": 5}, "owl": {"events": 6}}
        work = scanned(
            here,
            {"frog": quiet_calls(8), "owl": silent},
            calibration={"frog": chance, "owl": chance},
            provenance={"rules_learned_on": told, "calibration": told, "calibrated_from": "x"},
        )
        assert tune(work) == 0
        assert "owl keeps its rules: 0 of 8 recordings hold a call" in capsys.readouterr().err
        spec = read_bundle(here / "r" / "tuned").spec
        assert spec.rules["owl"] == RULES != spec.rules["frog"]
        assert list(spec.calibration) == ["owl"]
        provenance = dict(spec.provenance)
        assert provenance.pop("tuning")["labels"]["frog"]["rules_before_learned_on"] == told["frog"]
        assert provenance == {key: {"owl": told["owl"]} for key in provenance}
        assert set(provenance) == {"rules_learned_on", "calibration"}


class TestRefusals:
    def test_a_scan_without_scores(self, quiet, capsys):
        (quiet.results.with_suffix("") / "scores.npz").unlink()
        assert tune(quiet) == 2
        assert "without keeping the scores. Scan again with --keep-scores" in refusal(capsys)

    def test_results_of_another_bundle(self, quiet, here, capsys):
        write_bundle(quiet.bundle.path, spec_of(("frog",), name="x"), {MODEL_FILE: b"any"})
        assert tune(quiet) == 2
        assert "results of another bundle" in refusal(capsys)

    def test_a_bundle_that_is_gone(self, quiet, here, capsys):
        quiet.bundle.path.rename(here / "moved")
        assert tune(quiet) == 2
        assert "the bundle of r.csv cannot be read: no bundle at" in refusal(capsys).replace(
            f"{here}/", ""
        )

    def test_scores_of_another_scan(self, quiet, here, capsys):
        other = write_bundle(here / "b2", spec_of(("frog",), name="x"), {MODEL_FILE: b"any"})
        with write_scores(here / "r" / "scores.npz", other):
            pass
        assert tune(quiet) == 2
        assert "are not of one scan" in refusal(capsys)

    @pytest.mark.parametrize(
        ("rows", "says"),
        [
            ([], "marks no call in the recordings"),
            (["site/001.wav,1,1,frog"], "no call with a length"),
            (["site/001.wav,1,4,frog"], "1 of 12 recordings hold a call"),
            (["gone.wav,1,4,frog"], "names 1 recording that are not here: gone.wav (row 2)"),
            (["site/001.wav,1,4,toad"], "'toad' is no label of the scan (frog)"),
            (["site/001.wav,4,1,frog"], "row 2: the call ends at 1 s, before it starts"),
        ],
    )
    def test_a_truth_that_nothing_can_be_tuned_by(self, quiet, here, capsys, rows, says):
        quiet.truth.write_text("\n".join(["recording,start_s,end_s,label", *rows]) + "\n")
        before = hashes(here)
        assert tune(quiet) == 2
        assert says in refusal(capsys)
        assert hashes(here) == before

    def test_truth_about_more_than_was_scanned_is_left_out_with_partial(self, quiet, capsys):
        with quiet.truth.open("a") as file:
            file.write("gone.wav,1,4,frog\n")
        assert tune(quiet) == 2
        assert "--partial" in refusal(capsys)
        assert tune(quiet, "--partial") == 0
        assert "left out 1 recordings that were not scanned" in capsys.readouterr().err

    def test_calls_without_length_count_and_cannot_be_found(self, quiet, here, capsys):
        with quiet.truth.open("a") as file:
            file.write("site/000.wav,1,1,frog\n")
        assert tune(quiet) == 0
        assert "1 calls have no length and cannot be found" in capsys.readouterr().err
        totals = told_of(here / "r" / "tuned")["labels"]["frog"]["figures"]["left_out"]["totals"]
        assert (totals["true"], totals["missed"]) == (37, 1)

    def test_fewer_recordings_than_folds(self, quiet, capsys):
        assert tune(quiet, "--folds", 13) == 2
        assert "12 recordings cannot be dealt into 13 folds" in refusal(capsys)

    @pytest.mark.parametrize("flags", [["--folds", 1], ["--seed", -1], ["--fold", "2x"]])
    def test_flags_out_of_range(self, quiet, flags):
        assert tune(quiet, *flags) == 2

    def test_an_output_that_is_not_ours(self, quiet, here, capsys):
        (here / "mine").mkdir()
        (here / "mine" / "notes.txt").write_text("x")
        before = hashes(here)
        for name in ("mine", "truth.csv", "truth.csv/x"):
            assert tune(quiet, "-o", name) == 2
            assert "mine" in (said := refusal(capsys)) or "truth.csv" in said
        assert hashes(here) == before

    def test_no_results_and_no_truth(self, quiet, here, capsys):
        assert run(["tune", "gone.csv", "--truth", "truth.csv"]) == 2
        assert "no results of a scan at gone.csv" in refusal(capsys)
        assert run(["tune", "r.csv", "--truth", "gone.csv"]) == 2
        assert "no annotations at gone.csv" in refusal(capsys)
        assert run(["tune", "r.csv"]) == 2
        assert "--truth" in refusal(capsys)


class TestProbabilities:
    def unsure(self, here):
        """Calls whose scores overlap with those of other sounds."""
        season = []
        for number in range(15):
            scores, spans_s = drawn(number, 4, level=0.7, spread=0.12)
            wrong, _ = drawn(900 + number, 4, level=0.65, spread=0.12)
            season.append((np.maximum(scores, wrong), spans_s))
        return scanned(here, {"frog": season})

    def test_tune_fits_them_on_events_left_out(self, here, capsys):
        work = self.unsure(here)
        assert tune(work, "--calibrate") == 0
        assert "Calibrated (platt) on" in capsys.readouterr().out
        folder = here / "r" / "tuned"
        spec = read_bundle(folder).spec
        assert is_wide_picture(folder / "reliability.png")
        told = spec.provenance["calibration"]["frog"]
        left_out = told_of(folder)["labels"]["frog"]["figures"]["left_out"]["totals"]
        assert (told["events"], told["calls"]) == (left_out["counted"], left_out["paired"])
        assert told["verified_by"] == str(work.truth)
        assert 0 < told["brier"] < 0.25
        chances = spec.calibration["frog"].probabilities
        assert chances[0] < chances[-1]

    def test_probabilities_of_the_old_rules_do_not_go_with_new_ones(self, here, capsys):
        old = {"frog": {"method": "platt", "scores": [0.2, 0.8], "probabilities": [0.1, 0.9]}}
        work = scanned(here, {"frog": quiet_calls()}, calibration=old)
        assert tune(work) == 0
        assert "held for the old rules and are left out" in capsys.readouterr().err
        assert read_bundle(here / "r" / "tuned").spec.calibration == {}

    def test_where_every_event_is_a_call_there_are_rules_and_no_probabilities(self, here, capsys):
        season = [drawn(number, 3, spread=0.01) for number in range(6)]
        assert tune(scanned(here, {"frog": season}), "--calibrate", "--folds", 3) == 0
        assert "no probability for frog" in capsys.readouterr().err
        assert not (here / "r" / "tuned" / "reliability.png").exists()

    def evaluate(self, work, *flags):
        return run(["evaluate", str(work.results), "--truth", str(work.truth), *flags])

    def test_evaluate_fits_them_without_a_change_of_rules(self, here, capsys):
        work = scanned(here, {"frog": [drawn(n, 3, level=0.85, spread=0.12) for n in range(15)]})
        before = hashes(work.bundle.path)
        assert self.evaluate(work, "--calibrate", "sure") == 0
        assert "Calibrated (platt) on" in capsys.readouterr().out
        assert hashes(work.bundle.path) == before
        made = read_bundle(here / "sure").spec
        assert made.rules == work.bundle.spec.rules
        told = made.provenance["calibration"]["frog"]
        totals = json.loads((here / "r" / "evaluation" / "evaluation.json").read_text())
        totals = totals["labels"]["frog"]["totals"]
        assert (told["events"], told["calls"]) == (totals["counted"], totals["paired"])
        assert is_wide_picture(here / "sure" / "reliability.png")

    def test_evaluate_leaves_out_labels_without_both_kinds_of_events(self, here, capsys):
        loud = [drawn(n, 3, level=0.85, spread=0.12) for n in range(12)]
        sure = [drawn(50 + n, 3, level=0.95, spread=0.01) for n in range(12)]
        work = scanned(here, {"frog": loud, "owl": sure})
        assert self.evaluate(work, "--calibrate", "both") == 0
        assert "no probability for owl" in capsys.readouterr().err
        assert list(read_bundle(here / "both").spec.calibration) == ["frog"]
        assert is_wide_picture(here / "both" / "reliability-frog.png")

    def test_evaluate_refuses_before_anything_is_written(self, quiet, here, capsys):
        before = hashes(here)
        assert self.evaluate(quiet, "--calibrate", "bundle") == 2
        assert "is the bundle of the scan itself" in refusal(capsys)
        assert self.evaluate(quiet, "--calibrate", "r") == 2
        assert "callcount did not make it" in refusal(capsys)
        assert self.evaluate(quiet, "--calibrate", "new") == 2
        assert "each of the 0 verified events" in refusal(capsys)
        assert hashes(here) == before


@pytest.fixture(scope="module")
def tones(tone_bundle, tmp_path_factory):
    """Six recordings with tones of 1.5 s, and rules under which all are too short."""
    folder = tmp_path_factory.mktemp("tones")
    (folder / "rec").mkdir()
    rows = ["recording,start_s,end_s"]
    for number, starts_s in enumerate([(2, 6), (3,), (), (1, 5, 9), (4,), ()]):
        name = f"{number}.wav"
        write(folder / "rec" / name, calls(12.0, starts_s), MODEL_RATE_HZ, subtype="PCM_16")
        rows += [f"{name},{start_s},{start_s + 1.5}" for start_s in starts_s]
    (folder / "truth.csv").write_text("\n".join(rows) + "\n")
    arguments = ["--no-plots", "--keep-scores", "--model", str(tone_bundle.path)]
    arguments += ["--min-duration", "3", "-o", str(folder / "r.csv")]
    assert run(["scan", str(folder / "rec"), *arguments]) == 0
    truth = ["--truth", str(folder / "truth.csv"), "--folds", "3"]
    assert run(["tune", str(folder / "r.csv"), *truth]) == 0
    return folder


class TestScanRules:
    def scan(self, tones, name, *flags):
        arguments = ["scan", str(tones / "rec"), "--no-plots", "-o", f"{name}.csv"]
        return run([*arguments, *map(str, flags)])

    def rules(self, here, name):
        manifest = json.loads((here / name / "manifest.json").read_text())
        return manifest["settings"]["rules"]["tone"], manifest["settings"]["rules_from"]

    def test_counts_as_the_tuned_bundle_does(self, tones, tone_bundle, here):
        tuned = tones / "r" / "tuned"
        assert self.scan(tones, "one", "--model", tuned) == 0
        flags = ["--model", tone_bundle.path, "--rules", tuned / "rules.yaml"]
        assert self.scan(tones, "two", *flags) == 0
        assert (here / "one.csv").read_bytes() == (here / "two.csv").read_bytes()
        events = [(here / name / "events.csv").read_bytes() for name in ("one", "two")]
        assert events[0] == events[1]
        assert [row["calls"] for row in rows_of(here / "one.csv")] == ["2", "1", "0", "3", "1", "0"]
        assert {row["calls"] for row in rows_of(tones / "r.csv")} == {"0"}
        told = rows_of(tuned / "tuning_recordings.csv")
        assert [row["counted_fitted"] for row in told] == ["2", "1", "0", "3", "1", "0"]
        assert {row["counted_before"] for row in told} == {"0"}

    def test_the_manifest_names_the_bundle_by_its_whole_path(self, tones, tone_bundle):
        manifest = json.loads((tones / "r" / "manifest.json").read_text())
        assert manifest["bundle"]["path"] == str(tone_bundle.path)

    def test_what_comes_later_wins_and_the_manifest_says_so(self, tones, tone_bundle, here):
        (here / "rules.yaml").write_text("gap_s: 2\nmin_duration_s: 0.6\n")
        (here / "scan.yaml").write_text("gap_s: 1\nmin_duration_s: 0.5\nmax_duration_s: 9\n")
        model = ["--model", tone_bundle.path, "--config", "scan.yaml"]
        flags = [*model, "--rules", "rules.yaml", "--min-duration", "0.7"]
        assert self.scan(tones, "r", *flags) == 0
        rules, said = self.rules(here, "r")
        assert (rules["max_duration_s"], rules["gap_s"], rules["min_duration_s"]) == (9, 2, 0.7)
        assert rules["threshold"] == tone_bundle.spec.rules["tone"].threshold
        assert said == [
            "bundle",
            "--config: gap_s, max_duration_s, min_duration_s",
            f"--rules {here / 'rules.yaml'}",
            "flags: min_duration_s",
        ]

    def test_a_config_may_name_the_rules(self, tones, tone_bundle, here):
        (here / "rules.yaml").write_text("tone: {threshold: 0.8}\n")
        (here / "scan.yaml").write_text("rules: rules.yaml\nthreshold: 0.3\n")
        assert self.scan(tones, "r", "--model", tone_bundle.path, "--config", "scan.yaml") == 0
        rules, _ = self.rules(here, "r")
        own = tone_bundle.spec.rules["tone"]
        assert rules["threshold"] == 0.8
        assert rules["release"] == pytest.approx(0.8 * own.release / own.threshold)

    def test_without_a_file_the_rules_are_the_bundles(self, tones, tone_bundle, here):
        assert self.scan(tones, "r", "--model", tone_bundle.path) == 0
        rules, said = self.rules(here, "r")
        assert (EventRules(**rules), said) == (tone_bundle.spec.rules["tone"], ["bundle"])

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("treshold: 0.5", "unknown key 'treshold' (did you mean 'threshold'?)"),
            ("tone: {gap: 0.5}", "rules of tone: unknown key 'gap' (did you mean 'gap_s'?)"),
            ("threshold: 1.5", "'threshold' = 1.5: input should be less than 1"),
            ("threshold: high", "'threshold' = 'high'"),
            ("threshold:", "'threshold' = None"),
            ("gap_s: -1", "'gap_s' = -1"),
            ("{min_duration_s: 5, max_duration_s: 2}", "min_duration_s 5.0 is above"),
            ("tome: {gap_s: 1}", "no label 'tome' (did you mean 'tone'?), only: tone"),
            ("{gap_s: 1, tone: {threshold: 0.5}}", "mixes rules for all labels (gap_s)"),
            ("tone: 0.5", "0.5 is no set of rules for tone"),
            ("", "holds no rules"),
            ("- 1", "holds list, not settings"),
            ("a: [", "is not valid YAML"),
        ],
    )
    def test_a_wrong_file_is_one_clear_line(self, tones, tone_bundle, here, capsys, text, says):
        (here / "wrong.yaml").write_text(text)
        assert self.scan(tones, "r", "--model", tone_bundle.path, "--rules", "wrong.yaml") == 2
        said = refusal(capsys)
        assert says in said
        assert "wrong.yaml" in said
        assert [path.name for path in here.iterdir()] == ["wrong.yaml"]

    def test_a_missing_file_is_told(self, tones, tone_bundle, here, capsys):
        assert self.scan(tones, "r", "--model", tone_bundle.path, "--rules", "gone.yaml") == 2
        assert "cannot read gone.yaml" in refusal(capsys)
        assert self.scan(tones, "r", "--model", tone_bundle.path, "--rules", here) == 2
        assert f"is a folder. Name a file: {here / 'rules.yaml'}" in refusal(capsys)

    def test_one_set_serves_all_labels_and_named_sets_their_own(self, here):
        bundle = make_tone_bundle(here / "two", LABELS_HZ)
        write(here / "a.wav", calls(5.0, (2.0,)), MODEL_RATE_HZ, subtype="PCM_16")
        found = {}
        for name, text in (("all", "gap_s: 2"), ("low", "low: {gap_s: 2}")):
            (here / f"{name}.yaml").write_text(text)
            flags = ["--model", str(bundle.path), "--rules", f"{name}.yaml", "--no-plots"]
            assert run(["scan", "a.wav", "-o", f"{name}.csv", *flags]) == 0
            manifest = json.loads((here / name / "manifest.json").read_text())
            rules = manifest["settings"]["rules"]
            found[name] = (rules["low"]["gap_s"], rules["high"]["gap_s"])
        own = bundle.spec.rules["high"].gap_s
        assert found == {"all": (2, 2), "low": (2, own)}


RECORDINGS = st.lists(
    st.tuples(
        st.lists(st.sampled_from([0.05, 0.2, 0.45, 0.6, 0.9]), max_size=30),
        st.lists(st.tuples(st.integers(0, 30), st.integers(0, 8)), max_size=4),
    ),
    min_size=1,
    max_size=5,
)
SETS = st.builds(
    RuleCandidate,
    **{name: st.sampled_from(values) for name, values in GRID.items()},
)


class TestScoring:
    @settings(max_examples=200)
    @given(RECORDINGS, st.lists(SETS, min_size=1, max_size=3))
    def test_counts_on_one_line_what_the_scan_counts_one_by_one(self, drawn_ones, candidates):
        frame_s = TIMEBASE.frame_s
        recordings, truths = [], []
        for number, (scores, spans_frames) in enumerate(drawn_ones):
            spans_s = [(a * frame_s, (a + n) * frame_s) for a, n in spans_frames]
            times = np.array(spans_s).reshape(-1, 2)
            own = Intervals(np.full(len(times), number), times[:, 0], times[:, 1])
            recordings.append(
                AnnotatedScores(np.array(scores, np.float32), own, len(scores) * frame_s - 0.05)
            )
            truths.append(spans_s)
        scorer = RuleScorer(recordings, TIMEBASE, Criterion())
        for candidate in candidates:
            rules = candidate.rules(Scale(1.0, 1.5, TIMEBASE))
            expected, scores = [], []
            for one, truth in zip(recordings, truths, strict=True):
                events = decode(one.scores[:, None], ("x",), {"x": rules}, TIMEBASE, one.duration_s)
                found = [(event.start_s, event.end_s) for event in events]
                n_paired = len(match(found, truth, 0.3))
                mistaken = len(found) + len(truth) - 2 * n_paired
                expected.append(abs(len(found) - len(truth)) + EVENT_WEIGHT * mistaken)
                scores += [event.score for event in events]
            assert scorer.costs(rules).tolist() == expected
            assert table_costs(scorer.table(rules)).tolist() == expected
            assert scorer.events(rules).score.tolist() == scores

    @given(st.floats(0.001, 4000), st.floats(1, 5), st.sampled_from([128, 1024, 8000]), SETS)
    def test_calls_of_any_length_give_rules(self, typical_s, longer, hop_samples, candidate):
        timebase = Timebase(8000, hop_samples)
        rules = candidate.rules(Scale(typical_s, typical_s * longer, timebase))
        assert rules.min_duration_s <= rules.max_duration_s
        for name in ("gap_s", "part_s", "min_duration_s", "max_duration_s"):
            frames = getattr(rules, name) / timebase.frame_s
            assert frames == pytest.approx(round(frames), abs=0.1)
        ones = np.ones(50, np.float32)
        ones[25] = 0
        if rules.smooth_s:
            n_touched = int((smooth(ones, rules.smooth_s, timebase) < 1).sum())
            assert n_touched == min(round(rules.smooth_s / timebase.frame_s), 50)
        assert spans(np.zeros(50, np.float32), rules, timebase) == []

    @given(
        st.lists(st.integers(0, 9), min_size=2, max_size=40), st.integers(2, 8), st.integers(0, 9)
    )
    def test_folds_are_even_and_never_leave_a_side_without_calls(self, n_calls, n_folds, seed):
        n_calls = np.array(n_calls)
        if len(n_calls) < n_folds or (n_calls > 0).sum() < 2:
            with pytest.raises(CallcountError):
                deal_folds(n_calls, n_folds, seed)
            return
        fold = deal_folds(n_calls, n_folds, seed)
        sizes = np.bincount(fold, minlength=n_folds)
        assert sizes.max() - sizes.min() <= 1
        assert sizes.min() >= 1
        assert all(n_calls[fold != one].sum() > 0 for one in range(n_folds))
        assert deal_folds(n_calls, n_folds, seed).tolist() == fold.tolist()
