"""Training report: the files that training leaves beside a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from counter.errors import OutputError
from counter.storage.atomic import atomic_write
from training.report import training_plots as pictures
from training.report.training_plots import ClipWaveform, Features
from training.validation.clip_metrics import (
    ClipScores,
    classification_report,
    plain_text,
    spread_over_sources,
)
from training.validation.review_effect import Change, clip_table


@dataclass(frozen=True)
class RuleFit:
    """How the event rules did on recordings of held-out sources."""

    # ``label, true_calls, counted_calls``: one row per made recording and label, counted with the
    # rules fitted on the other folds.
    recordings: pd.DataFrame
    # ``label, threshold, count_error``: mean absolute error in calls a recording with every other
    # rule as chosen.
    sweep: pd.DataFrame
    chosen: Mapping[str, float]  # the event threshold chosen for each label of ``sweep``


@dataclass(frozen=True)
class ReportData:
    """Everything that a report shows; any part may be empty."""

    model: str  # name of the model, such as ``mel``
    validation: ClipScores
    test: ClipScores  # with the same labels
    # A clip holds a label when its score is at or above, shape (n_labels,).
    thresholds: NDArray[np.float64]
    # One row per epoch: ``epoch, loss, val_loss`` and further ``val_`` figures from 0 to 1.
    history: pd.DataFrame
    waveforms: tuple[ClipWaveform, ...] = ()
    # The front end's output on clips with a call and without, all of one unit.
    positive: tuple[Features, ...] = ()
    negative: tuple[Features, ...] = ()
    # Lengths in seconds of the clips of each class.
    clip_lengths_s: Mapping[str, NDArray[np.float64]] | None = None
    # ``None`` where no rules were fitted; the two pictures of it are then left out.
    rule_fit: RuleFit | None = None
    changes: tuple[Change, ...] = ()  # what reviewed clips changed; empty where there are none
    # Where clips come from and how many, beside the folders of the config.
    origins: tuple[str, ...] = ()
    seed: int = 0  # of the resampling behind the intervals


def split_reports(data: ReportData) -> dict[str, dict[str, Any]]:
    """Classification report of each split, its spread over sources under ``spread``; JSON-ready."""
    return {
        scores.split: classification_report(scores, data.thresholds)
        | {"spread": spread_over_sources(scores, data.thresholds, seed=data.seed)}
        for scores in (data.validation, data.test)
    }


def write_report(folder: Path, data: ReportData) -> list[Path]:
    """Write every file of the report to a folder, made when missing; earlier ones are replaced.

    Returns the files, texts first.

    Raises
    ------
    OutputError
        The folder or a file in it cannot be written.
    """
    reports = split_reports(data)
    texts = {
        "classification_report.txt": report_text(data.model, reports, data.origins),
        "classification_report.json": json.dumps(reports, indent=2, allow_nan=False) + "\n",
        "training.csv": data.history.to_csv(index=False, lineterminator="\n"),
    }
    if data.changes:
        texts["reviewed.csv"] = clip_table(data.changes).to_csv(index=False, lineterminator="\n")
    drawings = _drawings(data, reports)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"cannot write the report in {folder}: {error.strerror}."
        raise OutputError(what, "Check the path, or give another -o.") from error
    for name, text in texts.items():
        with atomic_write(folder / name) as partial:
            partial.write_bytes(text.encode())
    for name, (draw, *shown) in drawings.items():
        draw(folder / name, *shown)
    return [folder / name for name in [*texts, *drawings]]


def _drawings(
    data: ReportData, reports: Mapping[str, Mapping[str, Any]]
) -> dict[str, tuple[Any, ...]]:
    """What draws each picture, and what it is given beside the path."""
    splits, fit = (data.validation, data.test), data.rule_fit
    drawings: dict[str, tuple[Any, ...]] = {
        "confusion_matrix.png": (pictures.confusion_matrices, reports),
        "roc_curve.png": (pictures.roc_curves, splits),
        "precision_recall_curve.png": (pictures.precision_recall_curves, splits),
        "performance_by_epoch.png": (pictures.performance_by_epoch, data.history),
        "example_waveforms.png": (pictures.example_waveforms, data.waveforms),
        "spectrogram_examples.png": (pictures.spectrogram_examples, data.positive, data.negative),
        "clip_lengths.png": (pictures.clip_lengths, data.clip_lengths_s or {}),
    }
    if fit is not None:
        sweep = (pictures.count_error_by_threshold, fit.sweep, fit.chosen)
        drawings["counts_against_truth.png"] = (pictures.counts_against_truth, fit.recordings)
        drawings["count_error_by_threshold.png"] = sweep
    return drawings


def report_text(
    model: str, reports: Mapping[str, Mapping[str, Any]], origins: Sequence[str] = ()
) -> str:
    """The reports as aligned text; ``-`` stands for a figure that is not defined."""
    title = f"Classification report of the model '{plain_text(model)}'"
    parts = [f"{title}\n{'=' * len(title)}\n"]
    parts += [f"clips from {plain_text(origin)}\n" for origin in origins]
    parts += [_split_text(report) for report in reports.values()]
    return "\n".join(parts)


def _split_text(report: Mapping[str, Any]) -> str:
    heading = f"{report['split']}: {report['clips']} clips of {report['sources']} sources"
    figures = pd.DataFrame.from_dict(report["labels"], orient="index")
    confusion = report["confusion"]
    names = _names(confusion["classes"])
    counts = pd.DataFrame(confusion["counts"], index=names, columns=names)
    return "\n".join(
        [
            f"{heading}\n{'-' * len(heading)}",
            f"clips with every label right: {_figure(report['accuracy'])}\n",
            _table(figures.set_axis(_names(figures.index))),
            "\nconfusion (rows: true class, columns: predicted)",
            counts.to_string(),
            f"\n{_spread_text(report['spread'])}\n",
        ]
    )


def _spread_text(spread: Mapping[str, Any]) -> str:
    lines = ["spread over sources (95 % intervals from resampling whole sources)"]
    for key, name in (("accuracy", "accuracy"), ("roc_auc", "ROC AUC")):
        value, low, high = (_figure(spread[key][part]) for part in ("value", "low", "high"))
        lines.append(f"{name + ':':<30}{value} ({low} to {high})")
    for key, name in (("median_accuracy", "median"), ("min_accuracy", "lowest")):
        lines.append(f"{name + ' accuracy of a source:':<30}{_figure(spread[key])}")
    if spread["sources"]:
        # Plain first: with pyarrow, strings in pandas must be UTF-8, and names need not be.
        named = [{**one, "source": plain_text(one["source"])} for one in spread["sources"]]
        rows = pd.DataFrame(named).sort_values("accuracy", kind="stable")
        lines.append(_table(rows.set_index("source")))
    return "\n".join(lines)


def _names(values: Any) -> list[str]:
    return [plain_text(str(value)) for value in values]


def _table(rows: pd.DataFrame) -> str:
    return rows.map(_figure).to_string()


def _figure(value: float | None) -> str:
    if value is None or isinstance(value, int):
        return "-" if value is None else str(value)
    return "-" if np.isnan(value) else f"{value:.3f}"  # pandas turns None to NaN
