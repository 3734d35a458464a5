"""What microphones, distance and echo do to a sound, drawn at random and done to its features."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from training.frontends import UNIT_DB

# Bands that run together where tones do, as a share of all.
SMEARED_BANDS = 0.1


def equalised(x: Any, seed: Any, most_db: float) -> Any:
    """Features raised and lowered by a smooth random curve over the bands: a tilt and a wave.

    Parameters
    ----------
    x : tensor, shape (n_windows, n_frames, n_bands)
        In the features' unit.
    seed : tensor of int32, shape (2,)
        The same seed draws the same curves.
    most_db : float
        Most that a band is raised or lowered.
    """
    draws = tf.unstack(tf.random.stateless_uniform([4, tf.shape(x)[0], 1], seed, -1.0, 1.0))
    place = tf.linspace(-1.0, 1.0, x.shape[2])
    curve = draws[0] * place + draws[1] * tf.sin(np.pi * (place * (1.5 + draws[2]) + draws[3]))
    return x + (curve * most_db / 2 / UNIT_DB)[:, None, :]


def smeared(x: Any, seed: Any, share: float) -> Any:
    """Features of some windows with neighbouring bands run together, more or less.

    So do the tones of a call in echo, and where several birds sing almost the same; a network that
    meets calls with clear tones alone takes such ones for noise.

    Parameters
    ----------
    x : tensor, shape (n_windows, n_frames, n_bands)
    seed : tensor of int32, shape (2,)
        The same seed draws the same windows.
    share : float
        Of windows; 0 leaves all as they are.
    """
    degree, chosen = tf.unstack(tf.random.stateless_uniform([2, tf.shape(x)[0], 1, 1], seed))
    width = max(1, round(SMEARED_BANDS * x.shape[2]))
    together = tf.nn.avg_pool2d(x[..., None], (1, width), 1, "SAME")[..., 0]
    return x + degree * tf.cast(chosen < share, x.dtype) * (together - x)
