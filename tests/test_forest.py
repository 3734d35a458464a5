"""The shipped bundle on real recordings, of a bird that it was not trained on."""

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from counter.bundle import read_bundle, shipped_path
from counter.detector import Detector
from counter.errors import BundleError
from counter.records import OK
from counter.scanning.recording import ScanOrder, scan_file
from counter.storage.inputs import find_recordings

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "capuchin"
FOREST = SHARED / "Forest Recordings"
# A chorus, a recording without calls, and an ordinary one.
NAMES = ("recording_08.mp3", "recording_12.mp3", "recording_16.mp3")
GAIN = 10 ** (-12 / 20)

pytestmark = pytest.mark.skipif(not FOREST.is_dir(), reason=f"needs the recordings in {FOREST}")


@pytest.fixture(scope="module")
def detector():
    try:
        bundle = read_bundle(shipped_path())
    except BundleError as error:
        pytest.skip(f"no bundle ships with this tree: {error}")
    with Detector(bundle, 2) as one:
        yield one


def counts(detector, paths):
    """Calls in each recording, all of which can be read to the end."""
    job = detector, ScanOrder(detector.bundle, detector.bundle.spec.rules, 1)
    results = [scan_file(recording, *job) for recording in find_recordings(paths)]
    assert [result.status for result in results] == [OK] * len(paths)
    return [result.calls() for result in results]


@pytest.fixture(scope="module")
def counted(detector):
    return counts(detector, [FOREST / name for name in NAMES])


def test_counts_are_within_one_of_the_truth(counted):
    with (SHARED / "forest_truth.csv").open(newline="") as file:
        truth = Counter(row["recording"] for row in csv.DictReader(file))
    assert [truth[name] for name in NAMES] == [25, 0, 5]
    for name, count in zip(NAMES, counted, strict=True):
        assert abs(count - truth[name]) <= 1, name


def copies(folder, gain):
    """The recordings as WAV, at another level."""
    paths = []
    for name in NAMES:
        sound, rate_hz = sf.read(FOREST / name, dtype="float32")
        paths.append((folder / name).with_suffix(".wav"))
        sf.write(paths[-1], sound * np.float32(gain), rate_hz, subtype="FLOAT")
    return paths


def test_a_copy_in_another_format_counts_the_same(detector, counted, tmp_path):
    assert counts(detector, copies(tmp_path, 1.0)) == counted


def test_a_softer_copy_counts_nearly_the_same(detector, counted, tmp_path):
    softer = counts(detector, copies(tmp_path, GAIN))
    assert np.abs(np.array(softer) - counted).max() <= 1
