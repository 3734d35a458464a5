"""The files of a training report, as users find them."""

from __future__ import annotations

import json
import re
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import image
from report_data import FILES, FILES_OF_RULES, ODD, bare_data, clips, full_data

from counter.errors import OutputError
from training.report import training_plots as pictures
from training.report.training_report import split_reports, write_report
from training.validation.clip_metrics import classification_report, plain_text, spread_over_sources


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """One full report, with odd names in it, written without a warning; its paths."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return write_report(tmp_path_factory.mktemp("report") / "new" / "mel", full_data())


def test_every_file_is_there_and_nothing_else(written):
    assert {path.name for path in written} == FILES | FILES_OF_RULES
    assert set(written) == set(written[0].parent.iterdir())


def test_pictures_are_wide_and_show_something(written):
    for path in written:
        if path.suffix == ".png":
            pixels = image.imread(path)
            assert pixels.shape[1] >= 800
            assert pixels[..., :3].std() > 0.02


def test_a_report_without_rules_test_clips_or_examples_is_written_all_the_same(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = write_report(tmp_path, bare_data())
    assert {path.name for path in written} == FILES
    report = json.loads((tmp_path / "classification_report.json").read_text())
    assert report["test"]["labels"]["a"]["roc_auc"] is None
    text = (tmp_path / "classification_report.txt").read_text()
    assert re.search(r"^a +0\.500 +- +- +- +0 +- +- +-$", text, re.MULTILINE)


def test_the_json_is_what_the_functions_return(written):
    data = full_data()
    report = json.loads((written[0].parent / "classification_report.json").read_text())
    assert report == split_reports(data)
    expected = classification_report(data.test, data.thresholds)
    assert {key: report["test"][key] for key in expected} == expected
    assert report["validation"]["spread"] == spread_over_sources(data.validation, data.thresholds)


def test_the_history_comes_back_from_the_csv(written):
    history = pd.read_csv(written[0].parent / "training.csv")
    pd.testing.assert_frame_equal(history, full_data().history)


def test_the_text_holds_the_figures_in_aligned_columns(written):
    data, text = full_data(), written[0].read_text()
    figures = classification_report(data.test, data.thresholds)["labels"]["frog"]
    of_test = text[text.index("test: 60 clips of 9 sources") :].splitlines()
    header = next(i for i, line in enumerate(of_test) if "precision" in line)
    bird, frog = of_test[header + 1 : header + 3]
    assert len(of_test[header]) == len(bird) == len(frog)
    assert frog.split()[:4] == [
        "frog",
        "0.500",
        f"{figures['precision']:.3f}",
        f"{figures['recall']:.3f}",
    ]


def test_sources_with_odd_names_stand_in_the_text_on_one_line(tmp_path):
    odd = clips([0.9, 0.1], [1, 0], [ODD, "plain"])
    write_report(tmp_path, replace(bare_data(), test=odd))
    text = (tmp_path / "classification_report.txt").read_text(encoding="utf-8")
    assert sum(plain_text(ODD) in line for line in text.splitlines()) == 1


def test_a_second_report_replaces_the_first(tmp_path):
    write_report(tmp_path, bare_data())
    write_report(tmp_path, replace(bare_data(), model="spectrogram"))
    text = (tmp_path / "classification_report.txt").read_text()
    assert "'spectrogram'" in text
    assert "'mel'" not in text


def test_a_folder_that_cannot_be_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError) as caught:
        write_report(tmp_path / "file" / "mel", bare_data())
    assert str(tmp_path / "file" / "mel") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_same_data_give_the_same_bytes(written, tmp_path):
    again = write_report(tmp_path, full_data())
    assert [p.read_bytes() for p in again] == [p.read_bytes() for p in written]


def test_a_failed_picture_leaves_the_old_one_and_no_rest(tmp_path):
    path = tmp_path / "count_error_by_threshold.png"
    path.write_bytes(b"old")
    sweep = pd.DataFrame({"label": ["bird"], "threshold": [0.5], "count_error": [0.1]})
    with pytest.raises(KeyError):
        pictures.count_error_by_threshold(path, sweep, {})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_drawing_leaves_the_style_of_others_alone(tmp_path):
    from matplotlib import rcParams

    before = dict(rcParams)
    pictures.clip_lengths(Path(tmp_path, "x.png"), {"bird": np.array([3.0])})
    assert dict(rcParams) == before
