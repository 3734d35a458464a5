"""``callcount train``: clips or marked recordings to models, their reports, and the default."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from counter.cli.console import (
    loading_tensorflow,
    number_columns,
    plain_table,
    stderr,
    stdout,
)
from counter.cli.options import PATH

if TYPE_CHECKING:
    from training.autoconfig import CallFacts
    from training.run import RunResult
    from training.settings.train_settings import TrainSettings
    from training.validation.review_effect import Change


@click.command()
@click.option(
    "--config",
    type=PATH,
    help="YAML settings. [default: configs/default.yaml, else the same values built in]",
)
@click.option(
    "--positive", multiple=True, type=PATH, help="Folder of clips with the call; may be repeated."
)
@click.option(
    "--negative",
    multiple=True,
    type=PATH,
    help="Folder of clips without the call; may be repeated.",
)
@click.option(
    "--annotations",
    type=PATH,
    metavar="TABLE",
    help="Calls marked in recordings: CSV (recording,start_s,end_s[,label]), Raven or Audacity.",
)
@click.option(
    "--recordings",
    type=PATH,
    metavar="DIR",
    help="Folder of these recordings. The calls are cut from them, and background from the rest.",
)
@click.option(
    "--reviewed",
    multiple=True,
    type=PATH,
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
    type=PATH,
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
    import training

    with TerminalTraining() as observer:
        result = training.train(
            output, config=config, observer=observer, command=command_line(), **flags
        )
    print_result(result)


def command_line() -> str:
    """The command as it was given."""
    return shlex.join(["callcount", *sys.argv[1:]])


class TerminalTraining:
    """Shows a training: a bar a stage with the last epoch's figures; lines of text in a pipe.

    A context manager, and what a ``TrainObserver`` is.
    """

    def __init__(self) -> None:
        self._console = stderr()
        self._loading = ExitStack()
        self._bar = Progress(
            TextColumn("{task.description:28}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} epochs"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[figures]}"),
            console=self._console,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> TerminalTraining:
        return self

    def __exit__(self, *error: object) -> None:
        self._loading.close()
        self._bar.stop()

    def fits(self, settings: TrainSettings, facts: CallFacts) -> None:
        """Say what the settings were fitted to."""
        one = next(iter(settings.models.values()))
        self._console.print(
            f"Suited to {facts.n_calls} annotated calls: {one.low_hz:g} to {one.high_hz:g} Hz at "
            f"{one.sample_rate_hz} Hz, windows of {settings.fit.window_s:.2f} s. A config's "
            "models and fit.window_s go before this."
        )

    def loads(self) -> None:
        """Say that TensorFlow is loaded, which takes a while."""
        self._loading.enter_context(loading_tensorflow())

    def begins(self) -> None:
        """Take that away, and show bars."""
        self._loading.close()
        self._bar.start()

    def stage(
        self, settings: TrainSettings, model: str, text: str
    ) -> Callable[[int, dict[str, float]], None]:
        """Begin a bar."""
        title, n_epochs = f"{model}: {text}", settings.fit.epochs
        task = self._bar.add_task(escape(title), total=n_epochs, figures="")

        def epoch(number: int, row: dict[str, float]) -> None:
            figures = "  ".join(f"{k} {v:.3f}" for k, v in row.items() if k != "epoch")
            self._bar.update(task, completed=number, figures=figures)
            if not self._console.is_terminal and number == n_epochs:
                self._console.print(f"{title}, {number} epochs: {figures}", markup=False)

        return epoch


def print_result(result: RunResult) -> None:
    """Print the models' figures, what was skipped, and where all is."""
    table = plain_table("model", *number_columns("count error", "F1"), "variant")
    for name, run in result.runs.items():
        errors = [learned.error for learned in run.cross_fit.learned]
        table.add_row(
            name + (" (default)" if name == result.default else ""),
            f"{sum(e.count_error for e in errors) / len(errors):.3f}",
            f"{sum(e.f1 for e in errors) / len(errors):.3f}",
            run.chosen.variant,
        )
    console = stdout()
    console.print(table)
    clips = next(iter(result.runs.values())).clips
    for broken in clips.broken:
        console.print(f"skipped {broken.path}: {broken.reason}", markup=False)
    for remark in clips.remarks:
        console.print(remark, markup=False)
    for change in result.changes:
        _print_change(change)
    console.print(
        "Count error: calls a made recording of unseen sources. "
        f"Bundles, reports and model card: {escape(str(result.folder))}"
    )


def _print_change(change: Change) -> None:
    titles = number_columns(*map(escape, change.models()))
    table = plain_table(escape(f"{change.label}: {change.about()}"), *titles)
    for row in change.table():
        table.add_row(*row)
    stdout().print(table)
