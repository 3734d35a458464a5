"""The command line: what it writes, what it says, and with which exit code it ends."""

import json
import os
import re
import signal
import struct
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import bundles
import pytest
import yaml
from audio_files import write
from bundles import LABELS_HZ, MODEL_RATE_HZ, TONE_HZ, calls
from outcomes import refusal, rows_of

import counter
from counter.bundle import DEFAULT_FILE, MODEL_FILE, SPEC_FILE, read_bundle, write_bundle
from counter.cli import scan as scan_command
from counter.cli.main import run
from counter.scanning import run as scan_run

RESULT_HEADER = "recording,calls,duration_s,scanned_s,calls_per_hour,status,message"
EVENT_HEADER = (
    "recording,event,label,start_s,end_s,peak_s,score,low_hz,high_hz,"
    "start_time,start_utc,start_local,site"
)
SEASON = ["recordings.csv", "summary_day.csv", "summary_hour.csv", "summary_site.csv"]
PNG = b"\x89PNG\r\n\x1a\n"
ESCAPES = re.compile(r"[\x1b\r\x07\x08]")


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def tree(folder):
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


@pytest.fixture
def work(tmp_path, monkeypatch):
    """An empty folder to work in, with no model of its own."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def season(work):
    """Two recordings with calls, one without, in two folders."""
    (work / "season" / "sub").mkdir(parents=True)
    kind = {"subtype": "PCM_16"}
    write(work / "season" / "b two.wav", calls(8.0, (2.0, 5.0)), MODEL_RATE_HZ, **kind)
    write(work / "season" / "sub" / "none.wav", calls(4.0, ()), MODEL_RATE_HZ, **kind)
    write(work / "season" / "sub" / "one.wav", calls(6.0, (2.0,)), MODEL_RATE_HZ, **kind)
    return work / "season"


@pytest.fixture
def scan(tone_bundle):
    """Run ``callcount scan`` with the tone bundle and return its exit code."""

    def command(*arguments):
        return run(["scan", *map(str, arguments), "--model", str(tone_bundle.path)])

    return command


def started(*arguments, code=None, **options):
    """Start the command in an interpreter of its own, with the ``counter`` that the tests have."""
    environment = {**os.environ, "PYTHONPATH": str(Path(counter.__file__).parents[1])}
    command = ["-c", code] if code else ["-m", "counter.cli.main"]
    return subprocess.Popen(
        [sys.executable, *command, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_scan_leaves_its_tables_manifest_and_plots(work, season, scan):
    assert scan(season, "-o", "results.csv") == 0
    assert tree(work / "results") == [
        ".scan.lock",
        "events.csv",
        "journal.sqlite",
        "manifest.json",
        "plots/b_two.wav.png",
        "plots/overview.png",
        "plots/sub__none.wav.png",
        "plots/sub__one.wav.png",
        *SEASON,
    ]
    for picture in (work / "results" / "plots").iterdir():
        assert picture.read_bytes().startswith(PNG)
    assert not [name for name in tree(work) if ".tmp" in name]


def test_the_table_has_one_row_per_recording(season, scan):
    assert scan(season, "--no-plots") == 0
    assert lines(Path("results.csv")) == [
        RESULT_HEADER,
        "b two.wav,2,8.000,8.000,900.000,ok,",
        "sub/none.wav,0,4.000,4.000,0.000,ok,",
        "sub/one.wav,1,6.000,6.000,600.000,ok,",
    ]
    left = [".scan.lock", "events.csv", "journal.sqlite", "manifest.json", *SEASON]
    assert tree(Path("results")) == left


def test_the_events_have_one_row_per_call(season, scan, tone_bundle):
    assert scan(season, "--no-plots") == 0
    assert lines(Path("results/events.csv"))[0] == EVENT_HEADER
    found = rows_of(Path("results/events.csv"))
    assert [(row["recording"], row["event"], row["label"]) for row in found] == [
        ("b two.wav", "1", "tone"),
        ("b two.wav", "2", "tone"),
        ("sub/one.wav", "1", "tone"),
    ]
    for row, start_s in zip(found, (2.0, 5.0, 2.0), strict=True):
        assert float(row["start_s"]) == pytest.approx(start_s, abs=0.2)
        assert float(row["end_s"]) == pytest.approx(start_s + 1.5, abs=0.2)
        assert float(row["start_s"]) < float(row["peak_s"]) < float(row["end_s"])
        assert 0.5 <= float(row["score"]) <= 1
        assert float(row["low_hz"]) == tone_bundle.spec.low_hz
        assert float(row["high_hz"]) == tone_bundle.spec.high_hz


def test_no_event_leaves_the_header_alone(season, scan):
    assert scan(season / "sub" / "none.wav", "-o", "new/folder/quiet.csv") == 0
    assert lines(Path("new/folder/quiet/events.csv")) == [EVENT_HEADER]
    assert rows_of(Path("new/folder/quiet.csv"))[0]["calls"] == "0"


def test_several_labels_have_a_column_each(work, season, tmp_path):
    bundle = bundles.tone_bundle(tmp_path / "two", LABELS_HZ)
    sound = calls(9.0, (2.0, 5.0), hz=TONE_HZ) + calls(9.0, (3.9,), hz=LABELS_HZ["high"], call_s=1)
    write(work / "both.wav", sound, MODEL_RATE_HZ)
    command = ["scan", "both.wav", "season", "--model", str(bundle.path), "--no-plots"]
    assert run(command) == 0
    assert lines(work / "results.csv")[:2] == [
        RESULT_HEADER.replace("calls,", "calls,calls_low,calls_high,", 1),
        "both.wav,3,2,1,9.000,9.000,1200.000,ok,",
    ]
    events = rows_of(work / "results" / "events.csv")
    assert [row["label"] for row in events][:3] == ["low", "high", "low"]


def test_the_manifest_says_how_the_counts_came_about(work, season, scan, tone_bundle):
    assert scan(season, "--jobs", "1", "--threshold", "0.6") == 0
    manifest = json.loads((work / "results" / "manifest.json").read_text())
    assert set(manifest) == {
        "made_by",
        "format",
        "command",
        "versions",
        "bundle",
        "settings",
        "started",
        "wall_s",
        "audio_s",
        "times_real_time",
        "done_earlier",
        "counts",
        "inputs",
        "plots",
    }
    assert manifest["versions"]["callcount"] == version("callcount")
    assert manifest["bundle"]["hash"] == tone_bundle.sha256
    assert manifest["bundle"]["which"] == "given with --model"
    assert manifest["settings"]["jobs"] == 1
    assert manifest["settings"]["rules"]["tone"]["threshold"] == 0.6
    assert manifest["audio_s"] == 18.0
    assert manifest["wall_s"] > 0
    assert manifest["counts"] == {"ok": 3}
    assert manifest["plots"][0] == "overview.png"
    assert sorted(manifest["plots"]) == tree(work / "results" / "plots")
    names = [entry["name"] for entry in manifest["inputs"]]
    assert names == ["b two.wav", "sub/none.wav", "sub/one.wav"]
    assert manifest["inputs"][0]["size_bytes"] == (season / "b two.wav").stat().st_size
    assert manifest["inputs"][0]["modified"].endswith("Z")


def test_the_terminal_shows_model_counts_and_speed(season, scan, capsys, tone_bundle):
    assert scan(season, "--no-plots") == 0
    said = capsys.readouterr()
    assert f"Model made (given with --model: {tone_bundle.path})" in said.err
    assert re.search(r"b two\.wav +2 +8\.0 +ok", said.out)
    assert "3 calls in 3 recordings" in said.out
    assert "x real time" in said.out
    assert "results.csv" in said.out


def test_jobs_and_order_never_show(work, season, scan):
    files = [season / "b two.wav", season / "sub" / "one.wav", season / "sub" / "none.wav"]
    outputs = []
    for number, (jobs, given) in enumerate([(1, files), (4, files), (2, files[::-1])]):
        assert scan(*given, "--no-plots", "--jobs", jobs, "-o", f"{number}.csv") == 0
        events = lines(work / str(number) / "events.csv")
        outputs.append((sorted(lines(work / f"{number}.csv")), sorted(events)))
    assert outputs[0] == outputs[1] == outputs[2]


def test_every_bad_input_has_a_row_and_hides_no_other(work, season, scan, capsys):
    (season / "empty.wav").touch()
    (season / "text, with comma.wav").write_text("no sound")
    (season / "line\nbreak.wav").write_text("no sound")
    (season / "鳥.flac").symlink_to("nowhere")
    (season / "loop").symlink_to(season)
    whole = (season / "b two.wav").read_bytes()
    (season / "cut.wav").write_bytes(whole[: len(whole) // 2])
    assert scan(season) == 1
    found = {row["recording"]: row for row in rows_of(work / "results.csv")}
    bad = ("empty.wav", "text, with comma.wav", "line\nbreak.wav", "鳥.flac")
    assert set(found) == {"b two.wav", "sub/none.wav", "sub/one.wav", "cut.wav", *bad}
    for name in bad:
        assert (found[name]["status"], found[name]["calls"]) == ("failed", "")
        assert (found[name]["calls_per_hour"], found[name]["scanned_s"]) == ("", "0.000")
        assert found[name]["message"]
    assert (found["cut.wav"]["status"], found["cut.wav"]["calls"]) == ("truncated", "1")
    assert found["b two.wav"]["calls"] == "2"
    assert "4 failed: " in capsys.readouterr().err
    counts = json.loads((work / "results" / "manifest.json").read_text())["counts"]
    assert counts == {"failed": 4, "ok": 3, "truncated": 1}
    drawn = tree(work / "results" / "plots")
    assert "cut.wav.png" in drawn
    assert not [name for name in drawn if name.startswith(("empty", "text"))]


def test_only_bad_inputs_still_leave_every_file(work, scan):
    (work / "a.wav").touch()
    assert scan("a.wav") == 1
    assert rows_of(work / "results.csv")[0]["status"] == "failed"
    assert lines(work / "results" / "events.csv") == [EVENT_HEADER]
    left = [".scan.lock", "events.csv", "journal.sqlite", "manifest.json", "plots/overview.png"]
    assert tree(work / "results") == [*left, *SEASON]


def test_a_later_scan_replaces_the_earlier_one_and_leaves_the_rest(work, season, scan):
    assert scan(season) == 0
    (work / "results" / "notes.txt").write_text("mine")
    assert scan(season / "sub") == 0
    assert [row["recording"] for row in rows_of(work / "results.csv")] == ["none.wav", "one.wav"]
    assert tree(work / "results" / "plots") == ["none.wav.png", "one.wav.png", "overview.png"]
    assert (work / "results" / "notes.txt").read_text() == "mine"


def test_above_the_most_plots_those_with_most_calls_are_drawn(work, scan, monkeypatch, capsys):
    monkeypatch.setattr(scan_run, "MAX_PLOTS", 3)
    for index, n_calls in enumerate((1, 0, 3, 0, 2, 1)):
        starts_s = [1 + 3 * k for k in range(n_calls)]
        write(work / f"{index}.wav", calls(10.0, starts_s), MODEL_RATE_HZ)
    assert scan(work) == 0
    drawn = ["0.wav.png", "2.wav.png", "4.wav.png", "overview.png"]
    assert tree(work / "results" / "plots") == drawn
    assert "Drew the 3 recordings with most calls of 6." in capsys.readouterr().err
    assert sum(int(row["calls"]) for row in rows_of(work / "results.csv")) == 7


def test_flags_change_the_rules_in_the_direction_they_say(work, season, scan):
    def count(*flags):
        assert scan(season, "--no-plots", *flags) == 0
        return sum(int(row["calls"]) for row in rows_of(work / "results.csv"))

    assert count() == 3
    assert count("--gap", "3") == 2
    assert count("--min-duration", "2.5") == 0
    assert count("--max-duration", "1") == 0
    assert count("--max-duration", "3", "--min-duration", "1") == 3


def test_a_config_serves_for_flags_and_flags_win(work, season, scan):
    (work / "scan.yaml").write_text("gap_s: 3\nplots: false\nthreshold: 0.7\n")
    assert scan(season, "--config", "scan.yaml", "--threshold", "0.6") == 0
    rules = json.loads((work / "results" / "manifest.json").read_text())["settings"]["rules"]
    assert (rules["tone"]["gap_s"], rules["tone"]["threshold"]) == (3.0, 0.6)
    assert not (work / "results" / "plots").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["season", "--threshold", "1.5"], "'threshold' = 1.5"),
        (["season", "--threshold", "0"], "'threshold' = 0"),
        (["season", "--threshold", "nan"], "'threshold'"),
        (["season", "--threshold", "high"], "'--threshold'"),
        (["season", "--gap", "-1"], "'gap_s' = -1"),
        (["season", "--gap", "601"], "'gap_s' = 601"),
        (["season", "--min-duration", "5", "--max-duration", "2"], "min_duration_s 5.0 is above"),
        (["season", "--jobs", "0"], "'jobs' = 0"),
        (["season", "--treshold", "0.5"], "--threshold"),
        (["season", "--config", "gone.yaml"], "gone.yaml"),
        (["season", "--config", "wrong.yaml"], "did you mean 'threshold'"),
        (["saeson"], "season"),
        (["season", "-o", "results.txt"], "results.txt.csv"),
        (["season", "-o", "season"], "is a folder"),
        (["season", "-o", "notes.csv"], "notes.csv exists"),
        (["season", "-o", "notes.csv/x.csv"], "notes.csv is a file"),
        ([], "PATHS"),
    ],
)
def test_wrong_usage_is_one_clear_line_and_leaves_nothing(
    work, season, scan, capsys, arguments, says
):
    (work / "wrong.yaml").write_text("treshold: 0.5\n")
    (work / "notes.csv").write_text("date,weather\n")
    before = tree(work)
    assert scan(*arguments) == 2
    assert says in refusal(capsys)
    assert tree(work) == before


def test_nothing_to_scan(work, scan, capsys):
    (work / "season").mkdir()
    (work / "season" / "notes.txt").write_text("rain")
    assert scan("season") == 2
    assert "no recordings in season" in refusal(capsys)
    assert tree(work) == ["season/notes.txt"]


def changed(tmp_path, tone_bundle, **values):
    """A copy of the tone bundle whose ``bundle.yaml`` was edited."""
    data = yaml.safe_load((tone_bundle.path / SPEC_FILE).read_text()) | values
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / SPEC_FILE).write_text(yaml.safe_dump(data))
    (tmp_path / "other" / MODEL_FILE).write_bytes(tone_bundle.model_path.read_bytes())
    return tmp_path / "other"


def test_bundles_that_do_not_serve(work, season, capsys, tmp_path, tone_bundle):
    newer = changed(tmp_path, tone_bundle, format=99)
    edited = write_bundle(
        tmp_path / "edited",
        tone_bundle.spec.model_dump(exclude={"format", "model_sha256"}),
        {MODEL_FILE: tone_bundle.model_path.read_bytes()},
    )
    with edited.model_path.open("ab") as file:
        file.write(b"!")
    broken = write_bundle(
        tmp_path / "broken",
        tone_bundle.spec.model_dump(exclude={"format", "model_sha256"}),
        {MODEL_FILE: b"no model"},
    )
    cases = {
        tmp_path / "gone": "no bundle at",
        season: "is no bundle",
        newer: "Update callcount",
        edited.path: "is not the file that was trained",
        broken.path: "does not load",
    }
    for path, says in cases.items():
        assert run(["scan", "season", "--model", str(path), "-o", "out.csv"]) == 2
        assert says in refusal(capsys)
        assert not (work / "out.csv").exists()


def test_without_model_the_bundle_trained_last_is_taken(work, season, tone_bundle, capsys):
    spec = tone_bundle.spec.model_dump(exclude={"format", "model_sha256"})
    model = {MODEL_FILE: tone_bundle.model_path.read_bytes()}
    for name, trained_at in (("early", "2023-01-01T00:00:00+00:00"), ("late", "2024-01-01T00:00")):
        path = work / "artifacts" / name / "mel"
        write_bundle(path, {**spec, "name": name, "trained_at": trained_at}, model)
        (path.parent / DEFAULT_FILE).write_text("model: mel\n")
    assert run(["scan", "season", "--no-plots"]) == 0
    assert "Model late (trained last in artifacts" in capsys.readouterr().err
    manifest = json.loads((work / "results" / "manifest.json").read_text())
    assert manifest["bundle"]["hash"] == read_bundle(work / "artifacts" / "late").sha256


def test_an_interrupt_leaves_what_was_finished(work, season, scan, monkeypatch, capsys):
    signals = [signal.SIGINT]

    def interrupted(progress, recording):
        if signals:
            signal.raise_signal(signals.pop())

    write_silence(season / "a.wav", hours=0.1)
    write_silence(season / "z.wav", hours=100)
    monkeypatch.setattr(scan_command.ScanProgress, "finished", interrupted)
    before = signal.getsignal(signal.SIGINT)
    assert scan(season, "--jobs", "1") == 130
    assert signal.getsignal(signal.SIGINT) is before
    done = [row["recording"] for row in rows_of(work / "results.csv")]
    assert done == sorted(done)
    assert 1 <= len(done) < 5
    left = f"Interrupted: {5 - len(done)} of 5 recordings are left. The same command goes on"
    assert left in capsys.readouterr().err
    manifest = json.loads((work / "results" / "manifest.json").read_text())
    assert manifest["counts"] == {"ok": len(done)}
    assert manifest["plots"] == tree(work / "results" / "plots")
    assert len(manifest["plots"]) == len(done)


def write_silence(path, hours):
    """A WAV of silence, 8 bit at 8 kHz, that takes no room on disk."""
    n_bytes = int(hours * 3600 * MODEL_RATE_HZ)
    path.write_bytes(
        b"RIFF"
        + struct.pack("<I", 36 + n_bytes)
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, 1, MODEL_RATE_HZ, MODEL_RATE_HZ, 1, 8)
        + b"data"
        + struct.pack("<I", n_bytes)
    )
    with path.open("ab") as file:
        file.truncate(44 + n_bytes)


def test_one_interrupt_from_the_keyboard_ends_a_scan_of_days(work, season, tone_bundle):
    write_silence(season / "long.wav", hours=140)
    child = started("scan", "season", "--no-plots", "--jobs", "1", "--model", tone_bundle.path)
    assert "Model" in child.stderr.readline()
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(timeout=1.0)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "recordings are left" in err
    assert "Traceback" not in err
    assert "long.wav" not in [row["recording"] for row in rows_of(work / "results.csv")]


def test_a_pipe_gets_plain_text_and_a_scan_loads_no_tensorflow(work, season, tone_bundle):
    long_name = f"{'long ' * 40}.wav"
    (season / "b two.wav").rename(season / long_name)
    code = (
        "import sys\n"
        "from counter.cli.main import run\n"
        "code = run(sys.argv[1:])\n"
        "print(sorted({'tensorflow', 'keras', 'training', 'librosa'} & set(sys.modules)))\n"
        "sys.exit(code)"
    )
    child = started("scan", "season", "--model", tone_bundle.path, code=code)
    out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    assert out.splitlines()[-1] == "[]"
    assert not ESCAPES.search(out + err)
    # LiteRT tells its own standard error which kernels it took.
    said = [line for line in err.splitlines() if "XNNPACK" not in line]
    assert len(said) == 1
    assert any(long_name in line and "ok" in line for line in out.splitlines())


def test_exit_codes_reach_the_shell(work):
    child = started("scan", "gone")
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (2, "")
    assert err.startswith("Error: ")
    assert "gone does not exist" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["--help"], ["scan", "-h"], ["train", "--help"]])
def test_help_and_version_are_no_error(arguments, capsys):
    assert run(arguments) == 0
    assert "Usage: callcount" in capsys.readouterr().out


def test_version(capsys):
    assert run(["--version"]) == 0
    assert version("callcount") in capsys.readouterr().out


def test_info_of_a_recording(work, capsys):
    write(work / "a.flac", calls(2.5, (1.0,), rate_hz=22050), 22050)
    assert run(["info", "a.flac"]) == 0
    said = capsys.readouterr().out
    for part in ("FLAC PCM_16", "22050 Hz", "channels     1", "2.500 s (55125 samples)"):
        assert part in said


def test_info_of_a_bundle(tone_bundle, capsys):
    assert run(["info", str(tone_bundle.path)]) == 0
    said = capsys.readouterr().out
    assert tone_bundle.sha256 in said
    described = yaml.safe_load(said.partition("\nname:")[0].splitlines()[-1])
    assert described == {"format": 1}
    assert "threshold: 0.5" in said


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("gone.wav", "does not exist"),
        ("text.wav", "cannot be read as sound"),
        (".", "is no bundle"),
    ],
)
def test_info_of_what_is_neither(work, capsys, path, says):
    (work / "text.wav").write_text("no sound")
    assert run(["info", path]) == 2
    assert says in refusal(capsys)
