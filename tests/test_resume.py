"""A scan that is stopped, killed or starved goes on where it was, and nothing shows in the end."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from audio_files import write
from bundles import MODEL_RATE_HZ, calls
from outcomes import files_of, refusal, rows_of
from seasons import season_scanner, write_season

import counter
from counter.cli.main import run
from counter.tables.scores import read_scores

N = 24
ROOT = Path(counter.__file__).parents[1]


@pytest.fixture
def season(tmp_path, monkeypatch):
    """A folder of recordings, one of them broken, seen from the folder above."""
    monkeypatch.chdir(tmp_path)
    return write_season(tmp_path / "season", N, lambda index: f"night {index % 3}")


@pytest.fixture
def scan(tone_bundle, season):
    return season_scanner(tone_bundle)


def started(*arguments, output="r.csv", **environment):
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "counter.cli.main", "scan", "season", "-o", output, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


class TestNothingToDo:
    def test_a_finished_scan_is_not_done_again(self, scan, capsys):
        assert scan() == 1
        before = files_of("r.csv")
        times = {path: path.stat().st_mtime_ns for path in Path("r").rglob("*.*")}
        capsys.readouterr()
        assert scan() == 1
        said = capsys.readouterr()
        assert f"Nothing to do: all {N + 1} recordings are done (1 failed;" in said.err
        assert "36 calls in 24 recordings" in said.out
        assert files_of("r.csv") == before
        assert times["r" / Path("events.csv")] == Path("r/events.csv").stat().st_mtime_ns

    @pytest.mark.parametrize("gone", ["r.csv", "r/events.csv", "r/plots/overview.png"])
    def test_a_table_that_was_lost_is_written_again_without_a_scan(self, scan, capsys, gone):
        scan()
        before = files_of("r.csv")
        Path(gone).unlink()
        capsys.readouterr()
        assert scan() == 1
        assert "0.00 h of them scanned" in capsys.readouterr().out
        assert files_of("r.csv") == before

    def test_a_lost_plot_alone_is_drawn_again(self, scan):
        scan()
        before = files_of("r.csv")
        (Path("r") / "plots" / "night 0__03.wav.png".replace(" ", "_")).unlink()
        Path("r.csv").unlink()
        scan()
        assert files_of("r.csv") == before

    def test_what_does_not_touch_the_counts_needs_no_scan(self, scan, season, capsys):
        scan("--no-plots")
        capsys.readouterr()
        (season.parent / "sites.csv").write_text("folder,site\nnight 0,pond\n")
        flags = ("--format", "raven", "--sites", "sites.csv", "--timezone", "Europe/Paris")
        assert scan("--no-plots", *flags) == 1
        assert "0.00 h of them scanned" in capsys.readouterr().out
        assert {row["site"] for row in rows_of(Path("r/recordings.csv"))} == {"pond", ""}
        scan("--no-plots", *flags, output="other.csv")
        assert files_of("other.csv") == files_of("r.csv")

    def test_plots_are_drawn_when_they_are_wanted_later(self, scan):
        scan("--no-plots")
        scan()
        scan(output="other.csv")
        assert files_of("other.csv") == files_of("r.csv")
        scan("--no-plots")
        assert not list(Path("r/plots").iterdir())


class TestScannedAgain:
    def test_changed_and_new_recordings_alone(self, scan, season, capsys):
        scan()
        path = season / "night 0" / "00.wav"
        write(path, calls(12, (2.0, 6.0)), MODEL_RATE_HZ, subtype="PCM_16")
        os.utime(path, (1, 1))
        write(season / "new.wav", calls(12, (2.0,)), MODEL_RATE_HZ, subtype="PCM_16")
        (season / "night 1" / "01.wav").unlink()
        capsys.readouterr()
        assert scan() == 1
        said = capsys.readouterr().err
        assert f"23 of {N + 1} recordings are done already." in said
        assert f"1 of {N + 1} recordings have changed since they were scanned" in said
        counts = {row["recording"]: row["calls"] for row in rows_of(Path("r.csv"))}
        assert (counts["night 0/00.wav"], counts["new.wav"]) == ("2", "1")
        scan(output="other.csv")
        assert files_of("other.csv") == files_of("r.csv")

    def test_all_with_other_rules_and_it_is_said_which_settings(self, scan, capsys):
        scan()
        capsys.readouterr()
        scan("--threshold", "0.9")
        said = capsys.readouterr().err
        assert f"{N + 1} of {N + 1} recordings were scanned with other settings (rules)" in said
        scan("--threshold", "0.9", output="other.csv")
        assert files_of("other.csv") == files_of("r.csv")

    def test_scores_that_were_not_kept_need_a_scan_and_then_stay(self, scan, capsys):
        scan()
        scan("--keep-scores")
        assert f"{N} of {N + 1} recordings are scanned again to keep" in capsys.readouterr().err
        assert len(read_scores(Path("r/scores.npz")).members) == N
        scan("--keep-scores", output="other.csv")
        assert files_of("other.csv") == files_of("r.csv")
        capsys.readouterr()
        scan("--keep-scores")
        assert "Nothing to do" in capsys.readouterr().err

    def test_what_failed_when_it_is_asked_for(self, scan, season, capsys):
        scan()
        capsys.readouterr()
        assert scan("--retry-failed") == 1
        assert f"1 of {N + 1} recordings failed and are tried again." in capsys.readouterr().err

    def test_everything_when_it_starts_over(self, scan, capsys):
        scan()
        before = files_of("r.csv")
        capsys.readouterr()
        assert scan("--fresh") == 1
        said = capsys.readouterr()
        assert "done already" not in said.err
        assert "of them scanned" not in said.out
        assert files_of("r.csv") == before

    def test_recordings_of_the_same_name_in_another_folder(self, scan, season):
        scan()
        shutil.copytree(season, season.parent / "elsewhere" / "season")
        os.chdir(season.parent / "elsewhere")
        write(Path("season/night 0/00.wav"), calls(12, (2.0,)), MODEL_RATE_HZ, subtype="PCM_16")
        scan(output="../r.csv")
        assert {row["recording"]: row for row in rows_of(Path("../r.csv"))}["night 0/00.wav"][
            "calls"
        ] == "1"


class TestStopped:
    @pytest.mark.slow
    def test_killed_at_random_moments_and_run_again_the_tables_are_those_of_one_run(
        self, scan, tone_bundle
    ):
        flags = ["--model", str(tone_bundle.path), "--keep-scores", "--format", "jsonl"]
        begun_s = time.monotonic()
        whole = started(*flags, output="whole.csv")
        whole.communicate(timeout=120)
        lasted_s = time.monotonic() - begun_s
        wanted = files_of("whole.csv")
        assert len(wanted) > N
        rng = random.Random(0)
        for number in range(20):
            output = f"killed{number}.csv"
            for _ in range(rng.randint(1, 3)):
                child = started(*flags, output=output)
                time.sleep(rng.uniform(0.2, 1.0) * lasted_s)
                child.kill()
                child.communicate()
            last = started(*flags, output=output)
            assert last.communicate(timeout=120)[0]
            assert last.returncode == 1
            assert files_of(output) == wanted

    def test_ctrl_c_ends_it_soon_and_it_goes_on_from_there(self, scan, season, tone_bundle):
        scan(output="other.csv")
        for index in range(40):
            shutil.copy(season / "night 0" / "03.wav", season / f"z{index:02d}.wav")
        child = started("--model", str(tone_bundle.path), "--jobs", "1")
        while not Path("r/journal.sqlite-wal").exists():
            time.sleep(0.01)
        time.sleep(0.3)
        sent_s = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
        assert time.monotonic() - sent_s < 10
        if child.returncode == 130:
            assert "recordings are left. The same command goes on from here." in err
            assert len(rows_of(Path("r.csv"))) < N + 41
        assert scan() == 1
        assert len(rows_of(Path("r.csv"))) == N + 41
        scan("--fresh", output="other.csv")
        assert files_of("other.csv") == files_of("r.csv")

    def test_two_scans_do_not_write_to_one_place(self, scan, season, tone_bundle, capsys):
        from counter.scanning.outputs import locked, make_folders
        from counter.tables.manifest import OutputPaths

        paths = OutputPaths(Path("r.csv"))
        make_folders(paths, plots=False)
        with locked(paths):
            child = started("--model", str(tone_bundle.path))
            _, err = child.communicate(timeout=60)
        assert child.returncode == 2
        assert "another scan is writing to r" in err
        assert scan() == 1


class TestFaults:
    def test_a_crash_and_a_hang_in_the_decoder_cost_their_recordings(
        self, scan, season, tone_bundle, tmp_path
    ):
        hurt = tmp_path / "hurt"
        hurt.mkdir()
        (hurt / "sitecustomize.py").write_text(
            textwrap.dedent("""
                import os, signal, time
                import soundfile
                real = soundfile.SoundFile.read
                def read(self, *arguments, **options):
                    if self.samplerate == 11025:
                        os.kill(os.getpid(), signal.SIGSEGV)
                    if self.samplerate == 11026:
                        time.sleep(1000)
                    return real(self, *arguments, **options)
                soundfile.SoundFile.read = read
            """)
        )
        write(season / "crash.wav", calls(5, ()), 11025)
        write(season / "night 1" / "hang.wav", calls(5, ()), 11026)
        flags = ["--model", str(tone_bundle.path), "--stall", "2"]
        child = started(*flags, PYTHONPATH=f"{hurt}{os.pathsep}{ROOT}")
        _, err = child.communicate(timeout=120)
        assert child.returncode == 1
        assert "Traceback" not in err
        rows = {row["recording"]: row for row in rows_of(Path("r.csv"))}
        assert len(rows) == N + 3
        assert rows["crash.wav"]["status"] == rows["night 1/hang.wav"]["status"] == "failed"
        assert "died over it (SIGSEGV)" in rows["crash.wav"]["message"]
        assert "no progress for 2 s" in rows["night 1/hang.wav"]["message"]
        assert scan("--retry-failed", "--stall", "2") == 1
        rows = {row["recording"]: row for row in rows_of(Path("r.csv"))}
        assert [name for name, row in rows.items() if row["status"] == "failed"] == ["broken.wav"]

    def test_a_disk_that_is_full_is_told_and_what_is_done_stays(self, scan, season, tone_bundle):
        small = season.parent / "small"
        small.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(small)], capture_output=True
        )
        if mounted.returncode:
            pytest.skip("may not mount a small disk here")
        try:
            self.fill(scan, small, tone_bundle)
        finally:
            subprocess.run(["umount", str(small)], check=True)

    def fill(self, scan, small, bundle):
        scan(output="other.csv")
        child = started("--model", str(bundle.path), output=str(small / "r.csv"))
        _, err = child.communicate(timeout=120)
        assert child.returncode == 2, err
        assert err.splitlines()[-1].startswith("Error: cannot write ")
        assert "Traceback" not in err
        subprocess.run(["mount", "-o", "remount,size=40m", str(small)], check=True)
        assert scan(output=str(small / "r.csv")) == 1
        assert files_of(small / "r.csv") == files_of("other.csv")
        assert not [path for path in small.rglob("*") if path.suffix == ".tmp"]

    def test_an_output_folder_that_goes_away_is_told_soon(self, season, tone_bundle):
        for index in range(400):
            shutil.copy(season / "night 0" / "03.wav", season / f"z{index:03d}.wav")
        child = started("--model", str(tone_bundle.path), "--jobs", "1", "--no-plots")
        while not Path("r/journal.sqlite-wal").exists():
            assert child.poll() is None
            time.sleep(0.01)
        Path("r").rename("away")
        _, err = child.communicate(timeout=60)
        assert child.returncode == 2
        assert "journal.sqlite is gone" in err
        assert "Traceback" not in err

    @pytest.mark.parametrize("content", [b"SQLite format 3\0" + b"\1" * 500, b"no journal"])
    def test_a_file_in_the_place_of_the_journal_is_not_touched(self, scan, content, capsys):
        Path("r").mkdir()
        Path("r/journal.sqlite").write_bytes(content)
        assert scan() == 2
        assert "journal.sqlite exists and was not made by callcount" in refusal(capsys)
        assert Path("r/journal.sqlite").read_bytes() == content

    def test_a_damaged_journal_is_told_and_fresh_starts_over(self, scan, capsys):
        scan()
        before = files_of("r.csv")
        with open("r/journal.sqlite", "r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 30000)
        assert scan() == 2
        assert "Start over with --fresh" in refusal(capsys)
        assert scan("--fresh") == 1
        assert files_of("r.csv") == before

    def test_the_journal_is_plain_sqlite_and_holds_no_pickles(self, scan):
        scan("--keep-scores")
        with sqlite3.connect("r/journal.sqlite") as db:
            bodies = [row[0] for row in db.execute("SELECT body FROM outcomes")]
        assert len(bodies) == N + 1
        assert all(body.startswith("{") for body in bodies)


class TestStatus:
    def test_of_a_finished_scan(self, scan, capsys):
        scan()
        capsys.readouterr()
        assert run(["status", "r.csv"]) == 1
        said = capsys.readouterr().out
        assert [line.split() for line in said.splitlines()[:6]] == [
            ["folder", "recordings", "done", "failed", "left", "scanned", "h"],
            [".", "1", "0", "1", "0", "0.00"],
            *(["night", str(number), "8", "8", "0", "0", "0.03"] for number in range(3)),
            ["all", "25", "24", "1", "0", "0.09"],
        ]
        assert "finished; the last run: " in said

    def test_of_one_that_is_at_work_and_then_stopped(self, scan, season, tone_bundle, capsys):
        for index in range(200):
            shutil.copy(season / "night 0" / "03.wav", season / f"z{index:02d}.wav")
        child = started("--model", str(tone_bundle.path), "--jobs", "1")
        try:
            while not (Path("r.csv").exists() or says_at_work(capsys)):
                assert child.poll() is None
        finally:
            child.kill()
            child.communicate()
        assert run(["status", "r.csv"]) == 1
        said = capsys.readouterr().out
        assert "stopped" in said
        assert "to go" in said

    def test_of_no_scan(self, season, capsys):
        assert run(["status", "gone.csv"]) == 2
        assert "gone/journal.sqlite is no journal of a scan" in refusal(capsys)


def says_at_work(capsys):
    """Whether ``status`` tells of a scan at work that has done something."""
    run(["status", "r.csv"])
    said = capsys.readouterr().out
    return "at work; the last run" in said
