"""What a training run's folder tells of a bundle in it: settings, windows, validation clips."""

from __future__ import annotations

from pathlib import Path

from counter.bundle import Bundle
from counter.config import read_yaml
from counter.errors import CallcountError
from training.settings import TrainSettings

CONFIG_FILE = "config.yaml"


def config_of(bundle: Bundle) -> Path | None:
    """The settings of the run that a bundle stands in the folder of; ``None`` elsewhere."""
    path = bundle.path.parent / CONFIG_FILE
    return path if path.is_file() else None


def trained_window_s(bundle: Bundle) -> float:
    """Length of the windows that a bundle was trained on, seconds.

    Raises
    ------
    CallcountError
        Neither the bundle nor its run's folder says.
    """
    told = bundle.spec.provenance.get("window_s")
    config = config_of(bundle)
    if told is None and config is not None:
        told = read_yaml(config).get("fit", {}).get("window_s")
    if not isinstance(told, int | float):
        raise CallcountError(
            f"bundle {bundle.path} does not say how long the windows were that it was trained on.",
            "Give --window SECONDS.",
        )
    return float(told)


def moved(settings: TrainSettings, folder: Path) -> TrainSettings:
    """The settings with the paths of clips taken from another folder than the present one."""

    def there(path: str) -> str:
        return str(folder / path)

    clips = settings.clips
    changes: dict[str, object] = {
        "labels": {name: tuple(map(there, paths)) for name, paths in clips.labels.items()},
        "background": tuple(map(there, clips.background)),
        "reviewed": tuple(map(there, clips.reviewed)),
    }
    for key in ("annotations", "recordings"):
        if (path := getattr(clips, key)) is not None:
            changes[key] = there(path)
    return settings.model_copy(update={"clips": clips.model_copy(update=changes)})
