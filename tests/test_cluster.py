"""Scanning on a Dask cluster: real schedulers and workers, and the tables of a local scan."""

import importlib.util
import os
import signal
import socket
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

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs callcount[cluster]"
)
ROOT = Path(counter.__file__).parents[1]
N = 16
# Recordings of this rate crash the decoder, hang in it, or are slow.
CRASH_HZ, HANG_HZ = 11025, 11026
TROUBLE = f"""
    import os, time
    import soundfile
    real = soundfile.SoundFile.read
    def read(self, *arguments, **options):
        if self.samplerate == {CRASH_HZ}:
            os._exit(3)
        if self.samplerate == {HANG_HZ}:
            time.sleep(1000)
        time.sleep(0.1)
        return real(self, *arguments, **options)
    soundfile.SoundFile.read = read
"""


@pytest.fixture
def season(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write_season(tmp_path / "season", N)


@pytest.fixture
def scan(tone_bundle, season):
    return season_scanner(tone_bundle)


@pytest.fixture
def slow(tmp_path):
    """Environment of workers that are slow, and that some recordings crash or stop."""
    folder = tmp_path / "trouble"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(textwrap.dedent(TROUBLE))
    return {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


class Cluster:
    """A scheduler and workers as processes of their own."""

    def __init__(self, environment):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._environment = environment
        self._started = []
        self.scheduler = self.start_scheduler()

    def _start(self, what, *arguments):
        module = f"distributed.cli.dask_{what}"
        process = subprocess.Popen(
            [sys.executable, "-m", module, *map(str, arguments), "--no-dashboard"],
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._started.append(process)
        return process

    def start_scheduler(self):
        return self._start("scheduler", "--host", "127.0.0.1", "--port", self.port)

    def start_worker(self):
        return self._start("worker", self.address, "--nthreads", 1, "--no-nanny")

    def end(self):
        for process in self._started:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(slow):
    one = Cluster(slow)
    yield one
    one.end()


def started(tone_bundle, *flags, environment=None):
    command = ["-m", "counter.cli.main", "scan", "season", "-o", "r.csv"]
    return subprocess.Popen(
        [sys.executable, *command, "--model", str(tone_bundle.path), *map(str, flags)],
        env=environment or {**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def n_done():
    """Recordings that the scan at work has done, by its journal."""
    from counter.errors import CallcountError
    from counter.scanning.journal import read_state

    try:
        total = read_state(Path("r/journal.sqlite")).total
    except CallcountError:
        return 0
    return total.n_done + total.n_failed


def wait_until(is_true, process):
    until_s = time.monotonic() + 90
    while not is_true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until_s
        time.sleep(0.05)


def test_workers_started_here_give_the_files_of_a_local_scan(scan, capsys):
    flags = ("--keep-scores", "--format", "jsonl")
    assert scan(*flags, output="local.csv") == 1
    capsys.readouterr()
    assert scan(*flags, "--cluster", "local:2") == 1
    said = capsys.readouterr()
    assert "distributed" not in said.err
    assert files_of("r.csv") == files_of("local.csv")
    assert scan(*flags) == 1
    assert "Nothing to do" in capsys.readouterr().err


@pytest.mark.slow
def test_a_worker_that_is_killed_and_one_that_comes_later(scan, cluster, tone_bundle):
    scan(output="local.csv")
    cluster.start_worker()
    doomed = cluster.start_worker()
    child = started(tone_bundle, "--cluster", cluster.address)
    wait_until(lambda: n_done() >= 2, child)
    doomed.kill()
    cluster.start_worker()
    _, err = child.communicate(timeout=120)
    assert child.returncode == 1, err
    assert "Traceback" not in err, err
    assert files_of("r.csv") == files_of("local.csv")


@pytest.mark.slow
def test_a_scheduler_that_is_restarted_loses_nothing_and_doubles_nothing(
    scan, cluster, tone_bundle
):
    scan(output="local.csv")
    cluster.start_worker()
    child = started(tone_bundle, "--cluster", cluster.address)
    wait_until(lambda: n_done() >= 2, child)
    cluster.scheduler.kill()
    cluster.scheduler.wait()
    done_before = n_done()
    cluster.start_scheduler()
    cluster.start_worker()
    _, err = child.communicate(timeout=150)
    assert child.returncode == 1, err
    assert "Traceback" not in err, err
    assert done_before < N
    assert files_of("r.csv") == files_of("local.csv")


@pytest.mark.slow
def test_long_recordings_in_stretches_give_the_same_files(scan, season):
    hours = calls(7100.0, range(5, 7090, 13), rate_hz=MODEL_RATE_HZ)  # 114 MB in 16 bit
    write(season / "long.wav", hours, MODEL_RATE_HZ, subtype="PCM_16")
    write(season / "torn.wav", hours, MODEL_RATE_HZ, subtype="PCM_16")
    os.truncate(season / "torn.wav", 105_000_000)
    flags = ("--no-plots", "--keep-scores")
    assert scan(*flags, output="local.csv") == 1
    assert scan(*flags, "--cluster", "local:2") == 1
    assert files_of("r.csv") == files_of("local.csv")
    rows = {row["recording"]: row for row in rows_of(Path("r.csv"))}
    assert int(rows["long.wav"]["calls"]) == 545
    assert rows["torn.wav"]["status"] == "truncated"


@pytest.mark.slow
def test_crashes_and_hangs_cost_their_recordings(scan, season, slow, tone_bundle):
    write(season / "crash.wav", calls(5, ()), CRASH_HZ)
    write(season / "hang.wav", calls(5, ()), HANG_HZ)
    flags = ("--cluster", "local:2", "--stall", "4")
    child = started(tone_bundle, *flags, environment=slow)
    _, err = child.communicate(timeout=200)
    assert child.returncode == 1, err
    assert "Traceback" not in err, err
    rows = {row["recording"]: row for row in rows_of(Path("r.csv"))}
    assert len(rows) == N + 3
    failed = {name: row["message"] for name, row in rows.items() if row["status"] == "failed"}
    assert set(failed) == {"broken.wav", "crash.wav", "hang.wav"}
    assert "workers died over it" in failed["crash.wav"]
    assert "no progress for 4 s" in failed["hang.wav"]


@pytest.mark.slow
def test_ctrl_c_stops_it_and_it_goes_on_here(scan, cluster, tone_bundle):
    scan(output="local.csv")
    cluster.start_worker()
    child = started(tone_bundle, "--cluster", cluster.address)
    wait_until(lambda: n_done() >= 2, child)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=30)
    assert child.returncode == 130, err
    assert "The same command goes on from here." in err
    assert scan() == 1
    assert files_of("r.csv") == files_of("local.csv")


def test_no_scheduler_is_an_error_of_one_line(scan, monkeypatch, capsys):
    from counter.scanning import cluster

    monkeypatch.setattr(cluster, "_CONNECT_S", 0.5)
    assert scan("--cluster", "tcp://127.0.0.1:9") == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in refusal(capsys)
    assert not Path("r.csv").exists()


@pytest.mark.parametrize("wrong", ["local:0", "local:x", "local", "scheduler", "tcp://"])
def test_an_address_that_is_none(scan, wrong, capsys):
    assert scan("--cluster", wrong) == 2
    assert repr(wrong) in refusal(capsys)


def test_without_dask_it_says_how_to_get_it(scan, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "distributed", None)
    for name in ("counter.scanning.cluster", "counter.scanning.cluster"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert scan("--cluster", "local:2") == 2
    assert "pip install 'callcount[cluster]'" in refusal(capsys)
