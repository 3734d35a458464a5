"""``callcount compare``: recipes side by side, on the same folds of the same clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command(short_help="Compare training recipes on the same folds of clips.")
@click.argument(
    "configs", nargs=-1, required=True, metavar="CONFIG...", type=click.Path(path_type=Path)
)
@click.option(
    "--clips",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Clips for all recipes: one folder a label in DIR, 'background' for clips without any. "
    "[default: those of the configs, which must be the same]",
)
@click.option(
    "--cv",
    "n_folds",
    type=click.IntRange(2, 20),
    help="Folds of sources. [default: 5; those that a group 'fold' in clips.source_pattern tells]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("comparison"),
    show_default=True,
    help="Folder for the tables and the picture; one of an earlier comparison is replaced.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="KEY=VALUE",
    help="One setting of all recipes, such as fit.epochs=30; may be repeated.",
)
@click.option(
    "--seed", type=int, help="Seed of everything drawn by chance. [default: the config's]"
)
def compare(configs: tuple[Path, ...], output: Path, **options: Any) -> None:
    """Train each CONFIG once a fold and score the clips held out; no source is on two sides.

    Says accuracy and macro F1 with their standard deviation over folds, the size of the model
    (LiteRT, float32), processor seconds of training a fold, and how many seconds of sound one
    processor scores a second. A config of several models is compared with all of them.
    """
    from counter.cli.comparing import CompareOptions, run_compare

    run_compare(configs, output, CompareOptions(**options))
