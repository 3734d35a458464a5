"""A phone's model read by Google's own reader: MediaPipe, in an environment of its own.

Its pins clash with TensorFlow's, so it is installed into a folder that is kept from run to run:
``CALLCOUNT_TEST_CACHE``, else ``~/.cache/callcount-tests``.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from audio_files import write
from bundles import LABELS_HZ, MODEL_RATE_HZ, calls, tone_bundle
from outcomes import rows_of

from counter.cli.main import run
from counter.detector import Detector
from training.models.litert_run import clip_score

MEDIAPIPE = "mediapipe==1.2.2"
READER = Path(__file__).parent / "classify_by_mediapipe.py"
CACHE = Path(os.environ.get("CALLCOUNT_TEST_CACHE") or Path.home() / ".cache" / "callcount-tests")
CLIP_S = 2.048
pytestmark = pytest.mark.slow
OFFLINE = ("ConnectionError", "Failed to establish a new connection", "Name or service not known")


@pytest.fixture(scope="module")
def mediapipe():
    """An interpreter that has MediaPipe; made once, in a minute, and kept."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    home = CACHE / f"{MEDIAPIPE.replace('==', '-')}-python{version}"
    if not home.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        # Made in place, since environments do not move; what was half made is removed.
        try:
            _install(home)
        except BaseException:
            shutil.rmtree(home, ignore_errors=True)
            raise
    return home / "bin" / "python"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle that hears low and high tones."""
    return tone_bundle(tmp_path_factory.mktemp("two") / "made", LABELS_HZ)


def _install(home):
    subprocess.run([sys.executable, "-m", "venv", home], check=True, timeout=120)
    pip = [
        home / "bin" / "python",
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
    ]
    done = subprocess.run([*pip, MEDIAPIPE], capture_output=True, text=True, timeout=600)
    if done.returncode and not os.environ.get("CI") and any(why in done.stderr for why in OFFLINE):
        pytest.skip(f"{MEDIAPIPE} cannot be installed without a network")
    assert done.returncode == 0, done.stderr


def classified(python, model, clips):
    """What MediaPipe says of clips: pairs of label and score by falling score, a list a clip."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [
            write(Path(folder) / f"{n}.wav", clip, MODEL_RATE_HZ, subtype="PCM_16")
            for n, clip in enumerate(clips)
        ]
        done = subprocess.run(
            [python, READER, model, *paths], capture_output=True, text=True, timeout=120
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_mediapipe_ranks_labels_as_callcount_does(mediapipe, bundle, tmp_path):
    new = tmp_path / "phone"
    arguments = ["--to", "android", "--window", str(CLIP_S), "-o", str(new)]
    assert run(["export", str(bundle.path), *arguments]) == 0
    pitches = [*LABELS_HZ.values(), 1700.0]
    clips = [calls(CLIP_S, [0.2], hz=hz, seed=n) for n, hz in enumerate(pitches)]
    said = classified(mediapipe, new / "made.tflite", clips)
    with Detector(bundle) as detector:
        scores = [clip_score(detector.scores(clip), is_exclusive=False) for clip in clips]
    for found, wanted in zip(said, scores, strict=True):
        order = [bundle.spec.labels[i] for i in np.argsort(-wanted)]
        assert [label for label, _ in found] == order
        # Not alike to the last digit: a scan goes on beyond a clip's ends, a phone does not.
        np.testing.assert_allclose([score for _, score in found], -np.sort(-wanted), atol=0.1)
    assert [found[0][0] for found in said[:2]] == list(LABELS_HZ)
    assert said[2][0][1] < 0.5 < min(found[0][1] for found in said[:2])


def test_a_scan_counts_what_mediapipe_hears(mediapipe, bundle, tmp_path):
    arguments = ["--to", "android", "--window", str(CLIP_S), "-o", str(tmp_path / "phone")]
    assert run(["export", str(bundle.path), *arguments]) == 0
    clips = {label: calls(CLIP_S, [0.2], hz=hz) for label, hz in LABELS_HZ.items()}
    for label, clip in clips.items():
        (tmp_path / "clips").mkdir(exist_ok=True)
        write(tmp_path / "clips" / f"{label}.wav", clip, MODEL_RATE_HZ)
    output = tmp_path / "counts.csv"
    options = ["--model", str(bundle.path), "--no-plots", "-o", str(output)]
    assert run(["scan", str(tmp_path / "clips"), *options]) == 0
    counts = {row["recording"].removesuffix(".wav"): row for row in rows_of(output)}
    said = classified(mediapipe, tmp_path / "phone" / "made.tflite", clips.values())
    for label, found in zip(clips, said, strict=True):
        assert int(counts[label][f"calls_{label}"]) == 1
        assert found[0][0] == label
