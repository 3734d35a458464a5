"""``callcount demo``: the main job from end to end on sound made here."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Show the main job on made sound.")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("data/demo"))
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sound.")
def demo(folder: Path, seed: int) -> None:
    """Make clips and recordings with known calls in FOLDER, train, scan, and show the counts.

    FOLDER is data/demo unless another is given.
    """
    from counter.cli.demonstrating import run_demo

    run_demo(folder, seed=seed)
