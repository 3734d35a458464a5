"""The scanning process: whatever it does or suffers, each recording has one result."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from audio_files import write
from bundles import MODEL_RATE_HZ, calls, tone_bundle
from outcomes import files_of

from counter.errors import CallcountError
from counter.records import FAILED, OK
from counter.scanning import pool as pool_module
from counter.scanning.pool import ScanPool, describe_exit
from counter.scanning.recording import ScanOrder, scan_file
from counter.storage.inputs import find_recordings


def forked(test):
    """A forked worker has what a test has patched; one that is spawned has not."""
    return pytest.mark.usefixtures("forking")(test)


@pytest.fixture
def order(tone_bundle):
    return ScanOrder(tone_bundle, tone_bundle.spec.rules, 2)


@pytest.fixture
def season(tmp_path):
    """Recordings of 1, 2 ... calls and of different lengths."""
    for index in range(5):
        sound = calls(5 + 4 * index, [1 + 4 * k for k in range(index + 1)], seed=index)
        write(tmp_path / f"{index}.wav", sound, MODEL_RATE_HZ, subtype="PCM_16")
    return find_recordings([tmp_path])


def results(order, recordings, *, progress=None, **options):
    """All results in the order of the recordings, however they came."""
    with ScanPool(order, **options) as pool:
        pool.progress = progress
        found = list(pool.results(recordings))
    assert sorted(number for number, _ in found) == list(range(len(recordings)))
    return [result for _, result in sorted(found, key=lambda one: one[0])]


def counts(found):
    return [result.calls() if result.status != FAILED else None for result in found]


@pytest.mark.parametrize("n_threads", [1, 2, 5])
def test_results_do_not_depend_on_threads_or_order(order, season, n_threads):
    found = results(replace(order, n_threads=n_threads), season)
    assert counts(found) == [1, 2, 3, 4, 5]
    assert [result.recording for result in found] == season
    assert results(order, season[::-1]) == found[::-1]


@pytest.fixture(params=["fork", "spawn"])
def started(request, monkeypatch):
    """A worker that is forked, as on Linux, and one that is spawned, as on Windows and macOS."""
    if request.param not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system knows no {request.param}")
    monkeypatch.setenv("CALLCOUNT_START_METHOD", request.param)
    assert pool_module.start_method() == request.param


@pytest.mark.usefixtures("started")
def test_however_the_process_is_started_it_finds_the_same(order, season):
    assert counts(results(order, season)) == [1, 2, 3, 4, 5]


class Ending(os.PathLike):
    """A path over which a worker's thread ends the process, however that was started."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        if threading.current_thread() is not threading.main_thread():
            os._exit(5)
        return self.path


@pytest.mark.usefixtures("started")
@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_recording_that_ends_the_process_costs_itself_alone(order, season, n_threads):
    for number in (1, 3):
        season[number] = replace(season[number], path=Ending(season[number].path))
    found = results(replace(order, n_threads=n_threads), season)
    assert counts(found) == [1, None, 3, None, 5]
    assert {found[number].message for number in (1, 3)} == {
        "the scanning process died over it (exit code 5)"
    }


SCRIPT = """\
import sys
from counter.cli.main import main
if __name__ == "__main__":
    sys.exit(main())
"""


def test_a_whole_scan_is_the_same_however_its_process_is_started(season, tone_bundle, tmp_path):
    script = tmp_path / "callcount"  # as pip makes it: a file that a spawned process reads again
    script.write_text(SCRIPT, encoding="utf-8")
    outputs = [tmp_path / f"{method}.csv" for method in multiprocessing.get_all_start_methods()]
    for output in outputs:
        sound = [one.path for one in season]
        arguments = ["scan", *sound, "--keep-scores", "--model", tone_bundle.path, "-o", output]
        method = {"CALLCOUNT_START_METHOD": output.stem}
        root = {"PYTHONPATH": str(Path(pool_module.__file__).parents[2])}
        done = subprocess.run(
            [sys.executable, script, *arguments],
            env={**os.environ, **root, **method},
            stderr=subprocess.PIPE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    first, *others = map(files_of, outputs)
    assert len(first) > 5 + len(season)
    assert all(other == first for other in others)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "exit code 0"),
        (7, "exit code 7"),
        (-signal.SIGTERM, "SIGTERM"),
        (-9, "SIGKILL; out of memory?"),
        (-40, "signal 40"),
        (3221225477, "exit code 0xC0000005"),
    ],
)
def test_how_a_process_ended_is_told_as_its_system_does(code, words):
    assert describe_exit(code) == words


def test_a_worker_that_is_not_ready_holds_no_more_than_a_pipe_does(order, season, monkeypatch):
    held = []

    class Watched(pool_module._Worker):
        def send(self, number, recording):
            held.append((self.is_ready, number))
            super().send(number, recording)

    monkeypatch.setattr(pool_module, "_Worker", Watched)
    assert counts(results(order, season)) == [1, 2, 3, 4, 5]
    assert [number for is_ready, number in held if not is_ready] == [0]


def test_a_process_is_forked_only_where_there_is_no_other_thread():
    thread = threading.Timer(60, print)
    thread.start()
    try:
        assert pool_module.start_method() == "spawn"
    finally:
        thread.cancel()
        thread.join()


def test_more_recordings_than_a_worker_holds_all_come_out(order, season):
    many = [replace(season[0], name=f"{index}.wav") for index in range(40)]
    found = results(order, many)
    assert [result.recording for result in found] == many
    assert set(counts(found)) == {1}


def test_no_recording_gives_no_result(order):
    assert results(order, []) == []


@pytest.mark.usefixtures("started")
def test_what_is_wanted_comes_along_and_progress_adds_up(order, season):
    told = []
    found = results(
        replace(order, pictures=True, scores=True), season, progress=lambda *one: told.append(one)
    )
    for result in found:
        assert result.picture is not None
        assert len(result.scores) == len(result.picture.scores)
    heard_s = sum(seconds for _, seconds, _ in told)
    assert heard_s == pytest.approx(sum(result.scanned_s for result in found))
    assert {(one.name, claimed_s) for one, _, claimed_s in told} == {
        (result.recording.name, result.duration_s) for result in found
    }


@pytest.mark.usefixtures("started")
def test_when_it_is_stopped_what_is_finished_was_given_out_and_no_more(order, season):
    stop = threading.Event()
    with ScanPool(replace(order, n_threads=1)) as pool:
        coming = pool.results(season, stop)
        number, first = next(coming)
        stop.set()
        rest = [one for _, one in coming]
    assert (number, first.calls()) == (0, 1)
    assert counts(rest) == [2, 3, 4, 5][: len(rest)]


@pytest.fixture
def forking(monkeypatch):
    """Fork, whatever threads other tests have left."""
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system knows no fork")
    monkeypatch.setattr(pool_module, "start_method", lambda: "fork")


def trouble(monkeypatch, **what):
    """Let the worker do something else over the recordings of some names."""

    def scan(recording, *how):
        name = recording.name.partition(".")[0]
        if name in what:
            what[name]()
        return scan_file(recording, *how)

    monkeypatch.setattr(pool_module, "scan_file", scan)


def dies_of(number):
    return lambda: os.kill(os.getpid(), number)


@forked
@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_decoder_that_crashes_costs_its_recording(order, season, monkeypatch, n_threads):
    trouble(monkeypatch, **{"1": dies_of(signal.SIGKILL), "3": dies_of(signal.SIGTERM)})
    found = results(replace(order, n_threads=n_threads), season)
    assert counts(found) == [1, None, 3, None, 5]
    assert "died over it (SIGKILL; out of memory?)" in found[1].message
    assert "died over it (SIGTERM)" in found[3].message


@forked
def test_recordings_that_all_crash_all_have_a_row(order, season, monkeypatch):
    many = [replace(season[0], name=f"{index}.wav") for index in range(12)]
    trouble(monkeypatch, **{str(index): dies_of(signal.SIGKILL) for index in range(12)})
    assert [one.status for one in results(order, many)] == [FAILED] * 12


@forked
def test_one_death_costs_none_of_those_that_were_scanned_beside(
    order, season, monkeypatch, tmp_path
):
    def dies_once():
        (tmp_path / "died").touch(exist_ok=False)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)

    def maybe():
        if not (tmp_path / "died").exists():
            dies_once()

    trouble(monkeypatch, **{"1": maybe, "2": lambda: time.sleep(0.3)})
    assert counts(results(order, season)) == [1, 2, 3, 4, 5]
    assert (tmp_path / "died").exists()


@forked
def test_a_decoder_that_never_returns_costs_its_recording(order, season, monkeypatch):
    trouble(monkeypatch, **{"0": lambda: time.sleep(600), "4": lambda: time.sleep(600)})
    begun_s = time.monotonic()
    found = results(order, season, stall_s=1.0)
    assert counts(found) == [None, 2, 3, 4, None]
    assert "no progress for 1 s: given up" in found[0].message
    assert time.monotonic() - begun_s < 60


@forked
def test_time_in_which_this_process_did_not_listen_is_no_silence(order, season):
    found = []
    with ScanPool(order, stall_s=0.5) as pool:
        for _, result in pool.results(season):
            time.sleep(1.0)  # as a laptop that sleeps, or a slow disk
            found.append(result)
    assert {result.status for result in found} == {OK}


@forked
def test_an_error_of_our_own_costs_its_recording_and_is_not_hidden(
    order, season, monkeypatch, capsys
):
    def breaks():
        raise ZeroDivisionError("ours")

    trouble(monkeypatch, **{"2": breaks})
    found = results(order, season)
    assert counts(found) == [1, 2, None, 4, 5]
    assert "an error in callcount, please report it: ZeroDivisionError: ours" in found[2].message
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.usefixtures("started")
def test_a_model_that_does_not_load_is_told(order, season, tmp_path):
    broken = tone_bundle(tmp_path / "broken", {"tone": 900.0})
    broken.model_path.write_bytes(b"no model")
    with pytest.raises(CallcountError, match="does not load in LiteRT"):
        results(replace(order, bundle=broken), season)


@forked
def test_a_worker_that_dies_before_it_begins_ends_the_scan(order, season, monkeypatch):
    monkeypatch.setattr(pool_module, "Detector", lambda *_: os._exit(7))
    with pytest.raises(CallcountError, match="exit code 7"):
        results(order, season)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks to have a process that is killed")
@pytest.mark.usefixtures("started")
def test_a_worker_ends_with_the_process_that_started_it(order, season):
    read, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        pool = ScanPool(order).__enter__()
        os.write(write_end, str(pool._worker.process.pid).encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    worker_pid = int(os.read(read, 100))
    os.close(read)
    os.close(write_end)
    for _ in range(100):
        try:
            os.kill(worker_pid, 0)
        except ProcessLookupError:
            break
        if Path(f"/proc/{worker_pid}/stat").read_text(encoding="utf-8").split()[2] == "Z":
            break
        time.sleep(0.1)
    else:
        pytest.fail("the worker is still there")
