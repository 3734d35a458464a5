"""A model on disk: what is written is read, and what is wrong is told in one line."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from counter.bundle import (
    DEFAULT_FILE,
    FORMAT,
    MODEL_FILE,
    SPEC_FILE,
    choose_bundle,
    read_bundle,
    shipped_path,
    write_bundle,
)
from counter.errors import BundleError, CallcountError, ConfigError

SPEC = {
    "name": "mel",
    "trained_at": "2024-05-01T06:00:00+00:00",
    "labels": ["wren", "owl"],
    "sample_rate_hz": 16000,
    "frame_samples": 2048,
    "context_frames": 12,
    "low_hz": 100.0,
    "high_hz": 4000.0,
    "rules": {"wren": {"threshold": 0.7, "gap_s": 0.25}, "owl": {}},
    "provenance": {"seed": 3, "clips": {"wren": 162}},
}
MODEL = b"any bytes serve as a model"
# A file that is there and cannot be read, for root as well.
UNREADABLE = Path("/proc/self/mem")


def write(path, model=MODEL, **changes):
    return write_bundle(path, {**SPEC, **changes}, {MODEL_FILE: model})


def edit(path, **changes):
    """Change ``bundle.yaml`` as with a text editor; None takes a key away."""
    data = {**yaml.safe_load((path / SPEC_FILE).read_text()), **changes}
    kept = {key: value for key, value in data.items() if value is not None}
    (path / SPEC_FILE).write_text(yaml.safe_dump(kept))


def names(folder):
    return sorted(entry.name for entry in folder.iterdir())


def refusal(path, error=CallcountError):
    with pytest.raises(error) as caught:
        read_bundle(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_written_is_read(tmp_path):
    written = write(tmp_path / "new" / "mel")
    bundle = read_bundle(tmp_path / "new" / "mel")
    assert bundle == written
    assert bundle.model_path.read_bytes() == MODEL
    assert bundle.spec.labels == ("wren", "owl")
    assert bundle.spec.rules["wren"].threshold == 0.7
    assert bundle.spec.rules["owl"].gap_s == 0.4
    assert bundle.spec.provenance == SPEC["provenance"]
    assert bundle.spec.format == FORMAT
    assert bundle.spec.timebase.frame_s == 0.128


def test_other_scripts_survive(tmp_path):
    bundle = write(tmp_path / "mérle", labels=["鳥"], rules={"鳥": {}}, name="鳥")
    assert read_bundle(bundle.path).spec.labels == ("鳥",)
    assert "鳥" in (bundle.path / SPEC_FILE).read_text(encoding="utf-8")


def test_the_folder_can_be_moved_and_keeps_its_hash(tmp_path):
    before = write(tmp_path / "mel")
    shutil.move(tmp_path / "mel", tmp_path / "elsewhere")
    assert read_bundle(tmp_path / "elsewhere").sha256 == before.sha256


def test_the_hash_stands_for_the_model_and_for_the_rules(tmp_path):
    hashes = {
        write(tmp_path / "same").sha256,
        write(tmp_path / "again").sha256,
        write(tmp_path / "model", model=MODEL + b"!").sha256,
        write(tmp_path / "rules", rules={"wren": {}, "owl": {}}).sha256,
    }
    assert len(hashes) == 3


def test_a_bundle_replaces_the_earlier_one_whole(tmp_path):
    path = tmp_path / "mel"
    write_bundle(path, SPEC, {MODEL_FILE: b"old", "notes.txt": b"of the old one"})
    write(path)
    assert names(path) == [SPEC_FILE, MODEL_FILE]
    assert names(tmp_path) == ["mel"]
    assert read_bundle(path).model_path.read_bytes() == MODEL


@pytest.mark.parametrize(
    ("files", "changes"),
    [
        ({MODEL_FILE: b"new", "no/such/folder.txt": b""}, {}),
        ({MODEL_FILE: b"new"}, {"provenance": {"function": print}}),
        ({MODEL_FILE: b"new"}, {"sample_rate_hz": 0}),
        ({MODEL_FILE: b"new"}, {"colour": "green"}),
    ],
)
def test_a_failed_writing_leaves_what_was_there_and_nothing_else(tmp_path, files, changes):
    before = write(tmp_path / "mel")
    for path in (tmp_path / "mel", tmp_path / "other"):
        with pytest.raises(Exception):  # noqa: B017, PT011 - what fails is the point, not how
            write_bundle(path, {**SPEC, **changes}, files)
    assert names(tmp_path) == ["mel"]
    assert read_bundle(tmp_path / "mel") == before


def test_a_folder_that_is_not_there(tmp_path):
    assert str(tmp_path / "mel") in refusal(tmp_path / "mel", BundleError)


@pytest.mark.parametrize("gone", [[MODEL_FILE], [SPEC_FILE], [SPEC_FILE, MODEL_FILE]])
def test_missing_files_are_named(tmp_path, gone):
    path = write(tmp_path / "mel").path
    for name in gone:
        (path / name).unlink()
    message = refusal(path, BundleError)
    assert all((name in message) == (name in gone) for name in (MODEL_FILE, SPEC_FILE))


def test_a_changed_model_is_refused(tmp_path):
    path = write(tmp_path / "mel").path
    (path / MODEL_FILE).write_bytes(MODEL[:-1])
    assert MODEL_FILE in refusal(path, BundleError)


@pytest.mark.skipif(not UNREADABLE.is_file(), reason="needs /proc")
def test_a_model_that_cannot_be_read_is_refused(tmp_path):
    path = write(tmp_path / "mel").path
    (path / MODEL_FILE).unlink()
    (path / MODEL_FILE).symlink_to(UNREADABLE)
    assert MODEL_FILE in refusal(path, BundleError)


def test_a_newer_format_asks_for_an_update_whatever_else_it_holds(tmp_path):
    path = write(tmp_path / "mel").path
    edit(path, format=FORMAT + 1, key_of_the_future=1, labels=None)
    assert "Update callcount" in refusal(path, BundleError)


@pytest.mark.parametrize("newer", [str(FORMAT + 1), float(FORMAT + 1)])
def test_a_newer_format_is_not_read_however_it_is_spelt(tmp_path, newer):
    path = write(tmp_path / "mel").path
    edit(path, format=newer)
    assert "format" in refusal(path)


def test_an_unknown_key_suggests_the_near_one(tmp_path):
    path = write(tmp_path / "mel").path
    edit(path, sample_rate_khz=16)
    message = refusal(path, ConfigError)
    assert "sample_rate_khz" in message
    assert "did you mean 'sample_rate_hz'" in message


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rules": {"wren": {}}}, "owl"),
        ({"rules": {"wren": {}, "owl": {}, "hawk": {}}}, "hawk"),
        ({"rules": {"wren": {"threshold": 1.5}, "owl": {}}}, "threshold"),
        ({"rules": {"wren": {"threshold": 0.3, "release": 0.4}, "owl": {}}}, "release"),
        ({"labels": ["wren", "owl", "owl"]}, "owl"),
        ({"labels": []}, "labels"),
        ({"labels": None}, "labels"),
        ({"frame_samples": 0}, "frame_samples"),
        ({"low_hz": float("nan")}, "low_hz"),
        ({"low_hz": 4000.0}, "low_hz"),
        ({"model_sha256": None}, "model_sha256"),
    ],
)
def test_a_wrong_value_is_named_with_its_file(tmp_path, changes, named):
    path = write(tmp_path / "mel").path
    edit(path, **changes)
    message = refusal(path, ConfigError)
    assert str(path / SPEC_FILE) in message
    assert named in message


@pytest.mark.parametrize("text", ["labels: [", "- a list", "just words", "\x00"])
def test_a_file_that_holds_no_settings_is_named(tmp_path, text):
    path = write(tmp_path / "mel").path
    (path / SPEC_FILE).write_text(text)
    assert SPEC_FILE in refusal(path, ConfigError)


def test_the_folder_of_a_run_leads_to_its_default(tmp_path):
    bundle = write(tmp_path / "mel")
    write(tmp_path / "spectrogram", name="spectrogram")
    (tmp_path / DEFAULT_FILE).write_text("model: mel\n")
    assert read_bundle(tmp_path) == bundle


@pytest.mark.parametrize("text", ["model: gone", "model:", "model: 3", "modle: mel", ""])
def test_a_default_that_points_nowhere_is_refused(tmp_path, text):
    write(tmp_path / "mel")
    (tmp_path / DEFAULT_FILE).write_text(text)
    assert DEFAULT_FILE in refusal(tmp_path, BundleError)


def run(artifacts, name, trained_at):
    """A training run with one bundle, as training leaves it."""
    bundle = write(artifacts / name / "mel", trained_at=trained_at)
    (artifacts / name / DEFAULT_FILE).write_text("model: mel\n")
    return bundle


def test_the_bundle_given_comes_first_then_the_one_trained_last(tmp_path):
    run(tmp_path, "b", "2024-05-02T06:00:00+00:00")
    last = run(tmp_path, "a", "2024-05-03T06:00:00+00:00")
    given = write(tmp_path / "given", trained_at="2020-01-01T00:00:00+00:00")
    chosen, why = choose_bundle(None, tmp_path)
    assert chosen == last
    assert str(tmp_path) in why
    chosen, why = choose_bundle(given.path, tmp_path)
    assert chosen == given
    assert "--model" in why


def test_a_wrong_bundle_given_is_no_reason_to_take_another(tmp_path):
    run(tmp_path, "a", "2024-05-03T06:00:00+00:00")
    with pytest.raises(BundleError):
        choose_bundle(tmp_path / "gone", tmp_path)


def test_without_a_trained_one_the_shipped_one_serves(tmp_path):
    write(tmp_path / "unfinished" / "mel")
    try:
        shipped = shipped_path()
    except BundleError:
        pytest.skip("no bundle in artifacts/capuchinbird yet")
    chosen, why = choose_bundle(None, tmp_path)
    assert chosen == read_bundle(shipped)
    assert chosen.spec.labels == ("capuchinbird",)
    assert "ships" in why


@pytest.mark.skipif(find_spec("counter.shipped") is not None, reason="a model is installed")
def test_an_installation_without_a_model_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("counter.bundle.__file__", str(tmp_path / "counter" / "bundle.py"))
    with pytest.raises(BundleError, match="callcount train"):
        choose_bundle(None, tmp_path)
