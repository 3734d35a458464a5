"""The Python API: what the commands do, as functions; its examples run here."""

import doctest
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from audio_files import write
from bundles import MODEL_RATE_HZ, calls
from outcomes import rows_of

import counter
import counter.api
import counter.tables.results
from counter.cli.main import run as run_command

STARTS_S = {"a.wav": (2.0, 5.0), "b.wav": ()}


@pytest.fixture
def season(tmp_path, monkeypatch, tone_bundle):
    """Two recordings and a bundle, in the folder that is worked in."""
    monkeypatch.chdir(tmp_path)
    Path("bundle").symlink_to(tone_bundle.path)
    Path("season").mkdir()
    for name, starts_s in STARTS_S.items():
        write(tmp_path / "season" / name, calls(9.0, starts_s), MODEL_RATE_HZ)
    return tmp_path


def write_truth():
    """Every call of the season, as a person would mark it."""
    rows = [f"{name},{at},{at + 1.5}" for name, starts_s in STARTS_S.items() for at in starts_s]
    Path("truth.csv").write_text("\n".join(["recording,start_s,end_s", *rows]), encoding="utf-8")


def test_every_public_name_is_there_and_told_of():
    assert sorted(counter.__all__) == counter.__all__
    for name in counter.__all__:
        assert getattr(counter, name).__doc__
    assert set(counter.__all__) <= set(dir(counter))
    with pytest.raises(AttributeError, match="no attribute 'scan_everything'"):
        counter.scan_everything  # noqa: B018


@pytest.mark.parametrize("module", [counter.api, counter.tables.results])
def test_the_examples_give_what_they_say(season, module):
    assert run_command(["scan", "season", "--model", "bundle", "--no-plots"]) == 0
    assert run_command(["sample", "results.csv", "-n", "2"]) == 0
    table = pd.read_csv("sample/sample.csv")
    table.assign(true_calls=[2 if name == "a.wav" else 0 for name in table["recording"]]).to_csv(
        "sample/sample.csv", index=False
    )
    write_truth()
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    found = doctest.testmod(module, optionflags=flags)
    assert found.attempted > 0
    assert found.failed == 0


def test_a_folder_is_scanned_without_a_word_or_a_file(season, capfd):
    before = sorted(season.rglob("*"))
    run = counter.scan_folder("season", model="bundle", timezone="+02:00")
    assert {one.recording.name: one.calls() for one in run} == {"a.wav": 2, "b.wav": 0}
    results = run.results
    del run
    assert results.counts["calls"].tolist() == [2, 0]
    assert results.events["start_s"].round().tolist() == [2, 5]
    assert sorted(season.rglob("*")) == before
    assert capfd.readouterr() == ("", "")


def test_with_an_output_it_writes_what_the_command_writes(season):
    assert run_command(["scan", "season", "--model", "bundle", "-o", "one.csv"]) == 0
    for _ in counter.scan_folder("season", model="bundle", output="two.csv"):
        pass
    assert Path("one.csv").read_bytes() == Path("two.csv").read_bytes()
    for name in ("events.csv", "recordings.csv", "summary_site.csv", "plots/a.wav.png"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()


def test_a_run_that_is_left_goes_on(season):
    for number in range(6):
        write(season / "season" / f"c{number}.wav", calls(9.0, (3.0,)), MODEL_RATE_HZ)
    first = next(iter(counter.scan_folder("season", model="bundle", output="r.csv", jobs=1)))
    again = [
        one.recording.name
        for one in counter.scan_folder("season", model="bundle", output="r.csv", jobs=1)
    ]
    assert first.recording.name not in again
    assert sum(int(row["calls"]) for row in rows_of(Path("r.csv"))) == 8


def test_times_are_times(season):
    write(season / "season" / "R_20240331_015958.wav", calls(9.0, (1.0, 6.0)), MODEL_RATE_HZ)
    run = counter.scan_folder(
        "season", model="bundle", timezone="Europe/Paris", formats=["jsonl"], output="r.csv"
    )
    assert len(list(run)) == 3
    events = run.results.events
    of_night = events[events["site"] == "R"]
    # an hour is skipped that night: 01:59:59 and then 03:00:04
    assert of_night["start_local"].dt.hour.tolist() == [1, 3]
    assert str(of_night["start_utc"].dt.tz) == "UTC"
    assert of_night["start_utc"].dt.floor("min").dt.strftime("%H:%M").tolist() == ["00:59", "01:00"]
    assert events.loc[events["site"] == "", "start_utc"].isna().all()
    assert run.results.effort["effort_s"].tolist() == pytest.approx([9.0, 9.0, 9.0])


def test_a_failed_recording_has_no_number(season):
    Path("season/broken.wav").write_bytes(b"no sound")
    run = counter.scan_folder("season", model="bundle")
    statuses = {one.recording.name: one.status for one in run}
    assert statuses["broken.wav"] == "failed"
    counts = run.results.counts.set_index("recording")
    assert counts.loc["broken.wav", "calls"] is pd.NA
    assert counts.loc["b.wav", "calls"] == 0
    assert counts["calls"].sum() == 2


def test_one_recording_is_scanned_as_in_a_folder(season):
    bundle = counter.load_bundle("bundle")
    (in_folder,) = (
        one
        for one in counter.scan_folder("season", model="bundle")
        if one.recording.name == "a.wav"
    )
    alone = counter.scan_recording("season/a.wav", bundle, keep_scores=True)
    assert alone.events == in_folder.events
    assert alone.scores.shape[1] == 1
    assert np.isfinite(alone.scores).all()
    assert counter.scan_recording("season/a.wav", bundle, min_duration_s=4.0).calls() == 0


@pytest.fixture
def scanned(season):
    """A scan that kept its scores, with one call marked that it cannot find."""
    command = ["scan", "season", "--model", "bundle", "--no-plots", "--keep-scores"]
    assert run_command(command) == 0
    write_truth()
    with Path("truth.csv").open("a", encoding="utf-8") as file:
        file.write("\nb.wav,6.0,7.5")
    return season


def test_an_evaluation_is_what_the_command_writes_without_a_word_or_a_file(scanned, capfd):
    capfd.readouterr()
    before = sorted(scanned.rglob("*"))
    evaluation = counter.evaluate("results.csv", "truth.csv")
    frames = evaluation.measures, evaluation.recordings, evaluation.thresholds
    assert sorted(scanned.rglob("*")) == before
    assert capfd.readouterr() == ("", "")
    assert run_command(["evaluate", "results.csv", "--truth", "truth.csv"]) == 0
    for frame, name in zip(frames, ("evaluation.csv", "per_recording.csv"), strict=False):
        written = pd.read_csv(Path("results/evaluation", name))
        pd.testing.assert_frame_equal(frame, written, check_dtype=False)
    written = json.loads(Path("results/evaluation/evaluation.json").read_text(encoding="utf-8"))
    curve = written["thresholds"]["tone"]
    assert frames[2]["threshold"].round(6).tolist() == curve["thresholds"]
    assert frames[2]["count_error"].round(6).tolist() == curve["count_error"]
    assert set(frames[2]["label"]) == {"tone"}


def test_an_evaluation_says_what_was_missed_and_what_it_took_for_granted(scanned):
    evaluation = counter.evaluate(counter.read_results("results.csv"), Path("truth.csv"))
    table = evaluation.recordings.set_index("recording")
    assert table["true_calls"].to_dict() == {"a.wav": 2, "b.wav": 1}
    assert table["missed"].to_dict() == {"a.wav": 0, "b.wav": 1}
    values = evaluation.measures.set_index("measure")["value"]
    assert values["recall"] == pytest.approx(2 / 3, abs=1e-6)
    assert values["count_bias"] == -0.5
    Path("truth.csv").write_text("recording,start_s,end_s\na.wav,2.0,3.5\ngone.wav,1,2\n")
    evaluation = counter.evaluate("results.csv", "truth.csv", partial=True)
    assert evaluation.remarks[0] == "left out 1 recordings that were not scanned"


def test_an_evaluation_without_kept_scores_has_no_thresholds(season):
    assert run_command(["scan", "season", "--model", "bundle", "--no-plots"]) == 0
    write_truth()
    evaluation = counter.evaluate("results.csv", "truth.csv", collar_s=0.5)
    assert evaluation.thresholds.empty
    assert list(evaluation.thresholds.columns)[:2] == ["label", "threshold"]
    assert evaluation.criterion.collar_s == 0.5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"iou": 0.5, "collar_s": 1.0}, "exclude each other"),
        ({"iou": 0.0}, "IoU"),
        ({"iou": 1.1}, "IoU"),
        ({"iou": float("nan")}, "IoU"),
        ({"collar_s": 0.0}, "collar"),
        ({"collar_s": float("inf")}, "collar"),
        ({}, "gone.csv"),
    ],
)
def test_an_evaluation_with_a_wrong_setting_is_refused(scanned, settings, words):
    with pytest.raises(counter.CallcountError, match=words) as caught:
        counter.evaluate("results.csv", "truth.csv" if settings else "gone.csv", **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: counter.scan_folder("nowhere", model="bundle"), "nowhere"),
        (lambda: counter.scan_folder("season", model="bundle", thresold=0.4), "threshold"),
        (lambda: counter.scan_folder("season", model="gone"), "no bundle at gone"),
        (lambda: counter.scan_recording("season"), "is a folder"),
        (lambda: counter.read_results("season.csv"), "no results of a scan"),
        (lambda: counter.load_bundle("season"), "is no bundle"),
    ],
)
def test_a_mistake_is_an_error_of_one_line(season, call, words):
    with pytest.raises(counter.CallcountError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_the_package_loads_at_once_and_the_api_when_it_is_asked_for():
    code = (
        "import sys, counter; n = len(sys.modules); assert 'numpy' not in sys.modules\n"
        "counter.read_results; assert 'numpy' in sys.modules and 'tensorflow' not in sys.modules"
    )
    root = str(Path(counter.__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root})
    assert done.returncode == 0
