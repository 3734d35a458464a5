"""``callcount export``: a bundle for a phone, smaller, or for TensorFlow; its forms compared."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.markup import escape

from counter import __version__
from counter.audio.stream import MonoStream
from counter.bundle import Bundle, read_bundle
from counter.cli.console import (
    loading_tensorflow,
    measure_cells,
    number_columns,
    plain_table,
    stderr,
    stdout,
)
from counter.cli.options import PATH
from counter.errors import AudioError, CallcountError, ConfigError
from counter.evaluation.comparison import Measure
from counter.records import FloatArray
from counter.storage.atomic import check_replaceable, check_writable, new_folder
from counter.storage.file_names import safe_name
from counter.storage.inputs import find_recordings
from counter.tables.csv import write_json

if TYPE_CHECKING:
    from training.export.form_comparison import FormFigures
    from training.settings.train_settings import TrainSettings

TARGETS = ("android", "tflite-int8", "tflite-float16", "saved-model")


@click.command()
@click.argument("bundle", type=PATH)
@click.option("--to", "target", type=click.Choice(TARGETS), help="What to make.")
@click.option(
    "--compare",
    "is_compared",
    is_flag=True,
    help="Compare what the bundle can be had as on its validation clips: agreement, accuracy, "
    "size, speed.",
)
@click.option(
    "-o", "--output", type=PATH, help="New folder. [default: the bundle's name and what was asked]"
)
@click.option(
    "--window",
    "window_s",
    type=click.FloatRange(min=0, min_open=True, max=3600),
    metavar="SECONDS",
    help="--to android: length of the clips that the model takes. [default: as in training]",
)
@click.option(
    "--labels",
    type=PATH,
    metavar="FILE",
    help="labels.txt of an app, a label a line: an error unless it is the bundle's.",
)
@click.option(
    "--sounds",
    multiple=True,
    type=PATH,
    metavar="PATH",
    help="Sound files or folders whose first 60 s parity is proven on, beside made sounds; may be "
    "repeated.",
)
@click.option(
    "--config",
    type=PATH,
    help="--compare: the settings that it was trained with. [default: config.yaml of its run]",
)
@click.option(
    "--clips",
    type=PATH,
    metavar="DIR",
    help="--compare: folder that the clip folders of the settings are relative to. [default: this "
    "one]",
)
def export(
    bundle: Path, target: str | None, is_compared: bool, output: Path | None, **options: Any
) -> None:
    """Make something else of BUNDLE, the folder of a model or of a training run.

    \b
    android         a .tflite with metadata and labels.txt, for MediaPipe's AudioClassifier:
                    clips of one length, a score a label
    tflite-int8     a bundle again, its network in 8 bit; half the size, and faster
    tflite-float16  a bundle again, its weights in 16 bit; half the size
    saved-model     for TensorFlow

    Each is compared with the model that it was made from; how far they differ stands in its
    export.json, and what differs too far is not written.
    """
    if is_compared == (target is not None):
        raise click.UsageError("give either --to or --compare.")
    _refuse_unread(target, options)
    read = read_bundle(bundle)
    output = output or Path(f"{safe_name(read.spec.name)}-{target or 'compare'}")
    check_writable(output.parent)
    if target is None:
        _compare(read, output, options["config"], options["clips"])
    else:
        _make(read, target, output, options)


# Clips are proven on whole; of a long recording the beginning is enough.
LONGEST_SOUND_S = 60.0
# What reads the options that only some kinds of export read.
READ_BY = {
    "config": "--compare",
    "clips": "--compare",
    "window_s": "--to android",
    "labels": "--to",
    "sounds": "--to",
}


def _refuse_unread(target: str | None, options: Mapping[str, Any]) -> None:
    """Raise ConfigError for an option that would not be read."""
    asked = ("--compare",) if target is None else ("--to", f"--to {target}")
    for name, reader in READ_BY.items():
        if options[name] not in (None, ()) and reader not in asked:
            reader = reader if target is not None else "--to"
            raise ConfigError(f"--{name.removesuffix('_s')} is for {reader}.", "Leave it out.")


def _make(bundle: Bundle, target: str, output: Path, options: Mapping[str, Any]) -> None:
    """Make one target of a bundle and say where it is."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    labels = None if options["labels"] is None else _labels(options["labels"])
    sounds = tuple(_sounds(bundle, options["sounds"]))
    from training.export.bundle_export import Request, export_bundle

    request = Request(options["window_s"], labels, sounds)
    with stderr().status(f"Making {target} ..."):
        facts = export_bundle(bundle, target, output, request)
    _print_facts(output, facts)


def _labels(path: Path) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CallcountError(f"cannot read --labels {path}: {error}.", "Check the path.") from error
    return tuple(line.strip() for line in lines if line.strip())


def _sounds(bundle: Bundle, paths: tuple[Path, ...]) -> list[FloatArray]:
    rate_hz = bundle.spec.sample_rate_hz
    found = [_beginning(one.path, rate_hz) for one in find_recordings(paths)] if paths else []
    return [sound for sound in found if len(sound)]


def _beginning(path: str, sample_rate_hz: int) -> FloatArray:
    """The first ``LONGEST_SOUND_S`` of a file."""
    wanted = int(LONGEST_SOUND_S * sample_rate_hz)
    got: list[FloatArray] = [np.zeros(0, dtype=np.float32)]
    try:
        with MonoStream(path, sample_rate_hz) as stream:
            for block in stream:
                got.append(block)
                if sum(map(len, got)) >= wanted:
                    break
    except AudioError as error:
        raise CallcountError(f"{path} cannot be read as sound: {error}.") from error
    return np.concatenate(got)[:wanted]


def _print_facts(output: Path, facts: dict[str, Any]) -> None:
    parity = facts["parity"]
    named = ", ".join(name for name in facts["files"] if "/" not in name)
    size_kb = sum(one["bytes"] for one in facts["files"].values()) / 1000
    stdout().print(
        f"{facts['target']} of {escape(facts['bundle']['name'])}: {escape(named)} "
        f"({size_kb:,.0f} kB) -> {escape(str(output))}"
    )
    stdout().print(
        f"Largest difference of a score to {parity['against']}: "
        f"{parity['largest_difference']:.2g} on {parity['n_sounds']} sounds "
        f"(at most {parity['tolerance']:g})"
    )


COMPARISON_FILE = "comparison.json"


def _compare(bundle: Bundle, output: Path, config: Path | None, folder: Path | None) -> None:
    """Compare all forms of a bundle, print the table and write it as JSON."""
    check_replaceable(output, COMPARISON_FILE)
    settings = _settings(bundle, config, folder)
    with loading_tensorflow():
        from training.export.form_comparison import compare_forms, validation_clips
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
    with new_folder(output, COMPARISON_FILE) as made:
        write_json(made / COMPARISON_FILE, facts)
    _print(figures, f"{len(clips.clips)} validation clips -> {output / COMPARISON_FILE}")


def _settings(bundle: Bundle, config: Path | None, folder: Path | None) -> TrainSettings:
    """The run's settings, its clip folders below ``folder`` where that was given."""
    from training.autoconfig import TrainInputs, given_settings
    from training.export.bundle_export import config_of, moved

    config = config or config_of(bundle)
    if config is None:
        raise CallcountError(
            f"bundle {bundle.path} stands in no training run's folder, which would say what clips "
            "it was validated on.",
            "Give the settings that it was trained with: --config FILE.",
        )
    settings = given_settings(config, TrainInputs())
    return settings if folder is None else moved(settings, folder)


def _print(figures: list[FormFigures], about: str) -> None:
    titles = ("kB", "agrees", "accuracy", "95 %", "largest difference", "x real time per core")
    table = plain_table("form", *number_columns(*titles))
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
