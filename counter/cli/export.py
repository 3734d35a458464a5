"""``callcount export``: a bundle for a phone, smaller, or for TensorFlow; its forms compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

TARGETS = ("android", "tflite-int8", "tflite-float16", "saved-model")


@click.command(short_help="Make a phone's model, a smaller one or a SavedModel of a bundle.")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--to", "target", type=click.Choice(TARGETS), help="What to make.")
@click.option(
    "--compare",
    "is_compared",
    is_flag=True,
    help="Compare what the bundle can be had as on its validation clips: agreement, accuracy, "
    "size, speed.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="New folder. [default: the bundle's name and what was asked]",
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
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="labels.txt of an app, a label a line: an error unless it is the bundle's.",
)
@click.option(
    "--sounds",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Sound files or folders whose first 60 s parity is proven on, beside made sounds; may be "
    "repeated.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="--compare: the settings that it was trained with. [default: config.yaml of its run]",
)
@click.option(
    "--clips",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="--compare: folder that the clip folders of the settings are relative to. [default: this "
    "one]",
)
def export(bundle: Path, target: str | None, is_compared: bool, **options: Any) -> None:
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
    from counter.cli.converting import ExportOptions, run_export

    if is_compared == (target is not None):
        raise click.UsageError("give either --to or --compare.")
    chosen = ExportOptions(**options)
    if target is None:
        from counter.cli.contrasting import run_compare

        run_compare(bundle, chosen)
    else:
        run_export(bundle, target, chosen)
