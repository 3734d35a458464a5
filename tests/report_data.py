"""Scored clips and all that a report of training is made of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from training.report import training_plots as pictures
from training.report.training_report import ReportData, RuleFit
from training.validation.clip_metrics import ClipScores

# What a report is made of: always, and where event rules were learned.
FILES = {
    "classification_report.txt",
    "classification_report.json",
    "training.csv",
    "confusion_matrix.png",
    "roc_curve.png",
    "precision_recall_curve.png",
    "performance_by_epoch.png",
    "example_waveforms.png",
    "spectrogram_examples.png",
    "clip_lengths.png",
}
FILES_OF_RULES = {"counts_against_truth.png", "count_error_by_threshold.png"}

ODD = "a|b*_[x](y)<i>\n# \udcff$\\q$`鳥.wav"


def clips(scores, truth, sources=None, labels=None, split="test"):
    """ClipScores of lists; one column may be given flat, sources default to one a clip."""
    scores = np.asarray(scores, dtype=np.float32)
    scores = scores.reshape(len(scores), -1) if scores.size else np.zeros((0, 1), np.float32)
    n = len(scores)
    return ClipScores(
        labels=labels or tuple("abcdef"[: scores.shape[1]]),
        scores=scores,
        truth=np.asarray(truth, dtype=bool).reshape(scores.shape),
        sources=tuple(sources or [f"s{i}" for i in range(n)]),
        names=tuple(f"clip-{i}.wav" for i in range(n)),
        split=split,
    )


def random_clips(seed=0, n=60, n_sources=9, split="test"):
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 2)) < 0.4
    scores = np.clip(0.3 * truth + 0.7 * rng.random((n, 2)), 0, 1).round(2)
    sources = [f"XC{i}" for i in rng.integers(0, n_sources, n)]
    return clips(scores, truth, sources, ("bird", "frog"), split)


EMPTY = clips([], [])
ALL_POSITIVE = clips([0.9, 0.2], [1, 1])
ONE_CLIP = clips([0.1], [0])


def features(unit="dB", even=True):
    band_hz = np.linspace(100, 2000, 12) if even else np.geomspace(100, 2000, 12)
    levels = np.random.default_rng(0).normal(-60, 5, (20, 12)).astype(np.float32)
    return pictures.Features(f"bird: {ODD}", levels, 0.032, band_hz, unit)


def full_data():
    sound = np.sin(np.arange(800) / 5).astype(np.float32)
    counted = pd.DataFrame({"label": "bird", "true_calls": [0, 3, 5], "counted_calls": [0, 3, 4]})
    sweep = pd.DataFrame(
        {"label": "bird", "threshold": [0.2, 0.5, 0.8], "count_error": [1.0, 0.3, 0.9]}
    )
    return ReportData(
        model="mel",
        validation=random_clips(1, split="validation"),
        test=random_clips(2),
        thresholds=np.array([0.5, 0.5]),
        history=pd.DataFrame(
            {"epoch": [1, 2], "loss": [0.7, 0.4], "val_loss": [0.8, 0.5], "val_auc": [0.6, 0.9]}
        ),
        waveforms=(pictures.ClipWaveform(f"bird: {ODD}", sound, 8000),),
        positive=(features(), features(even=False)),
        negative=(features(),),
        clip_lengths_s={"bird": np.array([3.0, 3.5, 4.0]), "background": np.array([3.0])},
        rule_fit=RuleFit(counted, sweep, {"bird": 0.5}),
    )


def bare_data():
    """No test clips, one validation clip, nothing to draw."""
    return ReportData(
        model="mel",
        validation=replace(ONE_CLIP, split="validation"),
        test=EMPTY,
        thresholds=np.array([0.5]),
        history=pd.DataFrame({"epoch": [], "loss": [], "val_loss": []}),
    )
