"""Forests and neighbours as graphs: what scikit-learn says, and nothing pickled."""

import numpy as np
import pytest

from counter.config import validate
from counter.errors import ConfigError
from training.fit.fit_by_kind import Forest, forest, kernel, neighbours
from training.settings.network_settings import (
    ForestSettings,
    KernelSettings,
    NeighboursSettings,
)
from training.settings.train_settings import TrainSettings

N_VALUES, N_CLASSES = 7, 4


def labelled(n, seed=0):
    """Values of classes that overlap, in units of very different size."""
    rng = np.random.default_rng(seed)
    columns = np.arange(n) % N_CLASSES
    values = rng.normal(size=(n, N_VALUES)) + np.eye(N_CLASSES, N_VALUES)[columns] * 1.5
    return (values * 10.0 ** np.arange(-3, 4)).astype(np.float32), columns


@pytest.mark.parametrize("leaf_windows", [1, 5])
def test_a_forest_is_that_of_scikit_learn(leaf_windows):
    from sklearn.ensemble import RandomForestClassifier

    settings = ForestSettings(kind="forest", n_trees=25, leaf_windows=leaf_windows)
    values, columns = labelled(200)
    layer = forest(settings, values, columns, 3)
    reference = RandomForestClassifier(
        25, min_samples_leaf=leaf_windows, class_weight="balanced", random_state=3
    ).fit(values, columns)
    unseen, _ = labelled(300, seed=1)
    np.testing.assert_allclose(layer(unseen), reference.predict_proba(unseen), atol=1e-6)


def test_a_value_at_a_limit_goes_the_way_of_scikit_learn():
    from sklearn.ensemble import RandomForestClassifier

    values, columns = labelled(60)
    reference = RandomForestClassifier(10, random_state=0).fit(values, columns)
    limits = np.concatenate([tree.tree_.threshold for tree in reference.estimators_])
    near = np.concatenate([np.nextafter(np.float32(limits), np.float32(x)) for x in (-9e9, 9e9)])
    asked = np.concatenate([limits.astype(np.float32), near])
    grid = np.repeat(asked[:, None], N_VALUES, axis=1)
    np.testing.assert_allclose(Forest(reference)(grid), reference.predict_proba(grid), atol=1e-6)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("n_neighbours", [1, 5, 500])
def test_neighbours_are_those_of_scikit_learn(n_neighbours, scaled):
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    values, columns = labelled(200)
    unseen, _ = labelled(300, seed=1)
    if not scaled:
        values, unseen = np.log10(np.abs(values)), np.log10(np.abs(unseen))
    settings = NeighboursSettings(kind="neighbours", n_neighbours=n_neighbours, scaled=scaled)
    layer = neighbours(settings, values, columns, 0)
    reference = KNeighborsClassifier(min(n_neighbours, len(values)))
    if scaled:
        reference = make_pipeline(StandardScaler(), reference)
    reference.fit(values, columns)
    np.testing.assert_allclose(layer(unseen), reference.predict_proba(unseen), atol=1e-6)


def test_a_kernel_is_the_ridge_of_scikit_learn_as_scores():
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.preprocessing import StandardScaler

    settings = KernelSettings(kind="kernel", sharpness=2.0, penalty=0.05)
    values, columns = labelled(200)
    layer = kernel(settings, values, columns, 0)
    scaler = StandardScaler().fit(values)
    reference = KernelRidge(alpha=0.05, kernel="rbf", gamma=2.0 / N_VALUES)
    reference.fit(scaler.transform(values), np.eye(N_CLASSES)[columns])
    unseen, _ = labelled(300, seed=1)
    said = np.clip(reference.predict(scaler.transform(unseen)), 0, 1)
    said /= np.maximum(said.sum(axis=1, keepdims=True), 1)
    np.testing.assert_allclose(layer(unseen), said, atol=1e-3)
    assert np.asarray(layer(unseen)).sum(axis=1).max() <= 1 + 1e-6


def test_what_is_fitted_at_once_has_windows_as_they_are():
    front_end = {"kind": "mfcc", "mean": True}
    data = {"models": {"mfcc": front_end}, "network": {"kind": "forest"}}
    assert validate(TrainSettings, data, "forest").network.kind == "forest"
    with pytest.raises(ConfigError, match="trained in steps; 'forest' takes windows as they stand"):
        validate(TrainSettings, {**data, "augment": {"mix_share": 0.5}}, "forest")
