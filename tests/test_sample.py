"""callcount sample and callcount estimate, from a scan to the corrected count."""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile as sf
from audio_files import write
from bundles import MODEL_RATE_HZ, TONE_HZ, calls
from outcomes import refusal, rows_of

from counter.audio.clips import read_spans
from counter.bundle import read_bundle
from counter.cli.main import run
from counter.estimation.sample_table import MARGIN_S
from counter.plots.clip_plot import ClipFacts, draw_clip

# The model hears the tones of TONE_HZ and misses the ones of another pitch.
TONES_S = {"east/a.wav": (3.0, 8.0, 25.0), "east/b.wav": (), "west/c.wav": (4.0, 16.0)}
MISSED_S = {"east/b.wav": (12.0,)}
DURATION_S = 40.0
N_STRETCHES = 12


def true_calls(row):
    start_s, end_s = float(row["start_s"]), float(row["end_s"])
    starts_s = (*TONES_S[row["recording"]], *MISSED_S.get(row["recording"], ()))
    return sum(start_s <= one + 0.75 < end_s for one in starts_s)


def fill(path, answer=true_calls, n_rows=None, delimiter=","):
    rows = rows_of(path)
    for row in rows[:n_rows]:
        row["true_calls"] = answer(row)
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        out = csv.DictWriter(file, rows[0], delimiter=delimiter)
        out.writeheader()
        out.writerows(rows)


@pytest.fixture(scope="module")
def scanned(tone_bundle, tmp_path_factory):
    """A folder with recordings, their results and a table of their days."""
    folder = tmp_path_factory.mktemp("season")
    for name, starts_s in TONES_S.items():
        (folder / "rec" / name).parent.mkdir(parents=True, exist_ok=True)
        sound = calls(DURATION_S, starts_s)
        sound += calls(DURATION_S, MISSED_S.get(name, ()), hz=3500.0)
        write(folder / "rec" / name, sound, MODEL_RATE_HZ, subtype="PCM_16")
    arguments = ["-o", str(folder / "r.csv"), "--no-plots", "--model", str(tone_bundle.path)]
    assert run(["scan", str(folder / "rec"), *arguments]) == 0
    days = "recording,day\neast/a.wav,1\nb,2\nwest/c.wav,2\n"
    (folder / "recordings.csv").write_text(days, encoding="utf-8")
    return folder


@pytest.fixture
def work(scanned, tmp_path, monkeypatch):
    """A folder of one's own, in which ``r.csv`` is the scan."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(scanned / "r.csv", "r.csv")
    shutil.copytree(scanned / "r", "r")
    shutil.copy(scanned / "recordings.csv", "recordings.csv")
    return tmp_path


def draw(*arguments, n=N_STRETCHES):
    return run(["sample", "r.csv", "-n", str(n), *map(str, arguments)])


def estimate(*arguments):
    return run(["estimate", "r.csv", "sample/sample.csv", *map(str, arguments)])


class TestSample:
    def test_leaves_a_table_clips_and_spectrograms(self, work, scanned):
        assert draw(n=8) == 0
        rows = rows_of(work / "sample" / "sample.csv")
        assert len(rows) == 8
        assert list(rows[0])[:4] == ["check", "recording", "start_s", "end_s"]
        assert {row["true_calls"] for row in rows} == {""}
        assert {row["stratum"] for row in rows} <= {"east", "west"}
        for row in rows:
            assert 0 < float(row["inclusion_probability"]) <= 1
            picture = (work / "sample" / row["picture"]).read_bytes()
            assert picture.startswith(b"\x89PNG\r\n\x1a\n")
            clip, rate_hz = sf.read(work / "sample" / row["clip"])
            whole, _ = sf.read(scanned / "rec" / row["recording"])
            first = max(0, round((float(row["start_s"]) - MARGIN_S) * rate_hz))
            stop = round((float(row["end_s"]) + MARGIN_S) * rate_hz)
            np.testing.assert_allclose(clip, whole[first:stop], atol=2e-4)

    def test_equal_seeds_draw_equal_tables(self, work):
        for name, seed in (("one", 4), ("same", 4), ("other", 5)):
            assert draw("-o", name, "--seed", seed, n=8) == 0
        one, same, other = (
            rows_of(work / name / "sample.csv") for name in ("one", "same", "other")
        )
        assert one == same
        assert one != other

    def test_strata_by_a_column_of_a_table(self, work):
        assert draw("--by", "day", "--recordings", "recordings.csv") == 0
        found = {row["recording"]: row["stratum"] for row in rows_of(work / "sample/sample.csv")}
        assert found == {"east/a.wav": "1", "east/b.wav": "2", "west/c.wav": "2"}

    def test_strata_by_recording(self, work):
        assert draw("--by", "recording") == 0
        assert all(
            row["stratum"] == row["recording"] for row in rows_of(work / "sample/sample.csv")
        )

    def test_a_sample_is_never_overwritten(self, work, capsys):
        assert draw(n=8) == 0
        fill(work / "sample" / "sample.csv")
        before = (work / "sample" / "sample.csv").read_bytes()
        assert draw(n=8) == 2
        assert "sample exists already" in refusal(capsys)
        assert (work / "sample" / "sample.csv").read_bytes() == before

    def test_recordings_that_are_gone_are_named(self, work, capsys, scanned):
        manifest = json.loads((work / "r/manifest.json").read_text())
        manifest["settings"]["paths"] = [str(work / "moved")]
        (work / "r/manifest.json").write_text(json.dumps(manifest))
        assert draw(n=8) == 2
        said = refusal(capsys)
        assert "no longer where they were scanned" in said
        assert "--audio" in said
        assert not (work / "sample").exists()
        assert draw("--audio", scanned / "rec", n=8) == 0

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--by", "site"], "holds no site for 3 of the scanned recordings"),
            (["--by", "dya", "--recordings", "recordings.csv"], "did you mean 'day'"),
            (["--by", "day", "--recordings", "none.csv"], "cannot read none.csv"),
            (["--label", "tome"], "did you mean 'tone'"),
            (["-n", "1"], "1 checks are too few for 4 cells"),
        ],
    )
    def test_bad_flags(self, work, capsys, arguments, message):
        assert draw(*arguments) == 2
        assert message in refusal(capsys)
        assert sorted(path.name for path in work.iterdir()) == ["r", "r.csv", "recordings.csv"]

    def test_results_of_an_earlier_scan_have_no_table_of_their_own(self, work, capsys):
        (work / "r" / "recordings.csv").unlink()
        assert draw("--by", "site") == 2
        assert "neither folder nor recording" in refusal(capsys)

    def test_a_recording_without_a_stratum_is_named(self, work, capsys):
        (work / "recordings.csv").write_text("recording,day\na,1\nc,\n", encoding="utf-8")
        assert draw("--by", "day", "--recordings", "recordings.csv") == 2
        assert "no day for 2 of the scanned recordings: east/b.wav, west/c.wav" in refusal(capsys)

    def test_spans_do_not_depend_on_blocks(self, tmp_path):
        sound = np.random.default_rng(0).uniform(-0.5, 0.5, 100_000).astype(np.float32)
        write(tmp_path / "x.wav", sound, MODEL_RATE_HZ, subtype="FLOAT")
        spans = [(0, 10), (5, 40_000), (30_000, 30_100), (90_000, 120_000), (110_000, 120_000)]
        found = list(read_spans(tmp_path / "x.wav", MODEL_RATE_HZ, spans))
        for (first, stop), clip in zip(spans, found, strict=True):
            np.testing.assert_array_equal(clip, sound[first:stop])

    @pytest.mark.parametrize("n_samples", [1, 800, 100_000])
    def test_a_clip_of_any_length_can_be_drawn(self, tmp_path, n_samples):
        end_s = 3.0 + n_samples / MODEL_RATE_HZ
        facts = ClipFacts("x", "?", MODEL_RATE_HZ, 3.0, 3.0, end_s, "clip", 4000.0)
        draw_clip(np.zeros(n_samples, np.float32), facts, tmp_path / "x.png")
        assert (tmp_path / "x.png").stat().st_size > 1000


class TestEstimate:
    def test_all_checked_gives_the_exact_count(self, work, capsys):
        assert draw() == 0
        fill(work / "sample" / "sample.csv")
        assert estimate() == 0
        assert "all" in capsys.readouterr().out
        rows = {row["stratum"]: row for row in rows_of(work / "sample" / "estimate.csv")}
        for name, counted, correct in (("all", 5, 6), ("east", 3, 4), ("west", 2, 2)):
            told = [float(rows[name][key]) for key in ("model_calls", "calls", "low", "high")]
            assert told == pytest.approx([counted, correct, correct, correct])
        assert float(rows["all"]["correction"]) == pytest.approx(1.2)
        assert rows["all"]["too_wide"] == "no"
        data = json.loads((work / "sample" / "estimate.json").read_text())
        assert data["all"]["share_verified"] == 1
        assert data["share_of_stretches_with_calls"]["value"] == pytest.approx(5 / 12)

    def test_apart_by_another_column(self, work):
        assert draw() == 0
        fill(work / "sample" / "sample.csv", delimiter=";")
        assert estimate("--by", "day", "--recordings", "recordings.csv", "-o", "by.csv") == 0
        calls_of = {row["stratum"]: float(row["calls"]) for row in rows_of(work / "by.csv")}
        assert calls_of == pytest.approx({"all": 6, "1": 3, "2": 3})

    def test_a_half_filled_table_is_used_and_said(self, work, capsys):
        assert draw(n=10) == 0
        fill(work / "sample" / "sample.csv", n_rows=8)
        assert estimate() == 0
        assert "8 of 10 rows are filled in" in capsys.readouterr().err
        data = json.loads((work / "sample" / "estimate.json").read_text())
        assert data["checks"] == {"filled_in": 8, "planned": 10}
        assert data["all"]["high"] > data["all"]["low"]

    def test_a_stratum_without_checks_has_no_estimate(self, work, capsys):
        assert draw() == 0
        fill(
            work / "sample" / "sample.csv",
            lambda row: "" if row["stratum"] == "west" else true_calls(row),
        )
        assert estimate() == 0
        said = capsys.readouterr()
        assert "no estimate, nor in the sum: west" in said.err
        rows = {row["stratum"]: row for row in rows_of(work / "sample" / "estimate.csv")}
        assert rows["west"]["calls"] == ""
        assert float(rows["all"]["model_calls"]) == 3
        # Only the calls of the stratum that was checked; the rest is not made up.
        assert float(rows["all"]["calls"]) == pytest.approx(4)

    @pytest.mark.parametrize("answer", ["two", "-1", "1.5", "nan", "1,5"])
    def test_an_answer_that_is_no_count_is_named(self, work, capsys, answer):
        assert draw(n=8) == 0
        fill(work / "sample" / "sample.csv", lambda row: answer if row["check"] == "3" else 0)
        assert estimate() == 2
        said = refusal(capsys)
        assert f"sample.csv, row 4: true_calls {answer!r}" in said
        assert not (work / "sample" / "estimate.csv").exists()

    def test_an_empty_table_is_refused(self, work, capsys):
        assert draw(n=8) == 0
        assert estimate() == 2
        assert "true_calls is empty in every row" in refusal(capsys)

    def test_results_of_another_bundle_are_refused(self, work, capsys):
        assert draw(n=8) == 0
        fill(work / "sample" / "sample.csv")
        manifest = json.loads((work / "r/manifest.json").read_text())
        manifest["bundle"]["hash"] = "0123456789abcdef"
        (work / "r/manifest.json").write_text(json.dumps(manifest))
        assert estimate() == 2
        assert "different bundles (01234567 and" in refusal(capsys)

    def test_results_that_changed_are_refused(self, work, capsys, scanned, tone_bundle):
        assert draw() == 0
        fill(work / "sample" / "sample.csv")
        arguments = ["--no-plots", "--model", str(tone_bundle.path), "--min-duration", "20"]
        assert run(["scan", str(scanned / "rec"), "-o", "r.csv", *arguments]) == 0
        assert estimate() == 2
        assert "has changed since" in refusal(capsys)

    def test_checks_of_one_half_alone_are_refused(self, work, capsys):
        assert draw() == 0
        fill(
            work / "sample" / "sample.csv",
            lambda row: true_calls(row) if row["model_calls"] != "0" else "",
        )
        assert estimate() == 2
        assert "no stretch without detections was checked" in refusal(capsys)

    def test_rows_may_be_sorted_and_lost(self, work):
        assert draw() == 0
        path = work / "sample" / "sample.csv"
        fill(path)
        head, *rows = path.read_text(encoding="utf-8-sig").splitlines()
        path.write_text("\n".join([head, *sorted(rows)]) + "\n", encoding="utf-8")
        assert estimate() == 0
        assert float(rows_of(work / "sample/estimate.csv")[0]["calls"]) == pytest.approx(6)
        path.write_text("\n".join([head, *sorted(rows)[:-1]]) + "\n", encoding="utf-8")
        assert estimate() == 0
        assert rows_of(work / "sample/estimate.csv")[0]["checked"] == str(N_STRETCHES - 1)

    def test_a_row_twice_or_of_another_sample_is_refused(self, work, capsys):
        assert draw(n=8) == 0
        path = work / "sample" / "sample.csv"
        fill(path)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        path.write_text("\n".join([*lines, lines[1]]), encoding="utf-8")
        assert estimate() == 2
        assert "row 10: check 1 stands there twice" in refusal(capsys)
        path.write_text("\n".join([*lines, "99" + lines[1][1:]]), encoding="utf-8")
        assert estimate() == 2
        assert "row 10: check '99'" in refusal(capsys)

    def test_other_files_are_not_replaced(self, work, capsys):
        assert draw(n=8) == 0
        fill(work / "sample" / "sample.csv")
        (work / "mine.csv").write_text("a,b\n", encoding="utf-8")
        for name, message in (("mine.csv", "no estimate of callcount's"), ("x.txt", "not end in")):
            assert estimate("-o", name) == 2
            assert message in refusal(capsys)
        assert (work / "mine.csv").read_text() == "a,b\n"

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("sample", "is a folder. Name the table in it, as sample/sample.csv."),
            ("none.csv", "there is no table of a sample at none.csv. Check the path."),
        ],
    )
    def test_what_is_no_sample_is_refused(self, work, capsys, name, told):
        assert draw(n=8) == 0
        assert run(["estimate", "r.csv", name]) == 2
        assert told in refusal(capsys)


class TestCalibrate:
    def test_a_new_bundle_gives_probabilities(self, work, capsys, scanned, tone_bundle):
        assert draw() == 0
        # A person who hears no call in the west: two false alarms.
        fill(
            work / "sample" / "sample.csv",
            lambda row: 0 if row["stratum"] == "west" else true_calls(row),
        )
        assert estimate("--calibrate", "calibrated") == 0
        assert "Calibrated (platt) on 5 verified events, 3 of them calls" in capsys.readouterr().out
        made = read_bundle(work / "calibrated")
        assert made.spec.calibration["tone"].method == "platt"
        assert made.spec.provenance["calibrated_from"] == tone_bundle.sha256
        assert made.spec.rules == tone_bundle.spec.rules
        assert read_bundle(tone_bundle.path).sha256 == tone_bundle.sha256
        assert (work / "calibrated" / "reliability.png").is_file()
        arguments = ["-o", "again.csv", "--no-plots", "--model", "calibrated"]
        assert run(["scan", str(scanned / "rec"), *arguments]) == 0
        before, after = rows_of(work / "r/events.csv"), rows_of(work / "again/events.csv")
        assert "probability" not in before[0]
        chances = [float(row.pop("probability")) for row in after]
        assert after == before
        assert all(0 < chance < 1 for chance in chances)
        assert run(["sample", "again.csv", "-n", "6", "-o", "second"]) == 0

    def test_calls_alone_cannot_be_calibrated(self, work, capsys):
        assert draw() == 0
        fill(work / "sample" / "sample.csv")
        assert estimate("--calibrate", "calibrated") == 2
        assert "each of the 5 verified events is a call" in refusal(capsys)
        assert not (work / "calibrated").exists()


def test_the_model_hears_what_these_tests_say(scanned):
    assert TONE_HZ != 3500.0
    counted = {row["recording"]: int(row["calls"]) for row in rows_of(scanned / "r.csv")}
    assert counted == {name: len(starts) for name, starts in TONES_S.items()}
