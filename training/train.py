"""Train models: the Python API of ``callcount train``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from training.autoconfig import CallFacts, TrainInputs, resolve_settings
from training.settings.train_settings import TrainSettings

if TYPE_CHECKING:
    from training.run import RunResult

# Called each epoch, from 1, and its figures by name.
Progress = Callable[[int, dict[str, float]], None]


class TrainObserver(Protocol):
    """What a training tells while it works."""

    def fits(self, settings: TrainSettings, facts: CallFacts) -> None:
        """The settings were fitted to the calls."""

    def loads(self) -> None:
        """TensorFlow is being loaded, which takes a while."""

    def begins(self) -> None:
        """The training begins."""

    def stage(self, settings: TrainSettings, model: str, text: str) -> Progress:
        """A stage of a model begins; what it returns is called with each epoch and its figures."""
        ...


class _NoObserver:
    """Shows nothing of what goes on."""

    def fits(self, settings: TrainSettings, facts: CallFacts) -> None:
        """Nothing."""

    def loads(self) -> None:
        """Nothing."""

    def begins(self) -> None:
        """Nothing."""

    def stage(self, settings: TrainSettings, model: str, text: str) -> Progress:
        """Nothing."""
        return lambda epoch, figures: None


def train(
    output: str | Path = "artifacts",
    *,
    config: str | Path | None = None,
    observer: TrainObserver | None = None,
    command: str = "training.train",
    **inputs: Any,
) -> RunResult:
    """Train models on clips or annotated recordings, and write their bundles, reports and card.

    Parameters
    ----------
    output : str or Path
        Folder below which the run's folder is made.
    config : str or Path, optional
        YAML settings.
    observer : TrainObserver, optional
        Is called with what goes on; nothing is by default.
    command : str
        What the card says it was trained by.
    **inputs
        As ``TrainInputs`` has them: ``positive``, ``negative``, ``annotations``, ``recordings``,
        ``reviewed``, ``label``, ``assignments``, ``seed``, ``folds``.

    Returns
    -------
    RunResult
        The folder, and what is known of each model.

    Raises
    ------
    CallcountError
        Settings, clips or annotations that are wrong, or something in the way of the outputs.

    Examples
    --------
    >>> import training
    >>> run = training.train(  # doctest: +SKIP
    ...     positive=["clips/treefrog"], negative=["clips/other"], label="treefrog"
    ... )
    >>> run.folder  # doctest: +SKIP
    PosixPath('artifacts/treefrog')
    """
    watcher = observer or _NoObserver()
    given = TrainInputs.of(inputs)
    settings, facts = resolve_settings(None if config is None else Path(config), given)
    if facts is not None:
        watcher.fits(settings, facts)
    watcher.loads()
    from training.run import train_all  # TensorFlow, once the settings are known to be right

    watcher.begins()
    progress = partial(watcher.stage, settings)
    return train_all(settings, Path(output), command=command, progress=progress)
