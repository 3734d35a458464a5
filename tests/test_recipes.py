"""The recipes of ``configs``: each trains on made-up clips of its classes, and scans."""

import importlib.util
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from audio_files import write
from bundles import TRAINED
from outcomes import refusal, rows_of

from counter.bundle import read_bundle
from counter.cli.main import run
from counter.config import read_yaml, validate
from training.autoconfig import fit_to_calls
from training.settings.train_settings import TrainSettings

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml") if path.stem != "default")
# The bird's spell out what else follows from the calls, and name one model or both.
OF_THE_BIRD = ("capuchinbird", "capuchin-mel", "capuchin-spectrogram")
FEW = (
    "fit.epochs=2",
    "fit.windows_per_epoch=64",
    "fit.batch_size=16",
    "rules.folds=2",
    "rules.recordings_per_fold=3",
    "rules.recording_s=15",
)
RATE_HZ = 16000
# How pickles of every protocol since the second begin.
PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
CLIP_S = 2.3


def sound_of(number, seed, duration_s=2.0):
    """Pulses at a pitch that is the class's own, over quiet noise."""
    rng = np.random.default_rng([number, seed])
    t = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    hz = 300 * 1.3**number * rng.uniform(0.97, 1.03)
    pulses = np.sin(2 * np.pi * (2 + number % 3) * t) > 0
    return (0.2 * np.sin(2 * np.pi * hz * t) * pulses + rng.normal(0, 0.01, len(t))).astype("f4")


def classes_of(name):
    """Folder of each label, in order, and those of the background."""
    clips = read_yaml(CONFIGS / f"{name}.yaml")["clips"]
    return {label: folders[0] for label, folders in clips["labels"].items()}, clips["background"]


def write_classes(folder, name, n_sources=4):
    labels, background = classes_of(name)
    duration_s = max(CLIP_S, 0.3 + getattr(settings_of(name).network, "window_s", 0))
    for number, path in enumerate([*labels.values(), *background]):
        (folder / path).mkdir(parents=True)
        for source in range(n_sources):
            clip = folder / path / f"{Path(path).name}{source}-1.wav"
            write(clip, sound_of(number, source, duration_s), RATE_HZ, subtype="PCM_16")
    return labels, background


def settings_of(name):
    return validate(TrainSettings, read_yaml(CONFIGS / f"{name}.yaml"), name)


def few():
    return [part for one in FEW for part in ("--set", one)]


def test_there_is_a_recipe_for_every_front_end_and_network():
    from training.models.networks import WINDOW_NETWORKS
    from training.models.window_front_ends import WINDOW_FRONT_ENDS
    from training.settings.front_end_settings import FrontEndSettings
    from training.settings.network_settings import WindowNetworkSettings

    every = [settings_of(name) for name in NAMES]
    kinds = {one.kind for settings in every for one in settings.models.values()}
    # A network from elsewhere has to be on disk: tests/test_transfer.py makes one.
    assert kinds == set(WINDOW_FRONT_ENDS) - {"pretrained"}
    assert {settings.network.kind for settings in every} >= {"conv", *WINDOW_NETWORKS}
    assert all(issubclass(type(x), FrontEndSettings) for s in every for x in s.models.values())
    windowed = [one.network for one in every if one.has_windows]
    assert all(isinstance(one, WindowNetworkSettings) for one in windowed)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_named_as_its_file(name):
    assert settings_of(name).name == name


@pytest.mark.parametrize("name", OF_THE_BIRD)
def test_a_recipe_of_the_bird_leaves_nothing_open_but_is_the_default_else(name):
    default, settings = TrainSettings(), settings_of(name)
    kind = name.partition("-")[2]
    assert settings.models == ({kind: default.models[kind]} if kind else default.models)
    assert fit_to_calls(settings) == (settings, None)
    assert settings.model_copy(update={"name": default.name, "models": default.models}) == default


def check_report(folder, classes, labels):
    report = json.loads((folder / "classification_report.json").read_text())
    for split in ("cross-validation", "test"):
        assert report[split]["confusion"]["classes"] == classes
        assert list(report[split]["labels"]) == labels
        assert sum(map(sum, report[split]["confusion"]["counts"])) == report[split]["clips"]


def check_nothing_pickled(folder):
    """No file, and none inside a zip file, begins as a pickle does or names what one would load."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".png"]
    contents = {path: path.read_bytes() for path in files}
    for path in folder.rglob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            contents |= {path / name: archive.read(name) for name in archive.namelist()}
    assert contents
    for path, content in contents.items():
        assert not content.startswith(PICKLES), path
        assert not any(module in content for module in (b"sklearn.", b"joblib")), path


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name not in OF_THE_BIRD])
def test_a_recipe_trains_and_scans(name, tmp_path, monkeypatch, capsys):
    settings = settings_of(name)
    if getattr(settings.augment, "audiomentations", ()):
        pytest.importorskip("audiomentations", reason="needs callcount[augment]")
    monkeypatch.chdir(tmp_path)
    labels, background = write_classes(tmp_path, name)
    assert run(["train", "--config", str(CONFIGS / f"{name}.yaml"), *few()]) in TRAINED
    assert f"artifacts/{name}" in capsys.readouterr().out
    bundle = read_bundle(Path("artifacts") / name)
    assert bundle.spec.labels == tuple(labels)
    assert (bundle.spec.window_samples is not None) == settings.has_windows
    assert bundle.spec.provenance["parity"]["float32"] <= 1e-3

    check_nothing_pickled(bundle.path)
    check_report(bundle.path, [*labels, "background"] if background else [*labels], [*labels])
    card = (Path("artifacts") / name / "model_card.md").read_text()
    assert all(label.replace("_", r"\_") in card for label in labels)
    assert ("clips one after another" in card) == (not background)

    Path("recordings").mkdir()
    row = np.concatenate([sound_of(number, 9) for number in range(len(labels))])
    write(Path("recordings") / "a.wav", row, RATE_HZ, subtype="PCM_16")
    given = ["recordings", "--model", f"artifacts/{name}", "-o", "results.csv"]
    assert run(["scan", *given, "--no-plots", "--keep-scores"]) == 0
    (counted,) = rows_of(tmp_path / "results.csv")
    assert counted["status"] == "ok"
    columns = [f"calls_{label}" for label in labels] if len(labels) > 1 else []
    assert [key for key in counted if key.startswith("calls_")][: len(columns)] == columns
    events = rows_of(tmp_path / "results" / "events.csv")
    assert int(counted["calls"]) == len(events)
    assert {event["label"] for event in events} <= set(labels)


def test_the_same_seed_trains_the_same_windows_twice():
    from training.data.clip_set import Clip, ClipSet
    from training.fit.fit_by_kind import fit

    settings = settings_of("speech-song-mel")
    few_steps = settings.fit.model_copy(
        update={"epochs": 2, "windows_per_epoch": 64, "batch_size": 16}
    )
    settings = settings.model_copy(update={"fit": few_steps})
    clips = ClipSet(
        tuple("abc"),
        RATE_HZ,
        tuple(
            Clip(f"{label}-{n}", f"{label}{n}", label, sound_of(label, n))
            for label in range(3)
            for n in range(3)
        ),
    )
    models = [
        fit(settings, settings.models["mel"], clips, validation=clips, seed=seed)
        for seed in (1, 2, 1)
    ]
    assert models[0].history == models[2].history
    assert models[0].history != models[1].history
    sound = clips.clips[0].samples
    np.testing.assert_array_equal(models[0].scores(sound), models[2].scores(sound))
    assert models[0].scores(sound).sum(axis=1) == pytest.approx(1)


@pytest.fixture
def three_classes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    labels, _ = write_classes(tmp_path, "speech-song-mel", n_sources=3)
    return {label: tmp_path / folder for label, folder in labels.items()}


def train_three(*more):
    return run(["train", "--config", str(CONFIGS / "speech-song-mel.yaml"), *more])


def test_a_class_folder_that_is_empty_is_named(three_classes, capsys):
    for path in three_classes["speech"].iterdir():
        path.unlink()
    assert train_three() == 2
    assert "data/speech-song/speech" in refusal(capsys)
    assert not Path("artifacts").exists()


def test_a_class_of_one_source_is_named(three_classes, capsys):
    for path in sorted(three_classes["song"].iterdir())[1:]:
        path.unlink()
    assert train_three() == 2
    assert "label 'song' has 1 source(s)" in refusal(capsys)
    assert not Path("artifacts").exists()


def test_a_window_longer_than_every_clip_is_told(three_classes, capsys):
    assert train_three("--set", "network.window_s=2.5") == 2
    said = refusal(capsys)
    assert "the window of 2.496 s is longer than every clip: the longest lasts 2.3 s" in said
    assert "network.window_s" in said
    assert not Path("artifacts").exists()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"classes": "exclusive"}, "needs a network with windows"),
        ({"network": {"kind": "dense"}}, "takes one vector, but models.mel ('mel') gives bands"),
        ({"network": {"kind": "cnn2d"}}, "(did you mean 'cnn-2d'?)"),
        ({"network": {"kind": "cnn-2d", "chanels": [4]}}, "(did you mean 'channels'?)"),
        ({"network": {"kind": "cnn-2d", "hop_s": 3.0}}, "sound between two windows"),
        ({"network": {"kind": "cnn-2d"}, "fit": {"window_s": 2.0}}, "fit.window_s is for network"),
        ({"network": {"kind": "cnn-2d"}, "augment": {"stretch": 0.1}}, "'augment.stretch'"),
        ({"network": {"kind": "cnn-2d"}, "augment": {"mask_bands": 48}}, "48 is above 47"),
        ({"models": {"mel": {"kind": "mell"}}}, "(did you mean 'mel'?)"),
        ({"models": {"mel": {"n_bands": 30}}}, "'models.mel.kind' is missing"),
        ({"models": {"mel": {"kind": "mel", "n_band": 3}}}, "(did you mean 'n_bands'?)"),
        ({"models": {"w": {"kind": "waveform"}}}, "takes bands along time"),
        ({"models": {"m": {"kind": "mfcc"}}}, "takes the kinds mel and spectrogram"),
    ],
)
def test_what_does_not_go_together_is_one_clear_line(given, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(yaml.safe_dump(given))
    assert run(["train", "--config", "mine.yaml"]) == 2
    said = refusal(capsys)
    assert says in said
    assert "mine.yaml" in said


def transform(*described):
    return "augment.audiomentations=" + json.dumps(described)


@pytest.mark.skipif(
    importlib.util.find_spec("audiomentations") is None, reason="needs callcount[augment]"
)
@pytest.mark.parametrize(
    ("described", "says"),
    [
        ({"name": "PitchShft"}, "(did you mean 'PitchShift'?)"),
        ({"name": "Gain", "min_gain": 3}, "(did you mean 'min_gain_db'?)"),
        ({"name": "Gain", "min_gain_db": 9, "max_gain_db": 1}, "audiomentations: Gain:"),
        ({"min_gain_db": 3}, "needs a name"),
    ],
)
def test_transforms_that_are_not_the_librarys_are_told(three_classes, capsys, described, says):
    assert train_three("--set", transform(described)) == 2
    assert says in refusal(capsys)
    assert not Path("artifacts").exists()


def test_without_the_library_its_transforms_are_refused(three_classes, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "audiomentations", None)
    assert train_three("--set", transform({"name": "Gain"})) == 2
    assert "pip install 'callcount[augment]'" in refusal(capsys)
