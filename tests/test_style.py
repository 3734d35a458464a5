"""One style of all pictures: colours that any eye can tell apart, the same for the same things."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from PIL import Image
from report_data import features

from counter.plots import style as chart
from counter.plots.canvas import N_SHADES
from counter.plots.clip_plot import ClipFacts, draw_clip
from counter.plots.counts_plot import draw_overview
from counter.plots.spectrogram import fitted_contrast
from counter.records import OK, Event, FileResult, Recording
from training.report import training_plots as pictures

# Machado, Oliveira and Fernandes 2009 (doi 10.1109/TVCG.2009.113), severity 1: linear RGB as seen.
SEEN = {
    "all colours": np.eye(3),
    "without red": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "without green": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "without blue": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
KINDS = (chart.RIGHT, chart.WRONG, chart.SHARED, chart.CHOSEN, chart.GREY)
CLIPS = (chart.TRAINING, chart.VALIDATION)
JUST_TOLD_APART = 10.0  # CIELAB; 2.3 is the least difference that is seen at all


def lab(colour: str, eye: str) -> np.ndarray:
    """CIE 1976 L*a*b* (white of D65) of a colour as an eye sees it."""
    code = np.array(to_rgb(colour))
    linear = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    linear = np.clip(SEEN[eye] @ linear, 0, 1)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    share = to_xyz @ linear / (0.9505, 1.0, 1.089)
    root = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(float)


def share_of(colour: str, found: np.ndarray) -> float:
    """Share of pixels that have a colour."""
    return float((np.abs(found - np.array(to_rgb(colour)) * 255).max(axis=2) < 2).mean())


@pytest.mark.parametrize("eye", SEEN)
@pytest.mark.parametrize("colours", [chart.LABELS, KINDS, CLIPS])
def test_colours_of_one_picture_are_told_apart_by_any_eye(colours, eye):
    for one, other in combinations(colours, 2):
        assert np.linalg.norm(lab(one, eye) - lab(other, eye)) > JUST_TOLD_APART, (one, other)


def test_a_label_has_its_colour_in_training_and_in_scans(tmp_path):
    lengths_s = {"background": np.full(50, 3.0), "bird": np.full(50, 2.0), "frog": np.full(50, 4.0)}
    pictures.clip_lengths(tmp_path / "lengths.png", lengths_s)
    events = tuple(Event(label, i, i + 1, i, 0.9) for label in ("bird", "frog") for i in range(5))
    result = FileResult(Recording("a", "a"), OK, "", 9.0, 9.0, events)
    draw_overview(tmp_path / "overview.png", [result], ["bird", "frog"])
    for name in ("lengths.png", "overview.png"):
        found = pixels(tmp_path / name)
        for number in (0, 1):
            assert share_of(chart.label_colour(number), found) > 0.005, (name, number)
        assert share_of(chart.label_colour(2), found) == 0


def test_spectrograms_of_training_and_of_clips_have_one_colour_map(tmp_path):
    pictures.spectrogram_examples(tmp_path / "training.png", [features()], [features()])
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    facts = ClipFacts("a", "?", 8000, 0.0, 0.5, 1.5, "clip", 4000.0)
    draw_clip(noise, facts, tmp_path / "clip.png")
    shades = colormaps[chart.SPECTROGRAM](np.linspace(0, 1, 256))[:, :3] * 255
    for name in ("training.png", "clip.png"):
        found = pixels(tmp_path / name)
        coloured = found[np.ptp(found, axis=2) > 60][::50]
        nearest = np.abs(coloured[:, None] - shades).max(axis=2).min(axis=1)
        assert len(coloured) > 200
        assert (nearest < 12).mean() > 0.95, name


@given(st.lists(st.floats(-150, 20), min_size=1, max_size=60))
def test_louder_is_never_darker_and_the_ends_span_the_shades(levels):
    levels_db = np.sort(np.array(levels))
    contrast = fitted_contrast(levels_db)
    shades = contrast.shades(levels_db)
    assert (np.diff(shades.astype(int)) >= 0).all()
    assert contrast.shades(np.array([contrast.quiet_db, contrast.loud_db])).tolist() == [
        0,
        N_SHADES - 1,
    ]


@given(st.floats(0.01, 100))
def test_gain_moves_the_scale_and_not_the_picture(gain):
    levels_db = np.random.default_rng(1).normal(-60, 15, (40, 30))
    gain_db = 20 * np.log10(gain)
    before, after = fitted_contrast(levels_db), fitted_contrast(levels_db + gain_db)
    assert after.quiet_db - before.quiet_db == pytest.approx(gain_db)
    differ = after.shades(levels_db + gain_db) != before.shades(levels_db)
    assert differ.mean() < 0.01  # a level between two shades may round to either
