"""Plots of a training report: one function a picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from counter.plots.style import BLACK, GREY, TRAINING, VALIDATION, figure_for, label_colour
from counter.records import FloatArray
from training.validation.clip_metrics import (
    NO_LABEL,
    ClipScores,
    MetricCurve,
    plain_text,
    precision_recall_curve,
    roc_curve,
)

EPOCH_NAMES = {"loss": "training", "val_loss": "validation", "val_auc": "AUC"}
# A legend of so many lines stands within its axes; bands are even where steps differ by this share.
MOST_WITHIN, EVEN = 7, 0.4
DASHES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class ClipWaveform:
    """An example clip as the model hears it: mono, shape (n_samples,), full scale is 1."""

    title: str
    samples: FloatArray
    sample_rate_hz: int


@dataclass(frozen=True)
class Features:
    """What the network sees of an example clip.

    ``levels`` have the shape (n_frames, n_bands) and the unit ``unit``, such as ``dB``;
    ``band_hz``, shape (n_bands,), are the rising centre frequencies.
    """

    title: str
    levels: FloatArray
    frame_s: float
    band_hz: NDArray[np.float64]
    unit: str


@contextmanager
def _canvas(
    path: Path, title: str, *, rows: int = 1, columns: int = 1, height_in: float = 5.0
) -> Iterator[list[Axes]]:
    """Axes in the shared style, row by row; saved when the block ends well."""
    with figure_for(path, height_in) as figure:
        figure.suptitle(title, fontsize=13)
        yield figure.subplots(rows, columns, squeeze=False).ravel().tolist()


def _note(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)


def _short(title: str, length: int = 34) -> str:
    line = plain_text(title)
    return line if len(line) <= length else f"{line[: length - 1]}…"


def confusion_matrices(path: Path, reports: Mapping[str, Mapping[str, Any]]) -> None:
    """One matrix per split from `training.metrics.classification_report`, counts and row shares."""
    n_classes = max((len(r["confusion"]["classes"]) for r in reports.values()), default=1)
    rows = len(reports) if n_classes > 3 else 1  # side by side while that leaves room
    columns, height_in = len(reports) // rows, rows * max(4.4, 2 + 0.6 * n_classes)
    shape: Any = {"rows": rows, "columns": columns, "height_in": height_in}
    with _canvas(path, "Confusion of clips", **shape) as panels:
        for axes, (split, report) in zip(panels, reports.items(), strict=True):
            _draw_confusion(axes, report["confusion"])
            axes.set(xlabel="predicted class", ylabel="true class")
            axes.set_title(f"{split}\n{report['clips']} clips of {report['sources']} sources")


def _draw_confusion(axes: Axes, confusion: Mapping[str, Any]) -> None:
    counts = np.array(confusion["counts"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for (row, column), share in np.ndenumerate(shares):
        ink: Any = {"ha": "center", "va": "center", "color": "white" if share > 0.5 else "black"}
        axes.text(column, row, f"{counts[row, column]}\n{share:.0%}", **ink)
    names = [_short(name) for name in confusion["classes"]]
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.grid(visible=False)


def roc_curves(path: Path, splits: Sequence[ClipScores]) -> None:
    """Receiver operating characteristics, a colour per label, a dash per split."""
    title = "Receiver operating characteristic"
    with _canvas(path, title, height_in=_curves_in(splits)) as (axes,):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="chance")
        axes.set_xlabel("false positive rate (share of the clips without the call)")
        axes.set_ylabel("true positive rate (share of the clips with it)")
        _draw_curves(axes, splits, roc_curve, "AUC")


def precision_recall_curves(path: Path, splits: Sequence[ClipScores]) -> None:
    """Precision against recall, a colour per label, a dash per split."""
    with _canvas(path, "Precision and recall", height_in=_curves_in(splits)) as (axes,):
        axes.set_xlabel("recall (share of the clips with the call that are found)")
        axes.set_ylabel("precision (share of the clips found that have it)")
        _draw_curves(axes, splits, precision_recall_curve, "average precision")


def _curves_in(splits: Sequence[ClipScores]) -> float:
    """Height of curves in inches, with the legend below where it is too long to stand within."""
    n_lines = 1 + sum(len(one.labels) for one in splits if one.names)
    return 5.0 if n_lines <= MOST_WITHIN else 5.0 + 0.26 * n_lines


def _draw_curves(axes: Axes, splits: Sequence[ClipScores], curve_of: Any, area: str) -> None:
    for dash, clip_scores in zip(DASHES, splits, strict=False):
        if not clip_scores.names and len(clip_scores.labels) > 1:
            continue  # as many times nothing
        for i, label in enumerate(clip_scores.labels):
            curve: MetricCurve = curve_of(clip_scores, i)
            figure = f"{area} {curve.area:.3f}" if curve.x.size else "one class only, no curve"
            name = f"{_short(label)}, {clip_scores.split}: {figure}"
            axes.plot(curve.x, curve.y, dash, color=label_colour(i), label=name)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    if len(axes.get_lines()) > MOST_WITHIN:
        axes.figure.legend(loc="outside lower center")
    else:
        axes.legend(loc="lower right")


def performance_by_epoch(path: Path, history: pd.DataFrame) -> None:
    """Losses above, the validation figures (every other ``val_`` column) below, by ``epoch``."""
    with _canvas(path, "Performance by epoch", rows=2, height_in=6) as (above, below):
        known = [str(column) for column in history.columns]
        figures = [c for c in known if c.startswith("val_") and c != "val_loss"]
        losses = [c for c in ("loss", "val_loss") if c in known]
        for axes, columns in ((above, losses), (below, figures)):
            for number, column in enumerate(columns):
                name = EPOCH_NAMES.get(column, column.removeprefix("val_").replace("_", " "))
                dash = DASHES[(number if axes is below else 0) % len(DASHES)]
                colour = TRAINING if column == "loss" else VALIDATION
                axes.plot(history["epoch"], history[column], f".{dash}", color=colour, label=name)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            if columns and len(history):
                axes.legend()
            else:
                _note(axes, "no epochs")
        above.set(ylabel="loss", title="Loss (lower is better)")
        below.set(xlabel="epoch", ylabel="figure, 0 to 1", title="Validation (higher is better)")


def example_waveforms(path: Path, waveforms: Sequence[ClipWaveform]) -> None:
    """A few clips one under another, time in seconds."""
    rows = max(len(waveforms), 1)
    with _canvas(path, "Example clips", rows=rows, height_in=1 + 1.5 * rows) as panels:
        for axes, waveform in zip(panels, waveforms, strict=False):
            time_s = np.arange(waveform.samples.size) / waveform.sample_rate_hz
            axes.plot(time_s, waveform.samples, linewidth=0.5, color=BLACK)
            axes.set_title(_short(waveform.title, 80), loc="left")
            axes.set_xlim(0, max(waveform.samples.size, 1) / waveform.sample_rate_hz)
        if not waveforms:
            _note(panels[0], "no clips")
        panels[-1].set_xlabel("time (s)")
        panels[rows // 2].set_ylabel("amplitude (full scale = 1)")


def spectrogram_examples(
    path: Path, positive: Sequence[Features], negative: Sequence[Features]
) -> None:
    """Clips with a call on the left, without on the right, one scale."""
    sides, everything = (positive, negative), [*positive, *negative]
    rows = max(len(positive), len(negative), 1)
    levels = [f.levels.ravel() for f in everything] or [np.zeros(1, np.float32)]
    low, high = np.percentile(np.concatenate(levels), (2, 99.8)).tolist()
    title = "Clips in the model's band: with the call (left), without (right)"
    with _canvas(path, title, rows=rows, columns=2, height_in=1 + 2.1 * rows) as panels:
        for axes, (row, side) in zip(panels, np.ndindex(rows, 2), strict=True):
            if row < len(sides[side]):
                image = _draw_features(axes, sides[side][row], (low, high))
            else:
                axes.set_axis_off()
        if everything:
            bar = panels[0].figure.colorbar(image, ax=panels, aspect=40)
            bar.set_label(f"level ({everything[0].unit})")


def _draw_features(axes: Axes, features: Features, limits: tuple[float, float]) -> Any:
    n_frames, n_bands = features.levels.shape
    extent = (0, n_frames * features.frame_s, -0.5, n_bands - 0.5)
    image = axes.imshow(features.levels.T, origin="lower", extent=extent)
    image.set_clim(*limits)
    ticks_khz = _ticks_khz(features.band_hz / 1000)
    rows = np.interp(ticks_khz, features.band_hz / 1000, np.arange(n_bands))
    axes.set_yticks(rows, [f"{khz:g}" for khz in ticks_khz])
    axes.set_title(_short(features.title, 28), loc="left")
    axes.set(xlabel="time (s)", ylabel="frequency (kHz)", aspect="auto")
    axes.grid(visible=False)
    return image


def _ticks_khz(band_khz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round frequencies inside the bands: even steps for even bands, else octaves."""
    steps = np.diff(band_khz)
    if steps.size == 0 or np.ptp(steps) <= EVEN * steps.mean():
        ticks = np.asarray(MaxNLocator(5).tick_values(band_khz[0], band_khz[-1]))
    else:
        ticks = 2.0 ** np.arange(-5, 10)
    return ticks[(ticks >= band_khz[0]) & (ticks <= band_khz[-1])]


def clip_lengths(path: Path, lengths_s: Mapping[str, NDArray[np.float64]]) -> None:
    """Histograms of clip lengths in seconds, one under another per class that has clips."""
    classes = {name: lengths for name, lengths in lengths_s.items() if len(lengths)}
    rows = max(len(classes), 1)
    with _canvas(path, "Lengths of the clips", rows=rows, height_in=1 + 1.9 * rows) as panels:
        bins = np.histogram_bin_edges(np.concatenate([*classes.values(), []]), bins=30).tolist()
        labels = [name for name in lengths_s if name != NO_LABEL]
        for axes, (name, lengths) in zip(panels, classes.items(), strict=False):
            colour = GREY if name == NO_LABEL else label_colour(labels.index(name))
            axes.hist(lengths, bins=bins, color=colour)
            axes.set(ylabel="clips", xlim=(bins[0], bins[-1]))
            axes.set_title(f"{_short(name)}: {len(lengths)} clips", loc="left")
        if not classes:
            _note(panels[0], "no clips")
        panels[-1].set_xlabel("length (s)")


def counts_against_truth(path: Path, recordings: pd.DataFrame) -> None:
    """Calls counted in recordings against the truth; areas are numbers of recordings.

    Columns of ``recordings``: ``label``, ``true_calls``, ``counted_calls``.
    """
    with _canvas(path, "Counts in recordings of held-out sources", height_in=6.5) as (axes,):
        labels = recordings.groupby("label", sort=False)
        for i, (label, rows) in enumerate(labels):
            error = (rows["counted_calls"] - rows["true_calls"]).abs().mean()
            name = f"{_short(str(label))}: {error:.2f} calls off a recording on average"
            points = rows.groupby(["true_calls", "counted_calls"]).size().reset_index(name="n")
            apart = min(0.2, 0.8 / len(labels))
            x = points["true_calls"] + apart * (i - (len(labels) - 1) / 2)  # beside each other
            y, areas = points["counted_calls"], 25 * points["n"]
            axes.scatter(x, y, s=areas, label=name, color=label_colour(i), alpha=0.8, linewidth=0)
        top = recordings[["true_calls", "counted_calls"]].max().max() if len(recordings) else 1
        axes.plot([0, top], [0, top], color=GREY, linewidth=1, zorder=0, label="no error")
        axes.set(xlabel="calls in the recording", ylabel="calls counted", aspect="equal")
        axes.locator_params(integer=True)
        for handle in axes.figure.legend(loc="outside lower center").legend_handles:
            if isinstance(handle, PathCollection):
                handle.set_sizes([60])


def count_error_by_threshold(path: Path, sweep: pd.DataFrame, chosen: Mapping[str, float]) -> None:
    """Expected count error against the event threshold: flat around the chosen one is good.

    Columns of ``sweep``: ``label``, ``threshold``, ``count_error`` (calls a recording).
    """
    height_in = 5.0 if len(chosen) <= MOST_WITHIN else 5.0 + 0.26 * len(chosen)
    title = "Expected count error against the threshold"
    with _canvas(path, title, height_in=height_in) as (axes,):
        in_order = sweep.sort_values("threshold", kind="stable")
        for i, (label, rows) in enumerate(in_order.groupby("label", sort=False)):
            name = f"{_short(str(label))}, chosen {chosen[str(label)]:.2f}"
            axes.plot(
                rows["threshold"], rows["count_error"], ".-", color=label_colour(i), label=name
            )
            axes.axvline(chosen[str(label)], color=label_colour(i), linestyle="--", linewidth=1)
        is_within, handles = len(chosen) <= MOST_WITHIN, axes.get_lines()[::2]
        where: Any = {"handles": handles, "loc": "best" if is_within else "outside lower center"}
        (axes if is_within else axes.figure).legend(**where)
        axes.set(xlabel="event threshold (score, 0 to 1)", xlim=(0, 1), ybound=(0, None))
        axes.set_ylabel("mean count error (calls a recording)")
