"""A network that was trained elsewhere, as a front end; a small one made here stands in for it."""

import json

import numpy as np
import pytest
import yaml
from audio_files import write
from outcomes import refusal, rows_of

from counter.bundle import read_bundle
from counter.cli.main import run

RATE_HZ = 8000
WINDOW = 7800  # no round number, as YAMNet's 15600 is none
HZ = {"low": 600.0, "high": 2400.0}
N_VALUES = 24
FEW = {
    "fit": {"epochs": 12, "windows_per_epoch": 128, "batch_size": 16, "learning_rate": 0.01},
    "rules": {"folds": 2, "recordings_per_fold": 3, "recording_s": 20},
}


def stand_in(path, kind):
    """A SavedModel that hears pitches: takes batches, one clip, or a sound of any length."""
    import tensorflow as tf

    hz = np.geomspace(200, 3800, N_VALUES)
    phase = 2 * np.pi * np.outer(np.arange(256) / RATE_HZ, hz)
    module = tf.Module()
    filters = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)[:, None]
    module.filters = tf.Variable(filters.astype(np.float32))

    def heard(samples):
        """Levels along time, (n, n_patches, N_VALUES)."""
        waves = tf.nn.conv1d(samples[..., None], module.filters, 128, "SAME")
        power = tf.square(waves[..., :N_VALUES]) + tf.square(waves[..., N_VALUES:])
        return tf.math.log(power + 1e-4) / 10

    shapes = {"batch": [None, WINDOW], "single": [1, WINDOW], "patches": [None]}

    @tf.function(input_signature=[tf.TensorSpec(shapes[kind], tf.float32, name="waveform")])
    def serve(waveform):
        levels = heard(waveform if kind != "patches" else waveform[None])
        if kind == "patches":
            return {"scores": levels[0, :, :2], "embeddings": levels[0]}
        mean = tf.reduce_mean(levels, axis=1)
        return {"logits": mean[:, :2], "embedding": mean}

    tf.saved_model.save(module, str(path), signatures={"serving_default": serve})
    return path


def lite(path, saved):
    """That network as a LiteRT file from one window to logits, its embedding within."""
    import tensorflow as tf

    loaded = tf.saved_model.load(str(saved))
    signature = loaded.signatures["serving_default"]
    units = np.random.default_rng(0).normal(size=(N_VALUES, 3)).astype(np.float32)

    @tf.function(input_signature=[tf.TensorSpec([1, WINDOW], tf.float32)])
    def logits(waveform):
        embedding = tf.tanh(signature(waveform=waveform)["embedding"], name="inner")
        return tf.matmul(embedding, units)

    converter = tf.lite.TFLiteConverter.from_concrete_functions([logits.get_concrete_function()])
    path.write_bytes(converter.convert())
    return path


def inner_of(path):
    """Name of the tensor with the embedding, as a viewer shows it."""
    from training.models.litert_graph import Graph

    graph = Graph(path.read_bytes(), str(path))
    made = next(one for one in graph.operators if graph.kind(one) == "TANH")
    return graph.tensor(int(made.outputs[0])).name.decode()


def tone(label, seed, duration_s=1.6):
    rng = np.random.default_rng([seed, len(label)])
    t = np.arange(int(duration_s * RATE_HZ)) / RATE_HZ
    wave = 0.3 * np.sin(2 * np.pi * HZ[label] * rng.uniform(0.97, 1.03) * t)
    return (wave + rng.normal(0, 0.01, len(t))).astype(np.float32)


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """One network of each kind."""
    folder = tmp_path_factory.mktemp("networks")
    return {kind: stand_in(folder / kind, kind) for kind in ("batch", "single", "patches")}


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A folder with clips of two classes and of neither."""
    monkeypatch.chdir(tmp_path)
    for label in HZ:
        (tmp_path / label).mkdir()
        for source in range(4):
            write(tmp_path / label / f"{label}{source}-1.wav", tone(label, source), RATE_HZ)
    (tmp_path / "other").mkdir()
    for source in range(4):
        noise = np.random.default_rng(source).normal(0, 0.05, 2 * RATE_HZ).astype(np.float32)
        write(tmp_path / "other" / f"other{source}-1.wav", noise, RATE_HZ)
    return tmp_path


def config(network, **front_end):
    data = {
        "name": "transfer",
        "classes": "exclusive",
        "clips": {"labels": {label: [label] for label in HZ}, "background": ["other"]},
        "models": {
            "theirs": {
                "kind": "pretrained",
                "path": str(network),
                "sample_rate_hz": RATE_HZ,
                "high_hz": 3900,
                **front_end,
            }
        },
        "network": {"kind": "dense", "units": [16], "window_s": WINDOW / RATE_HZ, "hop_s": 0.25},
        **FEW,
    }
    with open("transfer.yaml", "w", encoding="utf-8") as file:
        yaml.safe_dump(data, file)
    return ["train", "--config", "transfer.yaml"]


def embedded(network, sounds, **front_end):
    from training.models.pretrained import Pretrained
    from training.settings.front_end_settings import PretrainedSettings

    settings = PretrainedSettings(
        kind="pretrained", path=str(network), sample_rate_hz=RATE_HZ, **front_end
    )
    return np.asarray(Pretrained(settings.model_dump())(sounds))


def test_windows_are_embedded_alike_however_a_network_takes_them(networks):
    sounds = np.stack([tone(label, seed)[:WINDOW] for label in HZ for seed in range(2)])
    found = {kind: embedded(path, sounds) for kind, path in networks.items()}
    assert found["batch"].shape == (4, N_VALUES)
    np.testing.assert_allclose(found["single"], found["batch"], atol=1e-4)
    np.testing.assert_allclose(found["patches"], found["batch"], atol=1e-4)
    assert (found["batch"][:2].argmax(axis=1) < found["batch"][2:].argmax(axis=1)).all()


def test_windows_are_scaled_to_a_peak_where_the_network_wants_it(networks):
    sounds = tone("low", 1)[None, :WINDOW]
    loud, faint = (embedded(networks["batch"], gain * sounds, peak=0.25) for gain in (1.0, 0.01))
    np.testing.assert_allclose(loud, faint, atol=1e-4)
    silence = embedded(networks["batch"], 0 * sounds, peak=0.25)
    assert np.isfinite(silence).all()


@pytest.mark.parametrize("kind", ["batch", pytest.param("patches", marks=pytest.mark.slow)])
def test_a_head_is_trained_on_embeddings_scans_and_is_exported(networks, work, kind):
    before = {path: path.read_bytes() for path in networks[kind].rglob("*") if path.is_file()}
    assert run(config(networks[kind])) == 0
    assert {path: path.read_bytes() for path in before} == before
    bundle = read_bundle(work / "artifacts" / "transfer")
    assert bundle.spec.window_samples == WINDOW
    assert not (bundle.path / "model-int8.tflite").exists()
    report = json.loads((bundle.path / "classification_report.json").read_text())
    assert report["cross-validation"]["accuracy"] > 0.9
    parts = [tone("low", 9), np.zeros(2 * RATE_HZ, np.float32), tone("high", 9)]
    (work / "recordings").mkdir()
    write(work / "recordings" / "a.wav", np.concatenate(parts), RATE_HZ)
    if kind == "batch":
        for target in ("android", "saved-model", "tflite-float16"):
            assert run(["export", "artifacts/transfer", "--to", target, "-o", target]) == 0
    given = ["recordings", "--model", "artifacts/transfer", "--no-plots", "-o", "counts.csv"]
    assert run(["scan", *given]) == 0
    (row,) = rows_of(work / "counts.csv")
    assert row["status"] == "ok"
    events = rows_of(work / "counts" / "events.csv")
    assert {event["label"] for event in events} == set(HZ)


def test_a_litert_file_is_joined_with_its_head(networks, work):
    model = lite(work / "theirs.tflite", networks["single"])
    assert run(config(model, output=inner_of(model), peak=0.3)) == 0
    bundle = read_bundle(work / "artifacts" / "transfer")
    assert sorted(path.name for path in bundle.path.glob("model*")) == [
        "model-float32.tflite",
        "model.tflite",
    ]
    (work / "recordings").mkdir()
    parts = [tone("low", 9), np.zeros(2 * RATE_HZ, np.float32), tone("high", 9)]
    write(work / "recordings" / "a.wav", np.concatenate(parts), RATE_HZ)
    model.unlink()  # it is in the bundle
    given = ["recordings", "--model", "artifacts/transfer", "--no-plots", "-o", "counts.csv"]
    assert run(["scan", *given]) == 0
    events = rows_of(work / "counts" / "events.csv")
    assert {event["label"] for event in events} == set(HZ)
    assert run(["export", "artifacts/transfer", "--to", "android", "-o", "phone"]) == 0
    assert run(["export", "artifacts/transfer", "--to", "saved-model", "-o", "saved"]) == 2


def test_the_inner_tensor_of_a_litert_file_is_the_embedding(networks, work):
    model = lite(work / "theirs.tflite", networks["single"])
    sounds = np.stack([tone(label, seed)[:WINDOW] for label in HZ for seed in range(2)])
    found = embedded(model, sounds, output=inner_of(model))
    np.testing.assert_allclose(found, np.tanh(embedded(networks["single"], sounds)), atol=1e-4)
    assert embedded(model, sounds).shape == (4, 3)


def test_what_a_litert_file_cannot_do_is_told(networks, work, capsys):
    model = lite(work / "theirs.tflite", networks["single"])
    assert run(config(model, output="hidden")) == 2
    assert "theirs.tflite has no tensor 'hidden'" in refusal(capsys)
    assert run(config(model, sample_rate_hz=16000)) == 2
    assert "takes samples of shape (1, 7800), but windows have 15600" in refusal(capsys)
    (work / "broken.tflite").write_bytes(b"nothing at all")
    assert run(config("broken.tflite")) == 2
    assert "broken.tflite is no LiteRT file" in refusal(capsys)
    assert run(config("gone.tflite")) == 2
    assert "cannot read gone.tflite" in refusal(capsys)


@pytest.mark.parametrize(
    ("front_end", "said"),
    [
        (
            {"path": "gone"},
            "gone is neither a SavedModel (it holds no saved_model.pb) nor a .tflite file",
        ),
        ({"output": "hidden"}, "has no output 'hidden': embedding (None, 24), logits (None, 2)"),
        ({"signature": "embed"}, "has no signature 'embed'; it has serving_default"),
        ({"sample_rate_hz": 16000}, "but windows have 15600 (0.975 s at 16000 Hz)"),
    ],
)
def test_what_a_network_cannot_do_is_told_before_the_work(networks, work, capsys, front_end, said):
    assert run(config(networks["batch"], **front_end)) == 2
    assert said in refusal(capsys)
    assert not (work / "artifacts").exists()


def test_a_broken_network_is_told(networks, work, capsys):
    (work / "broken").mkdir()
    (work / "broken" / "saved_model.pb").write_bytes(b"nothing")
    assert run(config("broken")) == 2
    assert "broken does not load as a SavedModel" in refusal(capsys)


def test_a_network_that_phones_cannot_run_is_told(work, capsys):
    import tensorflow as tf

    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, WINDOW], tf.float32, name="waveform")])
    def serve(waveform):
        return {"embedding": tf.linalg.svd(waveform[:, None, :], compute_uv=False)}

    tf.saved_model.save(module, "svd", signatures={"serving_default": serve})
    assert run(config("svd")) == 2
    assert "svd cannot be converted to LiteRT" in refusal(capsys)
