"""Files broken in many ways: each gives finite sound, whatever the blocks, or one line of why not.

``python -m benchmarks.fuzz`` does the same by the thousand, through ``callcount scan``.
"""

import time
from collections import Counter

import numpy as np
import pytest

from benchmarks import fuzz
from benchmarks.children import Child
from benchmarks.mutants import mutant
from benchmarks.wholefiles import RECIPES, whole_file
from counter.audio.stream import MonoStream
from counter.bundle import read_bundle, shipped_path
from counter.detector import Detector
from counter.errors import AudioError
from counter.metadata.recorders import read_tags

SEED = 1
RATE_HZ = 16_000


@pytest.fixture(scope="module")
def detector():
    with Detector(read_bundle(shipped_path()), 1) as one:
        yield one


def read(path, block_s):
    """All that a file gives: its samples, and what is said about them or why there are none."""
    try:
        with MonoStream(path, RATE_HZ, block_s=block_s) as stream:
            origin = read_tags(stream.tags())
            sound = np.concatenate([np.zeros(0, np.float32), *stream])
    except AudioError as error:
        return np.zeros(0, np.float32), str(error)
    return sound, (stream, stream.truncated, stream.message, stream.dead_s, origin)


@pytest.mark.parametrize("number", range(60))
@pytest.mark.parametrize("made_of", RECIPES)
def test_a_broken_file_is_finite_sound_or_one_line(tmp_path, detector, made_of, number):
    one = mutant(SEED, number, made_of)
    path = tmp_path / one.name
    path.write_bytes(one.data)
    sound, said = read(path, 10.0)
    again, said_again = read(path, 0.7)
    np.testing.assert_array_equal(sound, again)
    if isinstance(said, str):
        assert said == said_again
        assert said
        assert "\n" not in said
        assert one.name not in said
        return
    stream, truncated, message, dead_s, _ = said
    assert said[1:] == said_again[1:]
    assert bool(message) or not truncated
    assert len(sound) == pytest.approx(stream.scanned_s * RATE_HZ, abs=1)
    edges_s = [0.0, *(edge for stretch in dead_s for edge in stretch), stream.scanned_s]
    assert edges_s == sorted(edges_s)
    assert np.isfinite(sound).all()
    assert np.isfinite(detector.scores(sound)).all()


def test_a_number_makes_the_same_file_again():
    before = [mutant(SEED, number) for number in range(40)]
    time.sleep(1.1)  # libsndfile draws by the second
    whole_file.cache_clear()
    assert before == [mutant(SEED, number) for number in range(40)]


def test_a_scan_of_broken_files_has_no_faults(capsys):
    assert fuzz.main(["-n", "6", "--seed", str(SEED)]) == 0
    assert "| missing rows | 0 | 0 |" in capsys.readouterr().out


def test_the_file_that_crashes_a_scan_is_found(monkeypatch):
    def scan(mutants, options):
        numbers = [one.number for one in mutants]
        rows = {} if 137 in numbers else {one.name: {"status": "ok"} for one in mutants}
        faults = ["crash: exit code -11"] if 137 in numbers else []
        return fuzz.Verdict(Child("", "", 1.0, 100.0, 0), rows, faults)

    monkeypatch.setattr(fuzz, "scan_mutants", scan)
    findings = fuzz.fuzz(range(100, 250), SEED)
    assert findings.problems == ["137: crash: exit code -11"]
    by_outcome = Counter()
    for (name, outcome), n_files in findings.outcomes.items():
        by_outcome[outcome] += n_files if name in RECIPES else 0
    assert by_outcome == {"ok": 149, "missing": 1}


@pytest.mark.parametrize(
    ("code", "stderr", "rows", "fault"),
    [
        (None, "", [], "hang"),
        (245, "", [], "crash: exit code 245"),
        (1, "Traceback\nKeyError: 'x'", [], "crash: KeyError"),
        (0, "", [], "missing row: 1"),
        (0, "", [("failed", "", "of no use")], "exit code 0 instead of 1"),
        (1, "", [("failed", "", "")], "no message"),
        (1, "", [("failed", "0", "of no use")], "odd row"),
        (0, "", [("ok", "0", ""), ("ok", "0", "")], "missing row"),
        (1, "", [("failed", "", "the scanning process died over it (SIGSEGV)")], "crash, survived"),
    ],
)
def test_a_fault_of_a_scan_is_named(monkeypatch, code, stderr, rows, fault):
    one = mutant(SEED, 0)
    keys = ("recording", "status", "calls", "message")
    table = [dict(zip(keys, (one.name, *row), strict=True)) for row in rows]
    child = Child("", stderr, 40.0, 100.0, code)
    monkeypatch.setattr(fuzz, "watch_child", lambda *args, **options: child)
    monkeypatch.setattr(fuzz, "_read", lambda path: table)
    assert any(text.startswith(fault) for text in fuzz.scan_mutants([one], ()).faults)
