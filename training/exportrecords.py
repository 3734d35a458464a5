"""What is asked of an export, and what is made of a bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from counter.bundle import Bundle
from counter.records import FloatArray
from training.litertrun import Score

# Largest difference of a score that comes of reckoning in another order.
ROUNDING = 1e-3


@dataclass(frozen=True)
class Request:
    """What is asked of an export beside its target.

    Attributes
    ----------
    window_s : float or None
        Length of the clips that a phone's model takes, seconds; ``None`` for the training's.
    labels : tuple of str or None
        What the user takes the labels to be, in order; ``None`` where nothing was said.
    sounds : tuple of array of float32, shape (n_samples,)
        Sounds at the bundle's rate to prove parity on, beside the made ones.
    """

    window_s: float | None = None
    labels: tuple[str, ...] | None = None
    sounds: tuple[FloatArray, ...] = ()


@dataclass(frozen=True)
class Made:
    """What a target makes of a bundle.

    Attributes
    ----------
    files : mapping from path in the folder to content
    score, reference : Score
        What was made and what it was made from, on a sound; their results have one shape.
    source : str
        The bundle's file that it was made from.
    tolerance : float
        Largest difference of a score that is allowed.
    facts : mapping
        What else is to be known of it.
    """

    files: Mapping[str, bytes]
    score: Score
    reference: Score
    source: str
    tolerance: float
    facts: Mapping[str, Any] = field(default_factory=dict)


Maker = Callable[[Bundle, Request], Made]
