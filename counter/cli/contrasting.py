"""What ``callcount export --compare`` does: the forms of a bundle side by side."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from counter import __version__
from counter.bundle import Bundle, read_bundle
from counter.cli.console import measure_cells, stderr, stdout
from counter.cli.converting import FOR_MAKING, ExportOptions, file_name
from counter.cli.training import TrainFlags, read_settings
from counter.errors import CallcountError
from counter.evaluation.comparison import Measure
from counter.folders import check_replaceable, new_folder
from counter.output.paths import check_writable
from counter.output.writing import write_json

if TYPE_CHECKING:
    from training.settings import TrainSettings
    from training.variants import FormFigures

COMPARISON_FILE = "comparison.json"


def run_compare(path: Path, options: ExportOptions) -> None:
    """Compare all forms of a bundle, print the table and write it as JSON."""
    options.refuse(FOR_MAKING, "is for --to")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    bundle = read_bundle(path)
    output = options.output or Path(f"{file_name(bundle)}-compare")
    check_writable(output.parent)
    check_replaceable(output, COMPARISON_FILE)
    settings = _settings(bundle, options)
    with stderr().status("Loading TensorFlow ..."):
        from training.variants import compare_forms, validation_clips
    with stderr().status("Comparing on the validation clips ..."):
        clips = validation_clips(bundle, settings)
        figures = compare_forms(bundle, clips)
    facts = {
        "callcount": __version__,
        "bundle": {"name": bundle.spec.name, "sha256": bundle.sha256},
        "compared_with": figures[0].name,
        "clips": len(clips.clips),
        "sources": len({clip.source for clip in clips.clips}),
        "forms": [asdict(one) for one in figures],
    }
    with new_folder(output, COMPARISON_FILE) as folder:
        write_json(folder / COMPARISON_FILE, facts)
    _print(figures, f"{len(clips.clips)} validation clips -> {output / COMPARISON_FILE}")


def _settings(bundle: Bundle, options: ExportOptions) -> TrainSettings:
    """The run's settings, its clip folders below ``--clips`` where that was given."""
    from training.origin import config_of, moved

    config = options.config or config_of(bundle)
    if config is None:
        raise CallcountError(
            f"bundle {bundle.path} stands in no training run's folder, which would say what clips "
            "it was validated on.",
            "Give the settings that it was trained with: --config FILE.",
        )
    settings = read_settings(config, TrainFlags())
    return settings if options.clips is None else moved(settings, options.clips)


def _print(figures: list[FormFigures], about: str) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("form")
    titles = ("kB", "agrees", "accuracy", "95 %", "largest difference", "x real time per core")
    for title in titles:
        table.add_column(title, justify="right")
    for one in figures:
        accuracy, interval = measure_cells(
            Measure(one.accuracy, one.accuracy_low, one.accuracy_high)
        )
        table.add_row(
            one.name,
            f"{one.n_bytes / 1000:,.0f}",
            f"{one.agreement:.1%}",
            accuracy,
            interval,
            f"{one.largest_difference:.2g}",
            f"{one.speed_x:,.0f}",
        )
    stdout().print(table)
    stdout().print(f"Agreement and difference are to {figures[0].name}. {escape(about)}")
