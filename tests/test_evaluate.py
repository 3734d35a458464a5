"""Evaluation: pairs, kinds of error, figures, intervals, thresholds, and the command."""

import json
import re

import numpy as np
import pytest
from audio_files import write
from bundles import LABELS_HZ, MODEL_RATE_HZ, calls
from bundles import tone_bundle as make_tone_bundle
from hypothesis import given
from hypothesis import strategies as st
from outcomes import is_wide_picture, refusal, rows_of
from reference_matching import match

from counter.cli.main import run
from counter.evaluation.comparison import KINDS, MEASURES, Tallies, compare, measures
from counter.evaluation.rule_scoring import AnnotatedScores, threshold_curve, threshold_grid
from counter.events.decoding import decode
from counter.events.matching import Criterion, Intervals, Scene, pair
from counter.events.rules import EventRules
from counter.timebase import Timebase

IOU = Criterion()
TENTH = Timebase(1000, 100)


def intervals(spans, groups=None):
    times = np.array(spans, dtype=np.float64).reshape(-1, 2)
    group = np.zeros(len(times), np.int64) if groups is None else np.array(groups, np.int64)
    return Intervals(group, times[:, 0], times[:, 1])


def tallied(events, truth, criterion=IOU):
    """Tallies of one recording and one label, by kind."""
    scene = Scene(("a",), ("x",), intervals(events), intervals(truth))
    return dict(zip(KINDS, compare(scene, criterion).table[0, 0].tolist(), strict=True))


SPANS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 8)).map(lambda x: (x[0], x[0] + x[1])),
    max_size=10,
)
GROUPED = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 30), st.integers(0, 8)), max_size=25
).map(lambda rows: [(group, (start, start + length)) for group, start, length in rows])
SHARES = st.sampled_from([0.1, 0.3, 0.5, 1.0])


class TestPairing:
    @given(GROUPED, GROUPED, SHARES)
    def test_pairs_are_as_many_as_can_be_in_every_group(self, events, truth, iou):
        pairing = pair(
            intervals([span for _, span in events], [group for group, _ in events]),
            intervals([span for _, span in truth], [group for group, _ in truth]),
            Criterion(iou),
        )
        for group in range(4):
            here = [n for n, (own, _) in enumerate(events) if own == group]
            found = match(
                [events[n][1] for n in here], [span for own, span in truth if own == group], iou
            )
            assert int((pairing.call_of[here] >= 0).sum()) == len(found)
        chosen = pairing.call_of[pairing.call_of >= 0]
        assert len(set(chosen.tolist())) == len(chosen) == pairing.is_paired.sum()
        paired = zip(events, pairing.call_of.tolist(), strict=True)
        assert all(call < 0 or truth[call][0] == group for (group, _), call in paired)

    @given(GROUPED, GROUPED)
    def test_looking_at_few_pairs_at_a_time_changes_nothing(self, events, truth):
        sides = [
            intervals([span for _, span in rows], [group for group, _ in rows])
            for rows in (events, truth)
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("counter.events.matching._CHUNK", 2)
            few = pair(*sides, IOU)
        whole = pair(*sides, IOU)
        assert few.call_of.tolist() == whole.call_of.tolist()
        assert few.is_split.tolist() == whole.is_split.tolist()
        assert few.is_merged.tolist() == whole.is_merged.tolist()

    @pytest.mark.parametrize(
        ("event", "n_pairs"),
        [
            ((11.0, 14.0), 1),
            ((12.0, 14.0), 1),
            ((12.01, 14.0), 0),
            ((11.0, 15.0), 1),
            ((11.0, 15.01), 0),
            ((10.0, 13.0), 1),
        ],
    )
    def test_a_collar_bounds_start_and_end(self, event, n_pairs):
        assert tallied([event], [(11.0, 14.0)], Criterion(collar_s=1.0))["paired"] == n_pairs

    def test_the_end_of_a_long_call_may_differ_by_a_fifth_of_it(self):
        collar = Criterion(collar_s=1.0)
        assert tallied([(0, 24)], [(0, 20)], collar)["paired"] == 1
        assert tallied([(0, 24.1)], [(0, 20)], collar)["paired"] == 0

    def test_a_collar_is_not_lost_in_rounding(self):
        assert 2.2 - 1.2 > 1
        assert tallied([(2.2, 5.0)], [(1.2, 4.0)], Criterion(collar_s=1.0))["paired"] == 1

    def test_a_collar_pairs_calls_without_length_and_overlap_does_not(self):
        assert tallied([(5, 5)], [(5, 5)], Criterion(collar_s=0.5))["paired"] == 1
        assert tallied([(5, 5)], [(5, 5)])["paired"] == 0


def brute_kinds(events, truth, pairing):
    """The kinds by their definition, pair by pair."""
    over = [[min(e[1], c[1]) > max(e[0], c[0]) for c in truth] for e in events]
    split = [
        pairing.call_of[e] < 0
        and any(
            over[e][c] and any(over[o][c] for o in range(len(events)) if o != e)
            for c in range(len(truth))
        )
        for e in range(len(events))
    ]
    merged = [
        not pairing.is_paired[c]
        and any(
            over[e][c] and any(over[e][o] for o in range(len(truth)) if o != c)
            for e in range(len(events))
        )
        for c in range(len(truth))
    ]
    return split, merged


class TestKinds:
    @pytest.mark.parametrize(
        ("events", "truth", "expected"),
        [
            ([], [], {}),
            ([(0, 4)], [], {"false": 1}),
            ([], [(0, 4)], {"missed": 1}),
            ([(0, 4)], [(0, 4)], {"paired": 1}),
            ([(0, 2), (2, 4)], [(0, 4)], {"paired": 1, "split": 1}),
            ([(0, 8)], [(0, 4), (4, 8)], {"paired": 1, "merged": 1}),
            ([(0, 10)], [(0, 1), (3, 4), (6, 7)], {"merged": 3, "false": 1}),
            ([(0, 1)], [(0, 10)], {"missed": 1, "false": 1}),
            ([(0, 1), (5, 6)], [(0, 10)], {"missed": 1, "split": 2}),
            ([(0, 4), (20, 24)], [(1, 4), (40, 44)], {"paired": 1, "false": 1, "missed": 1}),
            ([(0, 4)], [(4, 8)], {"false": 1, "missed": 1}),
        ],
    )
    def test_each_call_and_event_is_of_one_kind(self, events, truth, expected):
        found = tallied(events, truth)
        assert found.pop("true") == len(truth)
        assert found.pop("counted") == len(events)
        assert {kind: n for kind, n in found.items() if n} == expected

    @given(SPANS, SPANS, SHARES)
    def test_the_kinds_follow_their_definition_and_add_up(self, events, truth, iou):
        pairing = pair(intervals(events), intervals(truth), Criterion(iou))
        split, merged = brute_kinds(events, truth, pairing)
        assert pairing.is_split.tolist() == split
        assert pairing.is_merged.tolist() == merged
        found = tallied(events, truth, Criterion(iou))
        assert found["true"] == found["paired"] + found["missed"] + found["merged"]
        assert found["counted"] == found["paired"] + found["false"] + found["split"]

    @given(SPANS, SPANS, SHARES)
    def test_split_and_merged_are_each_other_seen_from_the_other_side(self, events, truth, iou):
        one = tallied(events, truth, Criterion(iou))
        other = tallied(truth, events, Criterion(iou))
        assert one["paired"] == other["paired"]
        assert one["true"] - one["counted"] == other["counted"] - other["true"]

    @given(SPANS)
    def test_what_matches_itself_has_no_error(self, spans):
        spans = [(start, end) for start, end in spans if end > start]
        found = tallied(spans, spans)
        assert found["paired"] == len(spans)
        assert found["missed"] == found["false"] == found["split"] == found["merged"] == 0

    def test_labels_and_recordings_do_not_mix(self):
        # the same times, but another label in the first recording and another recording
        events = intervals([(0, 4), (0, 4)], [0, 3])
        truth = intervals([(0, 4), (0, 4)], [1, 3])
        tallies = compare(Scene(("a", "b"), ("x", "y"), events, truth), IOU)
        assert tallies.of("x")[:, :3].tolist() == [[0, 1, 0], [0, 0, 0]]
        assert tallies.of("y")[:, :3].tolist() == [[1, 0, 0], [1, 1, 1]]
        assert tallies.of(None)[:, :3].tolist() == [[1, 1, 0], [1, 1, 1]]

    def test_the_worst_recordings_come_first_and_faultless_ones_not_at_all(self):
        rows = [[2, 2, 2, 0, 0, 0, 0], [2, 2, 1, 1, 0, 1, 0], [0, 3, 0, 0, 0, 3, 0]]
        table = np.array([*rows, [2, 2, 0, 2, 0, 2, 0]])[:, None]
        assert Tallies(("a", "b", "c", "d"), ("x",), table).worst() == [2, 3, 1]


def table_of(*rows):
    """Rows of (true, counted, paired)."""
    table = np.zeros((len(rows), len(KINDS)), np.int64)
    if rows:
        table[:, :3] = rows
    return table


class TestMeasures:
    def test_against_figures_by_hand(self):
        # 3 recordings: 4 true 5 counted 4 paired; none at all; 2 true 1 counted 1 paired
        found = measures(table_of((4, 5, 4), (0, 0, 0), (2, 1, 1)))
        values = {name: one.value for name, one in found.items()}
        assert values == pytest.approx(
            {
                "precision": 5 / 6,
                "recall": 5 / 6,
                "f1": 5 / 6,
                "count_error": 2 / 3,
                "count_bias": 0.0,
                "share_exact": 1 / 3,
                "count_correlation": np.corrcoef([4, 0, 2], [5, 0, 1])[0, 1],
            }
        )

    def test_nothing_where_nothing_is_is_right(self):
        found = measures(table_of((0, 0, 0), (0, 0, 0)))
        for name in ("precision", "recall", "f1", "share_exact"):
            assert (found[name].value, found[name].low, found[name].high) == (1.0, 1.0, 1.0)
        assert found["count_error"].value == 0
        assert found["count_correlation"].value is None

    @pytest.mark.parametrize(
        ("row", "expected"), [((0, 2, 0), (0.0, 1.0, 0.0)), ((2, 0, 0), (1.0, 0.0, 0.0))]
    )
    def test_one_side_empty(self, row, expected):
        found = measures(table_of(row))
        assert tuple(found[name].value for name in ("precision", "recall", "f1")) == expected

    @pytest.mark.parametrize("n", [0, 1])
    def test_no_interval_without_two_recordings(self, n):
        found = measures(table_of(*[(1, 1, 1)] * n))
        assert all(one.low is None and one.high is None for one in found.values())

    def test_the_same_seed_gives_the_same_interval(self):
        table = np.random.default_rng(1).integers(0, 5, (30, len(KINDS)))
        assert measures(table, seed=3) == measures(table, seed=3)
        assert measures(table, seed=3) != measures(table, seed=4)

    def test_the_interval_of_a_mean_is_that_of_theory(self):
        rng = np.random.default_rng(0)
        late = rng.poisson(3, 400)
        found = measures(table_of(*[(0, int(n), 0) for n in late]))["count_bias"]
        half = 1.96 * late.std() / np.sqrt(len(late))
        assert found.value == pytest.approx(late.mean())
        assert found.low == pytest.approx(late.mean() - half, abs=0.15 * half)
        assert found.high == pytest.approx(late.mean() + half, abs=0.15 * half)

    @given(st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=2, max_size=8))
    def test_intervals_hold_in_order_and_range(self, rows):
        found = measures(table_of(*[(true, n, min(true, n, paired)) for true, n, paired in rows]))
        assert set(found) == set(MEASURES)
        for name in ("precision", "recall", "f1", "share_exact"):
            one = found[name]
            assert 0 <= one.low <= one.high <= 1
            assert 0 <= one.value <= 1


class TestThresholds:
    RULES = EventRules(
        threshold=0.6, release=0.3, smooth_s=0.0, gap_s=0.0, min_duration_s=0.1, part_s=100
    )

    def recording(self, seed):
        rng = np.random.default_rng(seed)
        scores = np.repeat(rng.random(12), 10).astype(np.float32)
        starts = np.sort(rng.choice(11, 4, replace=False))
        return AnnotatedScores(scores, intervals([(n, n + 1) for n in starts]), 12.0)

    def test_every_point_is_what_a_scan_with_that_threshold_would_give(self):
        recordings = [self.recording(seed) for seed in range(6)]
        found = threshold_curve(recordings, self.RULES, TENTH, IOU)
        for place in range(0, len(found.thresholds), 5):
            rules = {"x": self.RULES.changed(threshold=float(found.thresholds[place]))}
            late, n_counted, n_true, n_paired = [], 0, 0, 0
            for one in recordings:
                events = decode(one.scores[:, None], ["x"], rules, TENTH, one.duration_s)
                times = [(event.start_s, event.end_s) for event in events]
                truth = list(zip(one.calls.start_s, one.calls.end_s, strict=True))
                late.append(len(times) - len(truth))
                n_counted, n_true = n_counted + len(times), n_true + len(truth)
                n_paired += len(match(times, truth, 0.3))
            assert found.count_bias[place] == pytest.approx(np.mean(late))
            assert found.count_error[place] == pytest.approx(np.mean(np.abs(late)))
            assert found.recall[place] == pytest.approx(n_paired / n_true)
            assert found.precision[place] == pytest.approx(
                n_paired / n_counted if n_counted else 1.0
            )

    def test_few_recordings_at_a_time_give_the_same_curve(self, monkeypatch):
        recordings = [self.recording(seed) for seed in range(6)]
        whole = threshold_curve(recordings, self.RULES, TENTH, IOU)
        monkeypatch.setattr("counter.evaluation.rule_scoring._BATCH_FRAMES", 200)
        few = threshold_curve(iter(recordings), self.RULES, TENTH, IOU)
        for name in ("precision", "recall", "f1", "count_bias", "count_error", "best"):
            assert np.array_equal(getattr(few, name), getattr(whole, name))

    def test_the_own_threshold_and_the_middle_of_the_best_are_marked(self):
        scores = np.full(100, 0.0001, np.float32)
        scores[20:30], scores[60:70] = 0.9, 0.4
        one = AnnotatedScores(scores, intervals([(2, 3)]), 10.0)
        found = threshold_curve([one], self.RULES, TENTH, IOU)
        assert found.thresholds[found.own] == 0.6
        right = np.flatnonzero(found.count_error == 0)
        assert np.all((found.thresholds[right] > 0.4) & (found.thresholds[right] <= 0.9))
        assert found.best == (right[0] + right[-1]) // 2
        assert found.f1[found.best] == 1

    def test_the_grid_rises_and_holds_the_own_threshold(self):
        thresholds = threshold_grid(EventRules(threshold=0.123, release=0.1))
        assert np.all(np.diff(thresholds) > 0)
        assert 0.123 in thresholds
        assert (thresholds[0], thresholds[-1]) == (0.01, 0.999)

    @pytest.mark.parametrize(
        "recordings", [[], [AnnotatedScores(np.zeros(0, np.float32), intervals([]), 0.0)]]
    )
    def test_no_recording_and_no_frame_are_right_at_every_threshold(self, recordings):
        found = threshold_curve(recordings, self.RULES, TENTH, IOU)
        assert set(found.f1) == set(found.recall) == set(found.precision) == {1.0}
        assert set(found.count_error) == {0.0}


# The command


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def scanned(work, tone_bundle):
    """Three recordings, scanned with their scores kept: with two calls, one, and none."""
    (work / "season" / "sub").mkdir(parents=True)
    for name, starts_s in (("a.wav", (2.0, 6.0)), ("sub/b.wav", (3.0,)), ("none.wav", ())):
        write(work / "season" / name, calls(10.0, starts_s), MODEL_RATE_HZ, subtype="PCM_16")
    flags = ["--no-plots", "--keep-scores", "--model", str(tone_bundle.path)]
    assert run(["scan", "season", "-o", "r.csv", *flags]) == 0
    return work / "r.csv"


def truth_of(work, *rows, header="recording,start_s,end_s"):
    path = work / "truth.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


RIGHT = ("a.wav,2,3.5", "a.wav,6,7.5", "b,3,4.5")


def evaluate(results, truth, *flags):
    return run(["evaluate", str(results), "--truth", str(truth), *flags])


def evaluated(folder):
    return json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))


class TestCommand:
    def test_a_faultless_scan_gets_full_marks_and_no_gallery(self, work, scanned, capsys):
        assert evaluate(scanned, truth_of(work, *RIGHT)) == 0
        folder = work / "r" / "evaluation"
        assert sorted(path.name for path in folder.iterdir()) == [
            "counts.png",
            "evaluation.csv",
            "evaluation.json",
            "per_recording.csv",
            "thresholds.png",
        ]
        found = evaluated(folder)["labels"]["tone"]
        assert found["totals"] == {
            "true": 3,
            "counted": 3,
            "paired": 3,
            "missed": 0,
            "merged": 0,
            "false": 0,
            "split": 0,
        }
        assert found["measures"]["f1"] == {"value": 1.0, "low95": 1.0, "high95": 1.0}
        said = capsys.readouterr()
        assert re.search(r"F1 +1\.000 +1\.000 to 1\.000", said.out)
        assert "1 of 3 recordings have no row" in said.err

    def test_errors_are_counted_listed_and_drawn(self, work, scanned):
        truth = truth_of(work, "a.wav,2,3.5", "none.wav,1,2", "sub/b.wav,3,4.5")
        assert evaluate(scanned, truth, "-o", "out") == 0
        for name in ("counts.png", "thresholds.png", "worst.png"):
            assert is_wide_picture(work / "out" / name)
        rows = {row["recording"]: row for row in rows_of(work / "out" / "per_recording.csv")}
        assert rows["a.wav"]["count_error"] == "1"
        assert rows["a.wav"]["false"] == "1"
        assert rows["none.wav"]["missed"] == "1"
        assert rows["sub/b.wav"]["paired"] == "1"
        measured = {row["measure"]: row for row in rows_of(work / "out" / "evaluation.csv")}
        assert float(measured["precision"]["value"]) == pytest.approx(2 / 3, abs=1e-6)
        assert float(measured["count_error"]["value"]) == pytest.approx(2 / 3, abs=1e-6)
        assert measured["false"]["low95"] == ""
        assert evaluated(work / "out")["worst"] == ["a.wav", "none.wav"]

    def test_at_the_own_threshold_the_curve_says_what_the_events_say(self, work, scanned):
        assert evaluate(scanned, truth_of(work, "a.wav,2,3.5"), "-o", "out") == 0
        found = evaluated(work / "out")
        line, figures = found["thresholds"]["tone"], found["labels"]["tone"]["measures"]
        own = line["thresholds"].index(line["own_threshold"])
        for name in ("precision", "recall", "f1", "count_bias", "count_error"):
            assert line[name][own] == pytest.approx(figures[name]["value"], abs=1e-5)

    def test_without_scores_there_is_no_curve_and_an_old_one_goes(self, work, scanned):
        truth = truth_of(work, *RIGHT)
        assert evaluate(scanned, truth) == 0
        (work / "r" / "scores.npz").unlink()
        assert evaluate(scanned, truth) == 0
        assert not (work / "r" / "evaluation" / "thresholds.png").exists()
        assert evaluated(work / "r" / "evaluation")["thresholds"] == {}

    def test_the_gallery_does_without_recordings_that_are_gone(self, work, scanned):
        (work / "season").rename(work / "elsewhere")
        assert evaluate(scanned, truth_of(work, "a.wav,2,3.5"), "-o", "out") == 0
        assert is_wide_picture(work / "out" / "worst.png")

    def test_a_collar_is_another_measure(self, work, scanned):
        truth = truth_of(work, "a.wav,2.8,4.3", "a.wav,6,7.5", "b,3,4.5")
        assert evaluate(scanned, truth, "--collar", "0.4", "-o", "out") == 0
        found = evaluated(work / "out")
        assert found["labels"]["tone"]["totals"]["paired"] == 2
        assert found["criterion"]["text"] == "start and end within 0.4 s"
        assert evaluate(scanned, truth, "--collar", "1.2", "-o", "out") == 0
        assert evaluated(work / "out")["labels"]["tone"]["totals"]["paired"] == 3

    def test_truth_about_what_was_not_scanned_is_an_error_unless_partial(
        self, work, scanned, capsys
    ):
        truth = truth_of(work, *RIGHT, "gone.wav,1,2", "lost.wav,1,2")
        assert evaluate(scanned, truth) == 2
        said = refusal(capsys)
        assert "names 2 recordings that are not here: gone.wav (row 5), lost.wav (row 6)" in said
        assert "--partial" in said
        assert not (work / "r" / "evaluation").exists()
        assert evaluate(scanned, truth, "--partial") == 0
        assert "left out 2 recordings that were not scanned" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ("a.wav,5,4", "row 2: the call ends at 4 s, before it starts"),
            ("a.wav,5,40", "row 2: the call ends at 40.0 s, but a.wav is only 10.000 s long"),
            ("a.wav,x,4", "row 2: 'x' is no time"),
        ],
    )
    def test_a_bad_row_of_truth_is_told(self, work, scanned, capsys, row, words):
        assert evaluate(scanned, truth_of(work, row)) == 2
        assert words in refusal(capsys)

    def test_a_label_that_was_not_scanned_for_is_told(self, work, scanned, capsys):
        header = "recording,start_s,end_s,label"
        truth = truth_of(work, "a.wav,2,3.5,tone", "a.wav,6,7.5,owl", header=header)
        assert evaluate(scanned, truth) == 2
        assert "row 3: 'owl' is no label of the scan (tone)" in refusal(capsys)
        assert evaluate(scanned, truth, "--partial") == 0
        assert "left out 1 calls of labels" in capsys.readouterr().err

    def test_a_folder_that_holds_something_else_is_left_alone(self, work, scanned, capsys):
        (work / "mine").mkdir()
        (work / "mine" / "notes.txt").write_text("x")
        truth = truth_of(work, *RIGHT)
        assert evaluate(scanned, truth, "-o", "mine") == 2
        assert "holds files that are no evaluation" in refusal(capsys)
        assert evaluate(scanned, truth, "-o", str(truth)) == 2
        assert "is a file" in refusal(capsys)
        assert [path.name for path in (work / "mine").iterdir()] == ["notes.txt"]

    def test_scores_of_another_scan_are_told(self, work, scanned, capsys):
        manifest = work / "r" / "manifest.json"
        data = json.loads(manifest.read_text())
        data["bundle"]["hash"] = "other"
        manifest.write_text(json.dumps(data))
        assert evaluate(scanned, truth_of(work, *RIGHT)) == 2
        assert "are not of one scan" in refusal(capsys)

    @pytest.mark.parametrize(
        "flags",
        [["--iou", "0"], ["--iou", "1.1"], ["--collar", "-1"], ["--iou", "0.3", "--collar", "1"]],
    )
    def test_flags_out_of_range_are_refused(self, work, scanned, flags):
        assert evaluate(scanned, truth_of(work, *RIGHT), *flags) == 2

    def test_no_results_or_no_truth_is_told(self, work, scanned, capsys):
        assert evaluate("gone.csv", truth_of(work)) == 2
        assert "no results of a scan at gone.csv" in refusal(capsys)
        assert evaluate(scanned, "gone.csv") == 2
        assert "no annotations at gone.csv" in refusal(capsys)

    def test_a_failed_recording_is_left_out(self, work, tone_bundle, capsys):
        (work / "season").mkdir()
        write(work / "season" / "a.wav", calls(5.0, (2.0,)), MODEL_RATE_HZ, subtype="PCM_16")
        (work / "season" / "bad.wav").write_text("no sound")
        arguments = ["-o", "r.csv", "--no-plots", "--model", str(tone_bundle.path)]
        assert run(["scan", "season", *arguments]) == 1
        assert evaluate("r.csv", truth_of(work, "bad.wav,1,2", "a.wav,2,3.5")) == 0
        assert evaluated(work / "r" / "evaluation")["recordings"] == 1
        assert "left out 1 that failed: bad.wav" in capsys.readouterr().err

    def test_several_labels_are_judged_apart_and_together(self, work, capsys):
        bundle = make_tone_bundle(work / "two", LABELS_HZ)
        (work / "season").mkdir()
        sound = calls(10.0, (2.0,)) + calls(10.0, (6.0,), hz=LABELS_HZ["high"])
        write(work / "season" / "a.wav", sound, MODEL_RATE_HZ, subtype="PCM_16")
        flags = ["--no-plots", "--keep-scores", "--model", str(bundle.path), "-o", "r.csv"]
        assert run(["scan", "season", *flags]) == 0
        header = "recording,start_s,end_s,label"
        # the second call under the wrong name: one missed, one false
        truth = truth_of(work, "a.wav,2,3.5,low", "a.wav,6,7.5,low", header=header)
        assert evaluate("r.csv", truth) == 0
        found = evaluated(work / "r" / "evaluation")["labels"]
        assert {label: one["totals"]["paired"] for label, one in found.items()} == {
            "low": 1,
            "high": 0,
            "all": 1,
        }
        assert found["low"]["totals"]["missed"] == 1
        assert found["high"]["totals"]["false"] == 1
        assert found["all"]["measures"]["f1"]["value"] == 0.5
        assert evaluate("r.csv", truth_of(work, "a.wav,2,3.5")) == 2
        assert "no label, but the scan has several: low, high" in refusal(capsys)
