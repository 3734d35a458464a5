"""Sounds cut into the windows that a model with windows scores."""

from __future__ import annotations

import numpy as np

from counter.detector import windows_in
from counter.records import FloatArray
from training.netkinds import WindowShape


def frame_windows(samples: FloatArray, shape: WindowShape) -> FloatArray:
    """The window around each frame of a sound, (n_frames, window_samples), mirrored at its ends."""
    n_frames = max(1, -(-len(samples) // shape.hop_samples))
    behind = n_frames * shape.hop_samples - len(samples) + shape.context_samples
    padded = np.pad(samples, (shape.context_samples, behind), mode="symmetric")
    return windows_in(padded, shape.window_samples, shape.hop_samples)


def clip_windows(samples: FloatArray, shape: WindowShape) -> FloatArray:
    """Windows inside a clip, the last at its end, (n_windows, window_samples).

    One at least: a shorter clip stands in its middle, mirrored at its ends.
    """
    missing = shape.window_samples - len(samples)
    if missing > 0:
        samples = np.pad(samples, (missing // 2, missing - missing // 2), mode="symmetric")
    inside = windows_in(samples, shape.window_samples, shape.hop_samples)
    if (len(samples) - shape.window_samples) % shape.hop_samples:
        inside = np.concatenate([inside, samples[None, -shape.window_samples :]])
    return inside
