"""Settings -> a trained model: the way of fitting is chosen by the kind of the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from training import fit as conv
from training.clipset import ClipSet
from training.estimators import ESTIMATORS, fit_estimator
from training.fit import Progress, Trained
from training.settings import FrontEndSettings, TrainSettings
from training.windowed import TrainedWindows
from training.windowfit import fit_windows
from training.windownets import WINDOW_NETWORKS

Model = Trained | TrainedWindows


# A way to fit, with the parameters of ``fit``: the same seed and clips give the same model.
Fit = Callable[..., Model]

# By ``network.kind``.
FITS: dict[str, Fit] = {
    "conv": conv.fit,
    **dict.fromkeys(WINDOW_NETWORKS, fit_windows),
    **dict.fromkeys(ESTIMATORS, fit_estimator),
}
# How models of some kinds, trained on different clips, become one.
MEANS: dict[str, Callable[..., Model]] = {"conv": conv.mean_of}


def fit(
    settings: TrainSettings,
    front_end: FrontEndSettings,
    clips: ClipSet,
    *,
    validation: ClipSet | None = None,
    seed: int,
    progress: Progress | None = None,
) -> Model:
    """Train one model on the clips, as its kind of network is trained.

    Parameters
    ----------
    settings : TrainSettings
    front_end : FrontEndSettings
        One of ``settings.models``.
    clips : ClipSet
        What to train on.
    validation : ClipSet or None
        Clips of other sources, on which each epoch is judged; nothing is chosen by them.
    seed : int
        Of everything drawn by chance.
    progress : callable or None
        Told the number of every epoch that ends, and its figures.
    """
    way = FITS[settings.network.kind]
    return way(settings, front_end, clips, validation=validation, seed=seed, progress=progress)


def mean_of(settings: TrainSettings, models: Sequence[Model]) -> Model | None:
    """Models of one kind as one that says what they say on average; ``None`` where it has no mean.

    A mean of windows' models would take as many times the time to scan; it has none.
    """
    mean = MEANS.get(settings.network.kind)
    return mean(models) if mean is not None else None
