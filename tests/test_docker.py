"""What the images are built of: kept in step with the project, and enough to scan."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from bundles import MODEL_RATE_HZ, calls
from outcomes import rows_of

ROOT = Path(__file__).resolve().parents[1]
DOCKER = ROOT / "docker"
# Refuses what an image that scans does not hold, as if it were not installed.
WITHOUT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from counter.cli.main import run
sys.exit(run(sys.argv[1:]))
"""

pytestmark = pytest.mark.skipif(not DOCKER.is_dir(), reason="installed without the repository")


@pytest.fixture(scope="module")
def requirements():
    spec = importlib.util.spec_from_file_location("requirements", DOCKER / "requirements.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_scanning_requirements_are_those_of_the_project(requirements):
    made = requirements.scanning()
    assert requirements.OUTPUT.read_text() == made, "run python docker/requirements.py"
    everything = requirements.dependencies()
    kept = made.splitlines()[1:]
    assert set(kept) < set(everything)
    left_out = {requirements.name_of(one) for one in set(everything) - set(kept)}
    assert left_out == requirements.TRAINING


def _without_training(*arguments):
    from counter.cli.main import ONLY_FOR_TRAINING

    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing=ONLY_FOR_TRAINING), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_scan_with_its_report_needs_nothing_of_training(tone_bundle, tmp_path):
    from audio_files import write

    write(tmp_path / "a.wav", calls(20.0, [3.0, 9.0]), MODEL_RATE_HZ)
    output = tmp_path / "results.csv"
    options = ["--model", tone_bundle.path, "--report", "--keep-scores", "-o", output]
    done = _without_training("scan", tmp_path / "a.wav", *options)
    assert done.returncode == 0, done.stderr
    assert rows_of(output)[0]["calls"] == "2"
    (tmp_path / "truth.csv").write_text("recording,start_s,end_s\na.wav,3,4.5\na.wav,9,10.5\n")
    done = _without_training("evaluate", output, "--truth", tmp_path / "truth.csv")
    assert done.returncode == 0, done.stderr


def test_training_without_tensorflow_is_refused_in_one_line(tmp_path):
    done = _without_training("train", "--positive", tmp_path, "--negative", tmp_path)
    assert done.returncode == 2
    (said,) = done.stderr.strip().splitlines()
    assert "leaves out what training needs. Install it whole: pip install callcount" in said


def test_the_image_is_built_of_what_the_wheel_needs(requirements):
    context = (ROOT / ".dockerignore").read_text().splitlines()
    for needed in ("counter", "training", "artifacts/capuchinbird", "pyproject.toml", "README.md"):
        assert f"!{needed}" in context
    told = (ROOT / "Dockerfile").read_text()
    assert f"COPY docker/{requirements.OUTPUT.name}" in told
    assert told.rstrip().endswith("USER callcount")
