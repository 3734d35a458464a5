"""``callcount compare``: the same folds for every recipe, figures that follow from the clips."""

import json
import re

import numpy as np
import pytest
from audio_files import write
from outcomes import refusal, rows_of
from PIL import Image

from counter.cli.main import run

RATE_HZ = 8000
CLASSES = ("low", "middle", "high", "background")
MODELS = "{kind: mfcc, sample_rate_hz: 8000, low_hz: 0, high_hz: 4000, n_bands: 24, "
FRONT_END = f"models:\n  mfcc: {MODELS}n_coefficients: 12, mean: true}}\n"
WINDOW = "window_s: 0.5, hop_s: 0.25"
RECIPES = {
    "forest": f"network: {{kind: forest, {WINDOW}, n_trees: 20}}\n",
    "nearest": f"network: {{kind: neighbours, {WINDOW}, n_neighbours: 3}}\n",
}
PUBLISHED = r"clips.source_pattern=^(?P<fold>\d)-(?P<source>[a-z]+\d+)"


def clip(number, seed):
    """Each class a pitch of its own, background none."""
    rng = np.random.default_rng([number, seed])
    t = np.arange(RATE_HZ) / RATE_HZ
    hz = 400 * 2**number * rng.uniform(0.95, 1.05)
    tone = 0.0 if CLASSES[number] == "background" else 0.2 * np.sin(2 * np.pi * hz * t)
    return (tone + rng.normal(0, 0.02, len(t))).astype("f4")


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """Four classes; a class has 6 sources of 2 clips, in folds 1 to 3 by name."""
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(CLASSES):
        for source in range(6):
            for part in range(2):
                path = tmp_path / "clips" / name / f"{source % 3 + 1}-{name}{source}-{part}.wav"
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path, clip(number, 10 * source + part), RATE_HZ, subtype="PCM_16")
    for name, text in RECIPES.items():
        (tmp_path / f"{name}.yaml").write_text(f"classes: exclusive\n{FRONT_END}{text}")
    return tmp_path / "clips"


def compared(*more, recipes=("forest.yaml",)):
    return run(["compare", *recipes, "--clips", "clips", *more])


def test_recipes_are_compared_on_the_published_folds(clips, tmp_path, capsys):
    assert compared("--set", PUBLISHED, recipes=[f"{name}.yaml" for name in RECIPES]) == 0
    shown = capsys.readouterr().out
    rows = rows_of(tmp_path / "comparison" / "compare.csv")
    assert [row["recipe"] for row in rows] == list(RECIPES)
    assert all(name in shown for name in RECIPES)
    for row in rows:
        assert (row["folds"], row["clips"]) == ("3", "48")
        assert min(float(row["accuracy"]), float(row["macro_f1"])) > 0.9
        assert float(row["train_cpu_s"]) > 0
        assert float(row["times_real_time"]) > 1
        assert int(row["size_bytes"]) > 1000

    heard = rows_of(tmp_path / "comparison" / "clips.csv")
    assert len(heard) == 2 * 48
    assert all(row["clip"].startswith(f"{row['fold']}-") for row in heard)
    assert all(row["clip"].split("-")[1].startswith(row["true"]) for row in heard)
    recipes = json.loads((tmp_path / "comparison" / "compare.json").read_text())["recipes"]
    for row, one in zip(rows, recipes, strict=True):
        mine = [two for two in heard if two["recipe"] == row["recipe"]]
        right = np.mean([two["true"] == two["predicted"] for two in mine])
        assert float(row["accuracy"]) == pytest.approx(right, abs=1e-4)
        assert one["accuracy"]["mean"] == pytest.approx(np.mean(one["accuracy"]["folds"]), abs=1e-5)
        assert one["confusion"]["classes"] == sorted(CLASSES[:3]) + ["background"]
        assert np.array(one["confusion"]["counts"]).sum(axis=1).tolist() == [12] * 4
        assert np.trace(one["confusion"]["counts"]) == pytest.approx(48 * right)
    with Image.open(tmp_path / "comparison" / "compare.png") as picture:
        assert picture.width >= 800


def test_dealt_folds_part_no_source_and_spread_every_class(clips, tmp_path):
    pattern = r"clips.source_pattern=^\d-(?P<source>[a-z]+\d+)"
    assert compared("--set", pattern, "--cv", "2", "-o", "made") == 0
    heard = rows_of(tmp_path / "made" / "clips.csv")
    folds_of = {}
    for row in heard:
        folds_of.setdefault(row["source"], set()).add(row["fold"])
    assert [len(folds) for folds in folds_of.values()] == [1] * 24
    for name in CLASSES:
        assert sorted(row["fold"] for row in heard if row["true"] == name) == ["1"] * 6 + ["2"] * 6
    assert compared("--set", pattern, "--cv", "2", "-o", "made") == 0, "its own is replaced"
    assert [row["fold"] for row in rows_of(tmp_path / "made" / "clips.csv")] == [
        row["fold"] for row in heard
    ]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((PUBLISHED, "--cv", "3"), "Leave out --cv"),
        ((r"clips.source_pattern=^\d-(?P<source>.+)-(?P<fold>\d)",), "stands in the folds"),
        ((r"clips.source_pattern=^((?P<fold>[12])-)?(?P<source>.+)-",), "no group 'fold'"),
        ((r"clips.source_pattern=^(?P<fold>)(?P<source>.+)-",), "is left to train on"),
        (("network.window_s=3",), "longer than every clip"),
        (("clips.source_pattern=(?P<source>",), "no regular expression"),
    ],
)
def test_folds_and_clips_that_do_not_fit_are_told(clips, tmp_path, capsys, more, told):
    assert compared("--set", *more) == 2
    assert told in refusal(capsys)
    assert not (tmp_path / "comparison").exists()


def test_clips_that_differ_between_configs_are_told(clips, tmp_path, capsys):
    labels = (
        "clips:\n  labels: {low: clips/low, high: clips/high}\n  background: clips/background\n"
    )
    text = (tmp_path / "forest.yaml").read_text()
    (tmp_path / "one.yaml").write_text(text + labels)
    (tmp_path / "other.yaml").write_text(text + labels.replace(", high: clips/high", ""))
    assert run(["compare", "one.yaml", "other.yaml"]) == 2
    assert re.search("'one' and 'other' name different clips", refusal(capsys))


def test_two_recipes_of_one_name_are_told(clips, capsys):
    assert compared(recipes=["forest.yaml", "forest.yaml"]) == 2
    assert "two recipes are named 'forest'" in refusal(capsys)


def test_a_folder_that_is_not_ours_stays(clips, tmp_path, capsys):
    (tmp_path / "comparison").mkdir()
    (tmp_path / "comparison" / "mine.txt").write_text("mine")
    assert compared() == 2
    assert "comparison exists" in refusal(capsys)
    assert (tmp_path / "comparison" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("made", [False, True])
def test_a_folder_of_clips_that_is_missing_or_empty_is_told(clips, tmp_path, capsys, made):
    if made:
        (tmp_path / "none").mkdir()
    assert run(["compare", "forest.yaml", "--clips", "none"]) == 2
    assert "--clips none" in refusal(capsys)
