"""``callcount compare``: recipes side by side, on the same folds of the same clips."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from counter.cli.console import (
    loading_tensorflow,
    number_columns,
    plain_table,
    require_training,
    stderr,
    stdout,
)
from counter.cli.options import PATH
from counter.config import validate
from counter.errors import ClipError
from counter.storage.atomic import check_replaceable, new_folder

if TYPE_CHECKING:
    from training.autoconfig import TrainInputs
    from training.compare.recipes import Compared
    from training.settings.train_settings import TrainSettings

MARK = "compare.json"
BACKGROUND_FOLDER = "background"


@click.command()
@click.argument("configs", nargs=-1, required=True, metavar="CONFIG...", type=PATH)
@click.option(
    "--clips",
    type=PATH,
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
    type=PATH,
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
def compare(
    configs: tuple[Path, ...],
    clips: Path | None,
    n_folds: int | None,
    output: Path,
    assignments: tuple[str, ...],
    seed: int | None,
) -> None:
    """Train each CONFIG once a fold and score the clips held out; no source is on two sides.

    Says accuracy and macro F1 with their standard deviation over folds, the size of the model
    (LiteRT, float32), processor seconds of training a fold, and how many seconds of sound one
    processor scores a second. A config of several models is compared with all of them.
    """
    check_replaceable(output, MARK)
    require_training()
    from training.autoconfig import TrainInputs

    inputs = TrainInputs(assignments=assignments, seed=seed)
    recipes = [(config.stem, _settings(config, inputs, clips)) for config in configs]
    with loading_tensorflow():
        from training.compare.recipes import Comparison, compare, recipe_models, write_comparison
    models = recipe_models(recipes)
    with stderr().status("Reading clips ..."):
        comparison = Comparison(models, n_folds, models[0].settings.seed)
    with new_folder(output, MARK) as made:
        with _progress(len(models) * len(comparison.folds)) as progress:
            compared = list(compare(models, comparison, progress))
        write_comparison(made, compared)
    _print(compared, output)


def _settings(config: Path, inputs: TrainInputs, folder: Path | None) -> TrainSettings:
    """The settings of a config, with the clips of a folder of folders in place of their own."""
    from training.autoconfig import fitted_settings, given_settings
    from training.settings.train_settings import TrainSettings

    settings = given_settings(config, inputs)
    if folder is None:
        return fitted_settings(settings, inputs)[0]
    try:
        folders = sorted(one for one in folder.iterdir() if one.is_dir())
    except OSError as error:
        raise ClipError(
            f"cannot read --clips {folder}: {error.strerror}.", "Give a folder with one a label."
        ) from error
    labels = {one.name: [str(one)] for one in folders if one.name != BACKGROUND_FOLDER}
    if not labels:
        raise ClipError(f"--clips {folder} has no folders in it.", "One folder a label is needed.")
    data = settings.model_dump(mode="json", exclude_unset=True)
    data["clips"] = data.get("clips", {}) | {
        "labels": labels,
        "background": [str(one) for one in folders if one.name == BACKGROUND_FOLDER],
        "annotations": None,
        "recordings": None,
        "reviewed": [],
    }
    moved = validate(TrainSettings, data, f"--clips {folder}")
    return fitted_settings(moved, inputs)[0]


@contextmanager
def _progress(n_fits: int) -> Iterator[Any]:
    """A bar of models trained; a line each in a pipe."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = stderr()
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} trained"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("", total=n_fits)
        n_begun = 0

        def begun(name: str, fold: int, n_folds: int) -> None:
            nonlocal n_begun
            title = f"{name}: fold {fold} of {n_folds}"
            bar.update(task, completed=n_begun, description=escape(title))
            n_begun += 1
            if not console.is_terminal:
                console.print(title, markup=False)

        yield begun
        bar.update(task, completed=n_fits)


def _print(compared: Sequence[Compared], output: Path) -> None:
    titles = ("accuracy %", "macro F1 %", "kB", "training CPU s", "x real time")
    table = plain_table("recipe", *number_columns(*titles))
    for one in compared:
        table.add_row(
            escape(one.candidate.name),
            *(
                f"{100 * values.mean():.1f} ± {100 * values.std(ddof=1):.1f}"
                for values in (one.accuracy, one.macro_f1)
            ),
            f"{one.size_bytes / 1000:,.0f}",
            f"{one.train_cpu_s:,.1f}",
            f"{one.times_real_time:,.0f}",
        )
    console = stdout()
    console.print(table)
    n_clips = sum(len(fold.names) for fold in compared[0].folds)
    console.print(
        f"{n_clips} clips in {len(compared[0].folds)} folds of sources; mean ± standard deviation "
        f"over folds. Tables and picture: {escape(str(output))}"
    )
