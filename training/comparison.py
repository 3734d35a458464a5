"""What ``callcount compare`` leaves: a table, all figures, every clip's class, and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from counter import __version__
from counter.output.chartstyle import BLUE, ORANGE, figure_for
from counter.output.writing import write_csv, write_json
from training.compare import Compared, figures
from training.metrics import plain_text

HEADER = (
    "recipe",
    "front_end",
    "network",
    "folds",
    "clips",
    "accuracy",
    "accuracy_sd",
    "macro_f1",
    "macro_f1_sd",
    "size_bytes",
    "train_cpu_s",
    "times_real_time",
)
CLIP_HEADER = ("recipe", "fold", "clip", "source", "true", "predicted")
ROW_IN = 0.6
# Right ends of the figures that have no axis, in shares of their room.
COLUMN_ENDS = (0.24, 0.56, 1.0)


def write_comparison(folder: Path, compared: Sequence[Compared]) -> None:
    """Write ``compare.csv``, ``clips.csv``, ``compare.json`` and ``compare.png`` to a folder."""
    write_csv(folder / "compare.csv", HEADER, [_row(one) for one in compared])
    write_csv(
        folder / "clips.csv", CLIP_HEADER, (row for one in compared for row in _clip_rows(one))
    )
    data = {"callcount": __version__, "recipes": [figures(one) for one in compared]}
    write_json(folder / "compare.json", data)
    draw_comparison(folder / "compare.png", compared)


def _row(one: Compared) -> list[object]:
    return [
        one.candidate.name,
        one.candidate.front_end.kind,
        one.candidate.settings.network.kind,
        len(one.folds),
        sum(len(fold.names) for fold in one.folds),
        *_mean_and_sd(one.accuracy),
        *_mean_and_sd(one.macro_f1),
        one.size_bytes,
        f"{one.train_cpu_s:.2f}",
        f"{one.times_real_time:.1f}",
    ]


def _mean_and_sd(values: NDArray[np.float64]) -> tuple[str, str]:
    return f"{values.mean():.4f}", f"{values.std(ddof=1):.4f}"


def _clip_rows(one: Compared) -> list[list[object]]:
    return [
        [one.candidate.name, number, name, source, one.classes[true], one.classes[said]]
        for number, fold in enumerate(one.folds, 1)
        for name, source, true, said in zip(
            fold.names, fold.sources, fold.true, fold.predicted, strict=True
        )
    ]


def draw_comparison(path: Path, compared: Sequence[Compared]) -> None:
    """Accuracy and macro F1 of every fold, a row a recipe; its other figures beside them."""
    rows = np.arange(len(compared))[::-1]
    with figure_for(path, 1.6 + ROW_IN * len(compared)) as figure:
        dots, table = figure.subplots(1, 2, sharey=True, width_ratios=[3, 2])
        for name, colour, up in (("accuracy", BLUE, 0.16), ("macro F1", ORANGE, -0.16)):
            for row, one in zip(rows, compared, strict=True):
                values = 100 * (one.accuracy if name == "accuracy" else one.macro_f1)
                shown: Any = {"color": colour, "zorder": 2}
                dots.scatter(values, np.full(len(values), row + up), s=16, alpha=0.6, **shown)
                dots.scatter(values.mean(), row + up, s=160, marker="|", **shown)
            dots.scatter([], [], s=16, color=colour, label=f"{name} of a fold; | the mean")
        dots.set(xlabel="of held-out clips, %", ylim=(-0.5, len(compared) - 0.3))
        dots.set_yticks(rows, [plain_text(one.candidate.name) for one in compared])
        figure.legend(loc="outside upper center", ncols=2)
        table.axis("off")
        for right, (title, cells) in zip(COLUMN_ENDS, _columns(compared), strict=True):
            at: Any = {"ha": "right", "transform": table.get_yaxis_transform()}
            table.text(right, len(compared) - 0.45, title, va="bottom", **at)
            for row, cell in zip(rows, cells, strict=True):
                table.text(right, row, cell, va="center", **at)


def _columns(compared: Sequence[Compared]) -> list[tuple[str, list[str]]]:
    """Titles and cells of the figures that have no axis."""
    return [
        ("size\nkB", [f"{one.size_bytes / 1000:,.0f}" for one in compared]),
        ("training\nCPU s", [f"{one.train_cpu_s:,.1f}" for one in compared]),
        ("scoring\n× real time", [f"{one.times_real_time:,.0f}" for one in compared]),
    ]
