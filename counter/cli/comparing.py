"""What ``callcount compare`` does between its flags and the training room."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from counter.cli.console import stderr, stdout
from counter.cli.training import TrainFlags, read_settings
from counter.config import validate
from counter.errors import ClipError
from counter.folders import check_replaceable, new_folder

if TYPE_CHECKING:
    from training.compare import Compared
    from training.settings import TrainSettings

MARK = "compare.json"
BACKGROUND_FOLDER = "background"


@dataclass(frozen=True)
class CompareOptions:
    """The options of ``callcount compare``."""

    clips: Path | None = None
    n_folds: int | None = None
    assignments: tuple[str, ...] = ()
    seed: int | None = None


def run_compare(configs: Sequence[Path], output: Path, options: CompareOptions) -> None:
    """Compare, with progress, and write tables and a picture to a new folder."""
    check_replaceable(output, MARK)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    recipes = [(config.stem, _settings(config, options)) for config in configs]
    with stderr().status("Loading TensorFlow ..."):
        from training.arena import Arena, candidates
        from training.compare import compare
        from training.comparison import write_comparison
    entrants = candidates(recipes)
    with stderr().status("Reading clips ..."):
        arena = Arena(entrants, options.n_folds, entrants[0].settings.seed)
    with new_folder(output, MARK) as made:
        with _progress(len(entrants) * len(arena.folds)) as progress:
            compared = list(compare(entrants, arena, progress))
        write_comparison(made, compared)
    _print(compared, output)


def _settings(config: Path, options: CompareOptions) -> TrainSettings:
    settings = read_settings(config, TrainFlags(assignments=options.assignments, seed=options.seed))
    return settings if options.clips is None else _with_clips(settings, options.clips)


def _with_clips(settings: TrainSettings, folder: Path) -> TrainSettings:
    """The settings with the clips of one folder of folders in place of their own."""
    from training.settings import TrainSettings

    try:
        folders = sorted(one for one in folder.iterdir() if one.is_dir())
    except OSError as error:
        raise ClipError(
            f"cannot read --clips {folder}: {error.strerror}.", "Give a folder with one a label."
        ) from error
    labels = {one.name: [str(one)] for one in folders if one.name != BACKGROUND_FOLDER}
    if not labels:
        raise ClipError(f"--clips {folder} has no folders in it.", "One folder a label is needed.")
    data = settings.model_dump(mode="json")
    data["clips"] |= {
        "labels": labels,
        "background": [str(one) for one in folders if one.name == BACKGROUND_FOLDER],
        "annotations": None,
        "recordings": None,
        "reviewed": [],
    }
    return validate(TrainSettings, data, f"--clips {folder}")


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
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("recipe", "accuracy %", "macro F1 %", "kB", "training CPU s", "x real time"):
        table.add_column(title, justify="left" if title == "recipe" else "right")
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
