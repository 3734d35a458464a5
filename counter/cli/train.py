"""``callcount train``: clips -> models, their reports, and the better one as default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command(short_help="Train a detector on clips or annotated recordings.")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="YAML settings. [default: configs/default.yaml, else the same values built in]",
)
@click.option(
    "--positive",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder of clips with the call; may be repeated.",
)
@click.option(
    "--negative",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder of clips without the call; may be repeated.",
)
@click.option(
    "--annotations",
    type=click.Path(path_type=Path),
    metavar="TABLE",
    help="Calls marked in recordings: CSV (recording,start_s,end_s[,label]), Raven or Audacity.",
)
@click.option(
    "--recordings",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder of these recordings. The calls are cut from them, and background from the rest.",
)
@click.option(
    "--reviewed",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder that `callcount mine` wrote, its table filled in: further clips, with the call "
    "and without, beside those of before; may be repeated.",
)
@click.option(
    "--label",
    help="Name of what --positive or --annotations holds, and of the run. [default: the folder's "
    "name; of annotations, the labels in the table]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("artifacts"),
    show_default=True,
    help="Folder below which the run's folder is made.",
)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="One setting.")
@click.option("--seed", type=int, help="Seed of everything drawn by chance. [default: 0]")
@click.option(
    "--cv",
    "folds",
    type=click.IntRange(2, 20),
    help="Folds of sources to cross-validate over. [default: 3]",
)
def train(config: Path | None, output: Path, **flags: Any) -> None:
    """Train on folders of short clips, with the call and without it, or on annotated recordings.

    Writes two models (mel and spectrogram) with their event rules, reports, pictures and a model
    card to OUTPUT/NAME, and names the one that counts better as the default.
    """
    from counter.cli.training import TrainFlags, read_settings, run_train

    run_train(read_settings(config, TrainFlags(**flags)), output)
