"""What each install brings: the scanner without TensorFlow, extras, images, and other systems."""

import ast
import importlib.util
import io
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from bundles import MODEL_RATE_HZ, calls
from outcomes import rows_of

from counter.bundle import MODEL_FILE, write_bundle
from counter.cli.main import ONLY_FOR_TRAINING

ROOT = Path(__file__).resolve().parents[1]
# Refuses what only training needs, as if it were not installed.
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
# As uv names them; macOS is that of Apple's processors, since LiteRT has nothing for Intel's.
PLATFORMS = ("linux", "aarch64-unknown-linux-gnu", "macos", "windows")
NOT_FOR_USERS = ("tfio", "test", "dev", "docs")
OFFLINE = ("dns error", "error sending request", "Connection refused", "timed out")

needs_repository = pytest.mark.skipif(
    not (ROOT / "pyproject.toml").is_file(), reason="installed without the repository"
)


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _without_training(*arguments):
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


@pytest.fixture(scope="module")
def with_saved_model(tone_bundle, tmp_path_factory):
    """A bundle that says it can be had for TensorFlow; nobody gets to look."""
    saved = io.BytesIO()
    with zipfile.ZipFile(saved, "w") as archive:
        archive.writestr("saved_model.pb", b"")
    files = {MODEL_FILE: (tone_bundle.path / MODEL_FILE).read_bytes()}
    files["saved-model.zip"] = saved.getvalue()
    path = tmp_path_factory.mktemp("saved") / "made"
    return write_bundle(path, tone_bundle.spec.for_another(), files).path


@pytest.mark.parametrize("command", ["train", "compare", "demo", "export"])
def test_without_what_training_needs_one_line_says_how_to_install_it(
    command, with_saved_model, tmp_path
):
    config = tmp_path / "plain.yaml"
    config.write_text(yaml.safe_dump({"clips": {"labels": {"tone": ["x"]}, "background": ["y"]}}))
    arguments = {
        "train": ["--positive", tmp_path, "--negative", tmp_path, "-o", tmp_path / "trained"],
        "compare": [config, config, "-o", tmp_path / "compared"],
        "demo": [tmp_path / "demo"],
        "export": [with_saved_model, "--to", "saved-model", "-o", tmp_path / "exported"],
    }[command]
    done = _without_training(command, *arguments)
    assert done.returncode == 2, done.stderr
    (said,) = done.stderr.strip().splitlines()
    assert said.endswith(" is missing. Install what training needs: pip install 'callcount[train]'")
    assert list(tmp_path.iterdir()) == [config], "nothing is begun"


def _names(requirements):
    return {re.split(r"[^\w.-]", one)[0] for one in requirements}


@needs_repository
def test_the_scanner_needs_nothing_that_only_training_does(project):
    training = {
        name.replace("sklearn", "scikit-learn").replace("_", "-") for name in ONLY_FOR_TRAINING
    }
    assert _names(project["dependencies"]) & training == set()
    extras = project["optional-dependencies"]
    assert training - {"keras", "tensorflow-io"} <= _names(extras["train"])
    assert training - {"keras"} <= _names(extras["tfio"])


def _with_theirs(requirements):
    """Distributions by these requirements, and what each of them requires in any case."""
    own = _names(requirements) - {"callcount"}
    theirs = {one for name in own for one in metadata.requires(name) or [] if "extra ==" not in one}
    return {one.lower().replace("_", "-") for one in own | _names(theirs)}


@needs_repository
def test_every_imported_package_is_a_dependency(project):
    extras = project["optional-dependencies"]
    for_users = [one for name in extras if name not in NOT_FOR_USERS for one in extras[name]]
    known = _with_theirs([*project["dependencies"], *for_users])
    nodes = [
        node
        for package in ("counter", "training")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]
    imported = {name.name for one in nodes if isinstance(one, ast.Import) for name in one.names}
    imported |= {one.module or "" for one in nodes if isinstance(one, ast.ImportFrom)}
    tops = {one.partition(".")[0] for one in imported} - sys.stdlib_module_names
    providers = metadata.packages_distributions()
    unknown = {
        name
        for name in tops - {"counter", "training", "tensorflow_io"}
        if not {one.lower().replace("_", "-") for one in providers.get(name, ())} & known
    }
    assert len(tops) > 20
    assert unknown == set()


@needs_repository
def test_the_recipe_for_conda_follows_the_project(project):
    recipe = yaml.safe_load((ROOT / "conda" / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["context"]["version"] == project["version"]
    assert project["requires-python"] == f">={recipe['context']['python_min']}"
    names = {"matplotlib": "matplotlib-base", "soundfile": "pysoundfile", "soxr": "soxr-python"}
    (python, *run) = recipe["requirements"]["run"]
    assert python.startswith("python ")
    assert [one.replace(" ", "") for one in run] == [
        names.get(name := one.partition(">")[0], name) + one.removeprefix(name)
        for one in project["dependencies"]
    ]
    assert recipe["build"]["python"]["entry_points"] == [
        f"{name} = {target}" for name, target in project["scripts"].items()
    ]


@needs_repository
def test_the_image_is_built_of_what_the_wheel_needs():
    context = (ROOT / ".dockerignore").read_text().splitlines()
    for needed in ("counter", "training", "artifacts/capuchinbird", "pyproject.toml", "README.md"):
        assert f"!{needed}" in context
    assert (ROOT / "Dockerfile").read_text().rstrip().endswith("USER callcount")


@needs_repository
@pytest.mark.slow
@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize(
    ("extra", "python"),
    [*((None, f"3.{minor}") for minor in range(11, 15))]
    + [*(("train", f"3.{minor}") for minor in range(11, 14))],
)
def test_every_dependency_has_a_wheel_for_other_systems(extra, python, platform):
    if importlib.util.find_spec("uv") is None:
        pytest.skip("uv is not installed: pip install 'callcount[test]'")
    command = ["uv", "pip", "compile", "pyproject.toml", "--quiet", "--no-header", "--no-annotate"]
    command += ["--only-binary", ":all:", "--python-version", python, "--python-platform", platform]
    command += ["--extra", extra] if extra else []
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    if done.returncode and not os.environ.get("CI") and any(why in done.stderr for why in OFFLINE):
        pytest.skip("resolving dependencies needs a network")
    assert done.returncode == 0, done.stderr
    versions = dict(one.split("==") for one in done.stdout.split() if "==" in one)
    assert "ai-edge-litert" in versions
    assert {"tensorflow", "keras", "librosa", "scikit-learn", "scipy"} & versions.keys() == (
        {"tensorflow", "keras", "librosa", "scikit-learn", "scipy"} if extra else set()
    )
    if extra:
        assert tuple(map(int, versions["tensorflow"].split(".")[:2])) >= (2, 20)
