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
from rich.table import Table

from counter.cli.console import (
    loading_tensorflow,
    number_columns,
    plain_table,
    require_training,
    stderr,
    stdout,
)
from counter.cli.options import PATH

if TYPE_CHECKING:
    from training.autoconfig import CallFacts
    from training.report.trust import LabelTrust
    from training.run import RunResult
    from training.settings.train_settings import TrainSettings
    from training.validation.review_effect import Change


# Below this a call can hardly be told from what surrounds it.
LEAST_OVER_DB = 3.0


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
def train(config: Path | None, output: Path, **flags: Any) -> int:
    """Train on folders of short clips, with the call and without it, or on annotated recordings.

    Writes two models (mel and spectrogram) with their event rules, reports, pictures and a model
    card to OUTPUT/NAME, and names the one that counts better as the default. Ends with exit code 1
    where nothing should be counted with that yet.
    """
    require_training()
    import training

    with TerminalTraining() as observer:
        result = training.train(
            output, config=config, observer=observer, command=command_line(), **flags
        )
    return print_result(result)


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
        frame_s = 4 * one.hop_samples / one.sample_rate_hz
        over_db = facts.over_db(one.low_hz, one.high_hz)
        band = f"{one.low_hz:g} to {one.high_hz:g} Hz"
        heard = f"{facts.n_calls} calls that stand out of their surroundings, in {band} by "
        heard += f"{over_db:.0f} dB"
        if not facts.n_calls:
            heard = f"all that is recorded, {band}, as no call stands out of its surroundings"
        self._console.print(
            f"Suited to {heard}; at {one.sample_rate_hz} Hz; "
            f"calls of {facts.short_s:.3g} to {facts.long_s:.3g} s, a score every {frame_s:.2g} s, "
            f"windows of {settings.fit.window_s:.3g} s. A config's models and fit.window_s go "
            "before this."
        )
        if over_db < LEAST_OVER_DB:
            self._console.print(
                f"Warning: in this band half of the calls stand out by less than {LEAST_OVER_DB:g} "
                "dB, so the model can hardly hear them. Bring louder calls, or background from the "
                "same recorders; or give the band in which you see them."
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


def print_result(result: RunResult) -> int:
    """Print what was found of what is known, what was skipped, where all is, and doubts.

    The exit code: 1 where nothing should be counted with the better model yet.
    """
    console, best = stdout(), result.runs[result.default]
    console.print(_found(result))
    for broken in best.clips.broken:
        console.print(f"skipped {broken.path}: {broken.reason}", markup=False)
    for remark in best.clips.remarks:
        console.print(remark, markup=False)
    for change in result.changes:
        _print_change(change)
    where = "annotated recordings"
    if best.cross_fit.is_on_made:
        where = "made recordings; real ones hold more that errs"
    console.print(
        f"Found by models that had not met them, in {where}. Count error: calls a recording; "
        "total: error to expect of a total over as many calls. "
        f"Bundles, reports and model card: {escape(str(result.folder))}"
    )
    trust = best.trust()
    for one in trust:
        for text in one.said:
            stderr().print(f"Warning: {text}", markup=False, soft_wrap=True)
    return int(any(one.is_unfit for one in trust))


def _found(result: RunResult) -> Table:
    """A row for each model and label."""
    titles = number_columns("known calls", "found", "F1", "count error", "total")
    table = plain_table("model", *titles, "variant")
    for name, run in result.runs.items():
        for one in run.trust():
            error = one.error
            several = f", {one.label}" if len(run.clips.labels) > 1 else ""
            table.add_row(
                escape(name + several) + (" (default)" if name == result.default else ""),
                str(error.n_calls),
                str(error.n_events),
                f"{error.f1:.3f}",
                f"{error.count_error:.3f}",
                _total(one),
                run.chosen.variant,
            )
    return table


def _total(one: LabelTrust) -> str:
    """The error of a total; of made recordings, which hold what clips showed, the least of it."""
    if one.error.total_error is None:
        return "-"
    share = f"± {one.error.total_error:.0%}"
    return f"{share} or more" if one.is_on_made else share


def _print_change(change: Change) -> None:
    titles = number_columns(*map(escape, change.models()))
    table = plain_table(escape(f"{change.label}: {change.about()}"), *titles)
    for row in change.table():
        table.add_row(*row)
    stdout().print(table)
