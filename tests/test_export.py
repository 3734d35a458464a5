"""``callcount export``: what is made of a bundle does what the bundle does, or is not made."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml
from ai_edge_litert.interpreter import Interpreter
from audio_files import write
from bundles import FRONT_END, LABELS_HZ, MODEL_RATE_HZ, RULES, TONE_CONTEXT, restless, tone_network
from outcomes import refusal, rows_of

from counter.bundle import MODEL_FILE, SPEC_FILE, read_bundle, write_bundle
from counter.cli.main import run
from counter.detector import Detector
from training.demo.clips_and_recordings import NEGATIVE_FOLDER, POSITIVE_FOLDER, make_clips
from training.export.bundle_export import proof_sounds

FACTS = "export.json"
WINDOW_S = 2.048
FEW_CLIPS = {
    "n_sources": 6,
    "clips_per_source": 2,
    "n_background_sources": 6,
    "backgrounds_per_source": 2,
}
TARGETS = ("android", "tflite-int8", "tflite-float16", "saved-model")


def all_of(path, trained, spec):
    """A bundle with everything that training leaves beside its two files."""
    from training.export.litert_export import export
    from training.models.litert_run import SAVED_FILE

    clips = proof_sounds(MODEL_RATE_HZ, FRONT_END.low_hz, FRONT_END.high_hz)
    exports = export(trained, clips[:1], clips)
    files = {f"model-{one.variant}.tflite": one.content for one in exports.variants}
    files |= {MODEL_FILE: exports.variants[0].content, SAVED_FILE: exports.saved}
    spec = {**spec, "labels": trained.labels, "provenance": {"window_s": WINDOW_S}}
    if trained.window_samples is not None:
        spec["provenance"]["classes"] = "exclusive"
    return write_bundle(path, spec, files)


@pytest.fixture(scope="module")
def bundle(made_network, tmp_path_factory):
    """A bundle that hears tones of two labels, with all that training leaves."""
    spec = {**made_network.bundle.spec.for_another(), "context_frames": TONE_CONTEXT}
    spec["rules"] = dict.fromkeys(LABELS_HZ, RULES)
    return all_of(tmp_path_factory.mktemp("whole") / "made", tones(LABELS_HZ), spec)


def tones(labels_hz):
    from training.fit.fitting import Trained

    return Trained(tuple(labels_hz), FRONT_END, tone_network(labels_hz))


@pytest.fixture(scope="module")
def windowed(windowed_network, tmp_path_factory):
    """A bundle of windows and exclusive classes, with all that training leaves."""
    spec = windowed_network.bundle.spec.for_another()
    return all_of(tmp_path_factory.mktemp("windowed") / "made", windowed_network.trained, spec)


@pytest.fixture
def own(bundle, tmp_path):
    """A copy of it that may be changed."""
    return Path(shutil.copytree(bundle.path, tmp_path / "own"))


def export(*arguments):
    return run(["export", *map(str, arguments)])


def scores_of(path, samples):
    """What a LiteRT file gives for its own length of samples."""
    interpreter = Interpreter(model_path=str(path))
    taken = interpreter.get_input_details()[0]
    interpreter.resize_tensor_input(taken["index"], [1, len(samples)])
    interpreter.allocate_tensors()
    interpreter.set_tensor(taken["index"], samples[None])
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


@pytest.mark.parametrize("target", TARGETS)
def test_every_export_says_how_far_it_differs(bundle, tmp_path, capsys, target):
    assert export(bundle.path, "--to", target, "-o", tmp_path / "new") == 0
    facts = json.loads((tmp_path / "new" / FACTS).read_text())
    assert facts["target"] == target
    assert facts["bundle"] == {"name": "made", "sha256": bundle.sha256}
    assert facts["labels"] == ["low", "high"]
    assert 0 <= facts["parity"]["largest_difference"] <= facts["parity"]["tolerance"]
    for name, told in facts["files"].items():
        assert (tmp_path / "new" / name).stat().st_size == told["bytes"] > 0
    said = capsys.readouterr()
    assert f"{target} of made" in said.out
    assert "Largest difference" in said.out


def test_an_export_takes_its_bundles_name_and_replaces_its_like_alone(
    bundle, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert export(bundle.path, "--to", "tflite-float16") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["made-tflite-float16"]
    before = (bundle.path / SPEC_FILE).read_bytes()
    assert export(bundle.path, "--to", "tflite-float16", "-o", bundle.path) == 2
    assert "exists and callcount did not make it" in refusal(capsys)
    assert (bundle.path / SPEC_FILE).read_bytes() == before


def test_float16_scores_as_float32_does_with_a_smaller_network(made_network, tmp_path):
    bundle = made_network.bundle
    assert export(bundle.path, "--to", "tflite-float16", "-o", tmp_path / "half") == 0
    half = read_bundle(tmp_path / "half")
    assert half.spec.rules == bundle.spec.rules
    assert half.spec.provenance["exported_as"] == "tflite-float16"
    assert half.model_path.stat().st_size < bundle.model_path.stat().st_size
    sound = restless(20.0, seed=3)
    with Detector(bundle) as whole, Detector(half) as less:
        difference = np.abs(whole.scores(sound) - less.scores(sound))
    assert 0 < difference.max() < 0.005


def test_int8_is_the_one_of_training(bundle, tmp_path):
    assert export(bundle.path, "--to", "tflite-int8", "-o", tmp_path / "int8") == 0
    kept = (bundle.path / "model-int8.tflite").read_bytes()
    assert read_bundle(tmp_path / "int8").model_path.read_bytes() == kept


def test_exported_bundles_scan(bundle, tmp_path):
    sound = write(tmp_path / "a.wav", restless(30.0, seed=2), MODEL_RATE_HZ)
    counts = {}
    for target in ("tflite-float16", "tflite-int8"):
        assert export(bundle.path, "--to", target, "-o", tmp_path / target) == 0
        arguments = ["--model", tmp_path / target, "--no-plots", "-o", tmp_path / f"{target}.csv"]
        assert run(["scan", str(sound), *map(str, arguments)]) == 0
        counts[target] = rows_of(tmp_path / f"{target}.csv")[0]["status"]
    assert set(counts.values()) == {"ok"}


def test_the_saved_model_does_what_the_bundle_does(bundle, tmp_path):
    import tensorflow as tf

    assert export(bundle.path, "--to", "saved-model", "-o", tmp_path / "saved") == 0
    sound = restless(4.096, seed=4)
    model = tf.saved_model.load(str(tmp_path / "saved"))
    (scores,) = model.signatures["serving_default"](samples=tf.constant(sound[None])).values()
    np.testing.assert_allclose(scores, scores_of(bundle.model_path, sound), atol=1e-3)


@pytest.mark.parametrize("window_s", [None, 1.024])
def test_a_phones_model_scores_a_clip_as_training_does(made_network, tmp_path, window_s):
    spec = {**made_network.bundle.spec.for_another(), "provenance": {"window_s": WINDOW_S}}
    files = {MODEL_FILE: made_network.bundle.model_path.read_bytes()}
    bundle = write_bundle(tmp_path / "made", spec, files)
    asked = [] if window_s is None else ["--window", window_s]
    assert export(bundle.path, "--to", "android", *asked, "-o", tmp_path / "new") == 0
    n_samples = int((window_s or WINDOW_S) * MODEL_RATE_HZ)
    interpreter = Interpreter(model_path=str(tmp_path / "new" / "made.tflite"))
    assert interpreter.get_input_details()[0]["shape"].tolist() == [1, n_samples]
    assert interpreter.get_output_details()[0]["shape"].tolist() == [1, 2]
    for seed in range(3):
        clip = restless(n_samples / MODEL_RATE_HZ, seed=seed)
        wanted = made_network.trained.clip_score(clip)
        found = scores_of(tmp_path / "new" / "made.tflite", clip)[0]
        np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("target", TARGETS)
def test_models_of_windows_are_exported_too(windowed, tmp_path, target):
    assert export(windowed.path, "--to", target, "-o", tmp_path / "new") == 0
    facts = json.loads((tmp_path / "new" / FACTS).read_text())
    assert facts["parity"]["largest_difference"] <= facts["parity"]["tolerance"]
    if target.startswith("tflite"):
        spec = read_bundle(tmp_path / "new").spec
        assert spec.window_samples == windowed.spec.window_samples


def test_a_phones_model_of_windows_takes_one_and_gives_its_scores(windowed, tmp_path, capsys):
    n_samples = windowed.spec.window_samples
    arguments = [windowed.path, "--to", "android", "-o", tmp_path / "new"]
    assert export(*arguments, "--window", 3) == 2
    assert f"is not that of bundle made, {n_samples / MODEL_RATE_HZ:g} s" in refusal(capsys)
    assert export(*arguments, "--window", n_samples / MODEL_RATE_HZ) == 0
    interpreter = Interpreter(model_path=str(tmp_path / "new" / "made.tflite"))
    assert interpreter.get_input_details()[0]["shape"].tolist() == [1, n_samples]
    assert interpreter.get_output_details()[0]["shape"].tolist() == [1, 2]
    clip = restless(n_samples / MODEL_RATE_HZ, seed=2)
    found = scores_of(tmp_path / "new" / "made.tflite", clip)
    np.testing.assert_allclose(found, scores_of(windowed.model_path, clip), atol=1e-5)


def test_labels_are_packed_into_a_phones_model_and_stand_beside_it(bundle, tmp_path):
    assert export(bundle.path, "--to", "android", "-o", tmp_path / "new") == 0
    assert (tmp_path / "new" / "labels.txt").read_text() == "low\nhigh\n"
    with zipfile.ZipFile(tmp_path / "new" / "made.tflite") as packed:
        (entry,) = packed.infolist()
        assert (entry.filename, entry.compress_type) == ("labels.txt", zipfile.ZIP_STORED)
        assert packed.read(entry) == b"low\nhigh\n"


@pytest.mark.parametrize("text", ["high\nlow\n", "low\n", "low\nhigh\nhum\n", "Low\nhigh\n", ""])
def test_labels_that_disagree_are_refused(bundle, tmp_path, capsys, text):
    (tmp_path / "labels.txt").write_text(text)
    arguments = ["--labels", tmp_path / "labels.txt", "-o", tmp_path / "new"]
    assert export(bundle.path, "--to", "android", *arguments) == 2
    assert "are of low, high, in this order" in refusal(capsys)
    assert not (tmp_path / "new").exists()


def test_labels_that_agree_are_taken(bundle, tmp_path):
    (tmp_path / "labels.txt").write_bytes("\ufefflow\r\nhigh\r\n\r\n".encode())
    arguments = ["--labels", tmp_path / "labels.txt", "-o", tmp_path / "new"]
    assert export(bundle.path, "--to", "tflite-int8", *arguments) == 0


def test_parity_is_proven_on_given_sounds_too(bundle, tmp_path, capsys):
    (tmp_path / "sounds").mkdir()
    write(tmp_path / "sounds" / "a.wav", restless(61.0), MODEL_RATE_HZ)
    write(tmp_path / "sounds" / "b.flac", restless(1.0), MODEL_RATE_HZ)
    n_sounds = []
    for more in ([], ["--sounds", tmp_path / "sounds"]):
        assert export(bundle.path, "--to", "tflite-float16", *more, "-o", tmp_path / "new") == 0
        facts = json.loads((tmp_path / "new" / FACTS).read_text())
        n_sounds.append(facts["parity"]["n_sounds"])
    assert n_sounds[1] == n_sounds[0] + 2
    (tmp_path / "sounds" / "c.wav").write_text("no sound")
    assert export(bundle.path, "--to", "tflite-float16", *more, "-o", tmp_path / "new") == 2
    assert "c.wav cannot be read as sound" in refusal(capsys)


def test_what_scores_otherwise_is_not_written(own, tmp_path, capsys):
    """A network of other weights under the names of the right one."""
    from training.export import litert_export as exporting

    wrong = tones({"low": LABELS_HZ["high"], "high": LABELS_HZ["low"]})
    sounds = proof_sounds(MODEL_RATE_HZ, FRONT_END.low_hz, FRONT_END.high_hz)
    saved = exporting.export(wrong, sounds[:1], sounds).saved
    data = yaml.safe_load((own / SPEC_FILE).read_text())
    del data["files_sha256"]
    (own / SPEC_FILE).write_text(yaml.safe_dump(data))
    (own / "saved-model.zip").write_bytes(saved)
    assert export(own, "--to", "saved-model", "-o", tmp_path / "new") == 2
    assert "saved-model of bundle made differs from model-float32.tflite by" in refusal(capsys)
    assert not (tmp_path / "new").exists()


def test_a_file_that_was_changed_is_refused(own, tmp_path, capsys):
    with (own / "model-float32.tflite").open("ab") as file:
        file.write(b"more")
    assert export(own, "--to", "tflite-float16", "-o", tmp_path / "new") == 2
    assert "model-float32.tflite is not the file that was trained" in refusal(capsys)


@pytest.mark.parametrize(
    ("gone", "target", "said"),
    [
        ("saved-model.zip", "saved-model", "holds no saved-model.zip"),
        ("model-int8.tflite", "tflite-int8", "holds no int8 model"),
    ],
)
def test_a_target_that_the_bundle_cannot_have_is_refused(own, tmp_path, capsys, gone, target, said):
    (own / gone).unlink()
    assert export(own, "--to", target, "-o", tmp_path / "new") == 2
    assert said in refusal(capsys)
    assert not (tmp_path / "new").exists()


def test_a_model_of_more_than_a_phone_has_is_refused(own, tmp_path, capsys):
    """A network that no phone's reader knows every operation of."""
    import tensorflow as tf

    def scores(samples):
        frames = tf.reshape(samples, (1, -1, 1024))
        turned = tf.raw_ops.MatrixDeterminant(input=frames[..., :4, None] * tf.eye(4))
        return tf.stack([turned, turned], axis=2)

    signature = tf.TensorSpec([1, 8192], tf.float32)
    graph = tf.function(scores, input_signature=[signature]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([graph])
    ops = tf.lite.OpsSet
    converter.target_spec.supported_ops = [ops.TFLITE_BUILTINS, ops.SELECT_TF_OPS]
    strange = write_bundle(
        tmp_path / "strange", read_bundle(own).spec.for_another(), {MODEL_FILE: converter.convert()}
    )
    assert export(strange.path, "--to", "android", "--window", 1, "-o", tmp_path / "new") == 2
    said = refusal(capsys)
    assert "cannot be had for android: its model needs FlexMatrixDeterminant" in said
    assert not (tmp_path / "new").exists()


def test_the_two_files_of_a_bundle_are_enough_where_they_can_be(own, tmp_path):
    for path in own.iterdir():
        if path.name not in (MODEL_FILE, SPEC_FILE):
            path.unlink()
    for target in ("tflite-float16", "android"):
        assert export(own, "--to", target, "-o", tmp_path / target) == 0


def test_a_quantised_bundle_goes_to_a_phone_as_it_counts(own, tmp_path, capsys):
    int8 = (own / "model-int8.tflite").read_bytes()
    small = write_bundle(
        tmp_path / "small", read_bundle(own).spec.for_another(), {MODEL_FILE: int8}
    )
    assert export(small.path, "--to", "android", "-o", tmp_path / "phone") == 0
    assert export(small.path, "--to", "tflite-float16", "-o", tmp_path / "half") == 2
    assert "holds no model-float32.tflite, and its model.tflite is int8" in refusal(capsys)


def test_a_bundle_that_tells_no_window_asks_for_one(made_network, tmp_path, capsys):
    arguments = [made_network.bundle.path, "--to", "android", "-o", tmp_path / "new"]
    assert export(*arguments) == 2
    assert "--window SECONDS" in refusal(capsys)
    assert export(*arguments, "--window", 0.01) == 2
    assert "less than one score" in refusal(capsys)
    assert export(*arguments, "--window", 1) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give either --to or --compare"),
        (("--to", "android", "--compare"), "give either --to or --compare"),
        (("--to", "ios"), "'ios' is not one of"),
        (("--to", "tflite-int8", "--window", "1"), "--window is for --to android"),
        (("--to", "android", "--clips", "."), "--clips is for --compare"),
        (("--compare", "--window", "1"), "--window is for --to"),
        (("--to", "android", "--labels", "gone.txt"), "cannot read --labels gone.txt"),
        (("--to", "android", "--sounds", "gone"), "gone does not exist"),
        (("--compare",), "stands in no training run's folder"),
    ],
)
def test_wrong_options_are_told(bundle, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert export(bundle.path, *arguments) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_that_is_not_there(tmp_path, capsys):
    assert export(tmp_path / "gone", "--to", "android") == 2
    assert "no such folder" in refusal(capsys)


@pytest.fixture(scope="module")
def trained_run(made_network, tmp_path_factory):
    """The folder of a run: its settings, its clips and its bundle, untrained, of one label."""
    folder = tmp_path_factory.mktemp("run")
    make_clips(folder / "clips", seed=1, sample_rate_hz=8000, **FEW_CLIPS)
    settings = {
        "clips": {
            "labels": {"demobird": f"clips/{POSITIVE_FOLDER}"},
            "background": f"clips/{NEGATIVE_FOLDER}",
        }
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    spec = {**made_network.bundle.spec.for_another(), "rules": {"demobird": RULES}}
    all_of(folder / "made", tones({"demobird": 1500.0}), spec)
    return folder


def test_all_forms_are_compared_on_the_validation_clips(trained_run, tmp_path, capsys):
    arguments = ["--compare", "--clips", trained_run, "-o", tmp_path / "new"]
    assert export(trained_run / "made", *arguments) == 0
    facts = json.loads((tmp_path / "new" / "comparison.json").read_text())
    forms = {one["name"]: one for one in facts["forms"]}
    assert list(forms) == ["keras", "float32", "float16", "int8"]
    assert facts["compared_with"] == "keras"
    assert (forms["keras"]["agreement"], forms["keras"]["largest_difference"]) == (1.0, 0.0)
    assert forms["float32"]["largest_difference"] < 1e-3
    assert 0 < forms["float16"]["largest_difference"] < 0.005
    assert forms["int8"]["largest_difference"] > forms["float32"]["largest_difference"]
    assert all(one["speed_x"] > 1 and 0 <= one["accuracy"] <= 1 for one in facts["forms"])
    assert facts["sources"] > 1
    said = capsys.readouterr().out
    assert f"{facts['clips']} validation clips" in said
    assert all(name in said for name in forms)


def test_exclusive_classes_are_compared_by_the_class_of_most_score(windowed, trained_run, tmp_path):
    """Two classes that stand for themselves: no background is needed, and none is said."""
    folders = [f"clips/{POSITIVE_FOLDER}", f"clips/{NEGATIVE_FOLDER}"]
    accuracies = []
    for of_labels in (folders, folders[::-1]):
        clips = {"labels": dict(zip("ab", of_labels, strict=True)), "background": []}
        settings = {"classes": "exclusive", "clips": clips, "network": {"kind": "cnn-2d"}}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings))
        arguments = ["--compare", "--config", tmp_path / "config.yaml", "--clips", trained_run]
        assert export(windowed.path, *arguments, "-o", tmp_path / "new") == 0
        facts = json.loads((tmp_path / "new" / "comparison.json").read_text())
        assert [one["name"] for one in facts["forms"]] == ["keras", "float32", "float16", "int8"]
        assert facts["forms"][1]["agreement"] == 1.0
        accuracies.append(facts["forms"][1]["accuracy"])
    # Untrained, it says one class of all; background, which there is none of, is never said.
    assert max(accuracies) > 0


def test_other_clips_than_those_of_training_are_refused(trained_run, tmp_path, capsys):
    run_folder = Path(shutil.copytree(trained_run, tmp_path / "run"))
    data = yaml.safe_load((run_folder / "made" / SPEC_FILE).read_text())
    data["provenance"]["sources"] = {"train": 3, "validation": 1, "test": 0}
    (run_folder / "made" / SPEC_FILE).write_text(yaml.safe_dump(data))
    arguments = ["--compare", "--clips", trained_run, "-o", tmp_path / "new"]
    assert export(run_folder / "made", *arguments) == 2
    assert "where it was trained on demobird in sources of 3 to train" in refusal(capsys)
    assert export(run_folder / "made", "--compare", "-o", tmp_path / "new") == 2
    assert "does not exist" in refusal(capsys)
    assert not (tmp_path / "new").exists()
