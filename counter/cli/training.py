"""What ``callcount train`` does between its flags and the training room."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from counter.cli.console import stderr, stdout
from counter.config import read_yaml, validate, with_overrides
from counter.errors import ConfigError

if TYPE_CHECKING:
    from training.difference import Change
    from training.run import RunResult
    from training.settings import TrainSettings

DEFAULT_CONFIG = Path("configs/default.yaml")


@dataclass(frozen=True)
class TrainFlags:
    """Flags of ``callcount train`` that change settings."""

    positive: tuple[Path, ...] = ()
    negative: tuple[Path, ...] = ()
    annotations: Path | None = None
    recordings: Path | None = None
    reviewed: tuple[Path, ...] = ()
    label: str | None = None
    assignments: tuple[str, ...] = ()
    seed: int | None = None
    folds: int | None = None


def read_settings(config: Path | None, flags: TrainFlags) -> TrainSettings:
    """Defaults < suited to annotated calls < YAML < flags.

    Without ``config``, what ``configs/default.yaml`` changes of the defaults, where it is there.
    """
    from training.settings import TrainSettings

    if config is not None:
        data = read_yaml(config)
    else:
        data = _chosen(read_yaml(DEFAULT_CONFIG)) if DEFAULT_CONFIG.is_file() else {}
    where = str(config or (DEFAULT_CONFIG if data else "the settings"))
    data = _with_flags(data, flags)
    name = _run_name(flags)
    if name is not None and (config is None or "name" not in data):
        data["name"] = name
    settings = _suited(validate(TrainSettings, data, where))
    if not flags.assignments:
        return settings
    # Set on what is resolved, so that one setting of a model leaves its others as they are.
    changed = with_overrides(settings.model_dump(mode="json"), list(flags.assignments))
    return validate(TrainSettings, changed, "--set")


def _chosen(data: dict[str, Any]) -> dict[str, Any]:
    """What differs from the defaults: the rest of the file that spells them out is no choice."""
    from training.settings import TrainSettings

    defaults = TrainSettings().model_dump(mode="json")
    chosen = {key: value for key, value in data.items() if value != defaults.get(key)}
    for key in ("clips", "fit"):
        if isinstance(chosen.get(key), dict):
            pairs = chosen[key].items()
            chosen[key] = {name: one for name, one in pairs if one != defaults[key].get(name)}
    return chosen


def _with_flags(data: dict[str, Any], flags: TrainFlags) -> dict[str, Any]:
    """A config's settings with those that have flags of their own."""
    clips = dict(data.get("clips") or {})
    given = {"annotations": flags.annotations, "recordings": flags.recordings}
    clips |= {key: str(path) for key, path in given.items() if path is not None}
    if flags.label is not None and not (flags.positive or clips.get("annotations")):
        raise ConfigError(
            "--label names what --positive or --annotations holds; give one of them too."
        )
    if flags.label or flags.positive:
        name = flags.label or flags.positive[0].resolve().name
        clips["labels"] = {name: [str(path) for path in flags.positive]}
    if flags.reviewed:
        clips["reviewed"] = [str(path) for path in flags.reviewed]
    if flags.negative:
        clips["background"] = [str(path) for path in flags.negative]
    if clips:
        data["clips"] = clips
    if flags.seed is not None:
        data["seed"] = flags.seed
    if flags.folds is not None:
        data["rules"] = {**(data.get("rules") or {}), "folds": flags.folds}
    return data


def _run_name(flags: TrainFlags) -> str | None:
    """The run's name by what is trained on; ``None`` where the flags say nothing of it."""
    name = flags.label
    if name is None and flags.positive:
        name = flags.positive[0].resolve().name
    elif name is None and flags.annotations:
        name = flags.annotations.stem
    return None if name is None else re.sub(r"[^\w.-]|^[.-]", "_", name)


def _suited(settings: TrainSettings) -> TrainSettings:
    """With annotations: band, rate and window that suit the calls, unless they were given."""
    if settings.clips.annotations is None:
        return settings
    from training.suited import suited

    settings, facts = suited(settings)
    if facts is not None:
        one = next(iter(settings.models.values()))
        stderr().print(
            f"Suited to {facts.n_calls} annotated calls: {one.low_hz:g} to {one.high_hz:g} Hz at "
            f"{one.sample_rate_hz} Hz, windows of {settings.fit.window_s:.2f} s. A config's "
            "models and fit.window_s go before this."
        )
    return settings


def run_train(settings: TrainSettings, output: Path) -> RunResult:
    """Train, with progress and a table at the end."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    console = stderr()
    with console.status("Loading TensorFlow ..."):
        from training.run import train_all
    with _progress(settings) as progress:
        result = train_all(settings, output, command=_command(), progress=progress)
    _print_result(result)
    return result


def _command() -> str:
    return shlex.join(["callcount", *sys.argv[1:]])


@contextmanager
def _progress(settings: TrainSettings) -> Iterator[Any]:
    """A bar a stage with the last epoch's figures; lines of text in a pipe."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = stderr()
    bar = Progress(
        TextColumn("{task.description:28}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} epochs"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[figures]}"),
        console=console,
        disable=not console.is_terminal,
    )

    def stage(model: str, text: str) -> Callable[[int, dict[str, float]], None]:
        title = f"{model}: {text}"
        task = bar.add_task(escape(title), total=settings.fit.epochs, figures="")

        def epoch(number: int, row: dict[str, float]) -> None:
            figures = "  ".join(f"{k} {v:.3f}" for k, v in row.items() if k != "epoch")
            bar.update(task, completed=number, figures=figures)
            if not console.is_terminal and number == settings.fit.epochs:
                console.print(f"{title}, {number} epochs: {figures}", markup=False)

        return epoch

    with bar:
        yield stage


def _print_result(result: RunResult) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("model", "count error", "F1", "variant"):
        table.add_column(title, justify="left" if title in ("model", "variant") else "right")
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
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(escape(f"{change.label}: {change.about()}"))
    for title in change.models():
        table.add_column(escape(title), justify="right")
    for row in change.table():
        table.add_row(*row)
    stdout().print(table)
