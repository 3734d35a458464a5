"""Fit a model of any kind; estimators of scikit-learn (forests, neighbours, kernels) as layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.kernel_ridge import KernelRidge
from sklearn.metrics import accuracy_score, log_loss
from sklearn.preprocessing import StandardScaler

from counter.records import FloatArray
from training.data.clip_set import BACKGROUND, ClipSet
from training.fit import fitting as conv
from training.fit.fitting import Progress, Trained
from training.fit.window_fitting import TrainedWindows, fit_windows
from training.models.litert_run import clip_windows
from training.models.networks import WINDOW_NETWORKS
from training.models.window_front_ends import window_front_end
from training.settings.front_end_settings import FrontEndSettings
from training.settings.network_settings import (
    ForestSettings,
    KernelSettings,
    NeighboursSettings,
    WindowNetworkSettings,
    WindowShape,
)
from training.settings.train_settings import TrainSettings, of_kind

# Windows that go through the front end at once; bounds memory.
BATCH = 64
# Of a class in the loss that is logged: a forest is sure of what it was fitted on.
LEAST_SHARE = 1e-3
Columns = NDArray[np.int64]


class Forest(keras.layers.Layer):
    """A random forest as gathers: each step takes every tree of every window one node down.

    Input: float32, shape (n_windows, n_values). Output: (n_windows, n_classes), the mean over trees
    of the shares of classes in the leaf, as ``RandomForestClassifier.predict_proba`` of ``forest``,
    which was fitted on classes 0 to ``n_classes - 1``.
    """

    def __init__(self, forest: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        trees = [one.tree_ for one in forest.estimators_]
        first = np.cumsum([0, *(tree.node_count for tree in trees)])
        self._roots = _constant(first[:-1], np.int32)
        self._depth = max(tree.max_depth for tree in trees)
        # A leaf is its own child, whatever is asked there.
        own = [at + np.arange(tree.node_count) for at, tree in zip(first, trees, strict=False)]
        left = [_child(tree.children_left, at) for tree, at in zip(trees, own, strict=True)]
        right = [_child(tree.children_right, at) for tree, at in zip(trees, own, strict=True)]
        self._left = _constant(np.concatenate(left), np.int32)
        self._right = _constant(np.concatenate(right), np.int32)
        asked = np.concatenate([tree.feature for tree in trees])
        self._asked = _constant(np.maximum(asked, 0), np.int32)
        self._limits = ops.convert_to_tensor(
            _below(np.concatenate([tree.threshold for tree in trees]))
        )
        counts = np.concatenate([tree.value[:, 0] for tree in trees])
        self._shares = _constant(counts / counts.sum(axis=1, keepdims=True), np.float32)

    def call(self, values: Any) -> Any:
        """Shares of classes; see the class."""
        at = ops.zeros_like(values[:, :1], dtype="int32") + self._roots
        for _ in range(self._depth):
            asked = tf.gather(values, tf.gather(self._asked, at), batch_dims=1)
            is_left = asked <= tf.gather(self._limits, at)
            at = tf.where(is_left, tf.gather(self._left, at), tf.gather(self._right, at))
        return ops.mean(tf.gather(self._shares, at), axis=1)


class _Points(keras.layers.Layer):
    """What keeps training windows and asks how far others are, all less the mean and scaled."""

    def __init__(self, scaler: Any, points: FloatArray, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._mean = _constant(scaler.mean_, np.float32)
        scale = np.ones_like(scaler.mean_) if scaler.scale_ is None else scaler.scale_
        self._scale = _constant(scale, np.float32)
        exact = points.astype(np.float64)
        self._points = _constant(2 * exact.T, np.float32)
        self._squares = _constant(np.square(exact).sum(axis=1), np.float32)

    def far(self, values: Any) -> Any:
        """Squared Euclidean distances, (n_windows, n_values) -> (n_windows, n_points)."""
        scaled = (values - self._mean) / self._scale
        own = ops.sum(ops.square(scaled), axis=1, keepdims=True)
        return own + self._squares - ops.matmul(scaled, self._points)


class Neighbours(_Points):
    """The nearest of the training windows: a matrix product and the top of each row.

    Input: float32, shape (n_windows, n_values). Output: (n_windows, n_classes), shares of classes
    among the nearest by Euclidean distance, as ``KNeighborsClassifier.predict_proba``; of windows
    equally far, the first of training count. ``points`` are these, scaled, (n_points, n_values),
    ``columns`` their classes, (n_points,), 0 to ``n_classes - 1``, every one there.
    """

    def __init__(
        self, scaler: Any, points: FloatArray, columns: Columns, n_nearest: int, **kwargs: Any
    ) -> None:
        super().__init__(scaler, points, **kwargs)
        self._nearest = n_nearest
        self._classes = _constant(_one_hot(columns), np.float32)

    def call(self, values: Any) -> Any:
        """Shares of classes; see the class."""
        nearest = ops.top_k(-self.far(values), self._nearest)[1]
        return ops.mean(tf.gather(self._classes, nearest), axis=1)


class Kernel(_Points):
    """Kernel ridge regression on the classes: each training window votes, the nearer the more.

    Input: float32, shape (n_windows, n_values). Output: (n_windows, n_classes): what
    ``KernelRidge.predict`` says of 1 for a window's class and 0 for others, which least squares
    draw to the classes' probabilities, cut to 0 to 1 and, where they sum to more than 1, divided by
    the sum. ``ridge`` was fitted with the kernel ``rbf`` on ``points``, the training windows,
    scaled, (n_points, n_values).
    """

    def __init__(self, scaler: Any, points: FloatArray, ridge: Any, **kwargs: Any) -> None:
        super().__init__(scaler, points, **kwargs)
        self._fade = np.float32(-ridge.gamma)
        self._votes = _constant(ridge.dual_coef_, np.float32)

    def call(self, values: Any) -> Any:
        """Scores of classes; see the class."""
        votes = ops.matmul(ops.exp(self._fade * self.far(values)), self._votes)
        shares = ops.clip(votes, 0, 1)
        return shares / ops.maximum(ops.sum(shares, axis=1, keepdims=True), 1)


def _constant(values: Any, kind: Any) -> Any:
    return ops.convert_to_tensor(np.asarray(values).astype(kind))


def _one_hot(columns: Columns) -> NDArray[np.float64]:
    return np.eye(columns.max() + 1)[columns]


def _child(children: NDArray[np.int64], own: NDArray[np.int64]) -> NDArray[np.int64]:
    """Children as places among all trees' nodes, each leaf its own."""
    return np.where(children < 0, own, children + own[0])


def _below(limits: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 not above each limit: float32 values then compare as they do with it."""
    near = limits.astype(np.float32)
    lower = np.nextafter(near, np.float32(-np.inf), dtype=np.float32)
    return np.where(near > limits, lower, near).astype(np.float32)


def forest(settings: ForestSettings, values: FloatArray, columns: Columns, seed: int) -> Any:
    """Fit a random forest; classes count alike however many windows they have."""
    fitted = RandomForestClassifier(
        settings.n_trees,
        min_samples_leaf=settings.leaf_windows,
        class_weight="balanced",
        random_state=seed,
        n_jobs=-1,
    )
    return Forest(fitted.fit(values, columns), name="forest")


def neighbours(
    settings: NeighboursSettings, values: FloatArray, columns: Columns, seed: int
) -> Any:
    """Keep every window, or ask all where there are fewer; ``seed`` has nothing to decide."""
    scaler = StandardScaler(with_std=settings.scaled).fit(values)
    n_nearest = min(settings.n_neighbours, len(values))
    return Neighbours(scaler, _scaled(scaler, values), columns, n_nearest, name="neighbours")


def kernel(settings: KernelSettings, values: FloatArray, columns: Columns, seed: int) -> Any:
    """Give every window its votes; ``seed`` has nothing to decide."""
    scaler = StandardScaler().fit(values)
    scaled = _scaled(scaler, values)
    gamma = settings.sharpness / values.shape[1]
    ridge = KernelRidge(alpha=settings.penalty, kernel="rbf", gamma=gamma)
    return Kernel(scaler, scaled, ridge.fit(scaled, _one_hot(columns)), name="kernel")


def _scaled(scaler: Any, values: FloatArray) -> FloatArray:
    return np.asarray(scaler.transform(values), dtype=np.float32)


# Way of fitting by ``network.kind``: settings, values, columns, seed -> a layer.
ESTIMATORS: dict[str, Callable[..., Any]] = {
    "forest": forest,
    "neighbours": neighbours,
    "kernel": kernel,
}


def fit_estimator(
    settings: TrainSettings,
    front_end: FrontEndSettings,
    clips: ClipSet,
    *,
    validation: ClipSet | None = None,
    seed: int,
    progress: Progress | None = None,
) -> TrainedWindows:
    """Fit scikit-learn's model on the windows inside the clips, as they are.

    Background, where there is any, is a class of its own beside the labels, which are exclusive of
    each other or not as ``settings.classes`` says: a window's clip has one.
    """
    shape = WindowShape.of(front_end, of_kind(settings.network, WindowNetworkSettings))
    layer = window_front_end(front_end)
    values, columns = _windows(clips, layer, shape)
    estimator = ESTIMATORS[settings.network.kind](settings.network, values, columns, seed)
    features = keras.Input(values.shape[1:], name="features")
    shares = keras.Model(features, estimator(features))
    row = {"epoch": 1.0, **_judged(shares, (values, columns), "")}
    if validation is not None and validation.clips:
        row |= _judged(shares, _windows(validation, layer, shape), "val_")
    if progress is not None:
        progress(settings.fit.epochs, row)
    scores = keras.Model(features, shares.outputs[0][:, : len(clips.labels)])
    is_exclusive = settings.classes == "exclusive"
    return TrainedWindows(
        labels=clips.labels,
        front_end=front_end,
        network=scores,
        shape=shape,
        is_exclusive=is_exclusive,
        has_background=bool(clips.of(BACKGROUND)) or not is_exclusive,
        history=[row],
    )


def _windows(clips: ClipSet, layer: Any, shape: WindowShape) -> tuple[FloatArray, Columns]:
    """Values and class of every window inside the clips."""
    signature = [tf.TensorSpec((None, shape.window_samples), tf.float32)]
    graph = tf.function(layer, input_signature=signature)
    values: list[FloatArray] = []
    columns: list[int] = []
    for clip in clips.clips:
        windows = clip_windows(clip.samples, shape)
        parts = range(0, len(windows), BATCH)
        values += [graph(windows[at : at + BATCH]).numpy() for at in parts]
        column = len(clips.labels) if clip.label == BACKGROUND else clip.label
        columns += [column] * len(windows)
    return np.concatenate(values), np.array(columns)


def _judged(shares: Any, known: tuple[FloatArray, Columns], prefix: str) -> dict[str, float]:
    """Loss, and accuracy of validation, over windows."""
    values, columns = known
    scores = np.maximum(np.asarray(shares(values), dtype=np.float64), LEAST_SHARE)
    scores /= scores.sum(axis=1, keepdims=True)
    every = np.arange(scores.shape[1])
    row = {f"{prefix}loss": float(log_loss(columns, scores, labels=every))}
    if prefix:
        row[f"{prefix}accuracy"] = float(accuracy_score(columns, scores.argmax(axis=1)))
    return row


Model = Trained | TrainedWindows
# A way to fit, with the parameters of ``fit``, by ``network.kind``.
FITS: dict[str, Callable[..., Model]] = {
    "conv": conv.fit,
    **dict.fromkeys(WINDOW_NETWORKS, fit_windows),
    **dict.fromkeys(ESTIMATORS, fit_estimator),
}


def fit(
    settings: TrainSettings,
    front_end: FrontEndSettings,
    clips: ClipSet,
    *,
    validation: ClipSet | None = None,
    seed: int,
    progress: Progress | None = None,
) -> Model:
    """Train one model on the clips; the same seed and clips give the same model.

    Parameters
    ----------
    front_end : FrontEndSettings
        One of ``settings.models``.
    validation : ClipSet or None
        Clips of other sources, on which each epoch is judged; nothing is chosen by them.
    progress : callable or None
        Called with the number of every epoch that ends, and its figures.
    """
    way = FITS[settings.network.kind]
    return way(settings, front_end, clips, validation=validation, seed=seed, progress=progress)


def mean_of(settings: TrainSettings, models: Sequence[Model]) -> Model | None:
    """Models of one kind as one that says what they say on average; ``None`` where it has no mean.

    A mean of windows' models would take as many times the time to scan; it has none.
    """
    return None if settings.has_windows else conv.mean_of(models)
