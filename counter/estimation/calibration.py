"""From scores to probabilities: fits on verified events, and how well they hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counter.errors import CallcountError
from counter.estimation.density import logits
from counter.estimation.units import Floats, Ints

# Below this an isotonic fit follows chance (Niculescu-Mizil and Caruana, ICML 2005).
ENOUGH_FOR_ISOTONIC = 1000
N_BINS = 10
N_FOLDS = 5
_MAX_STEPS = 100


@dataclass(frozen=True)
class Calibration:
    """P(event is a call | score), as straight lines between knots over the logit of the score.

    Attributes
    ----------
    method : str
        ``platt`` or ``isotonic``.
    scores, probabilities : tuple of float
        Knots, both rising, 0 to 1; beyond the first and last a probability stays as it is there.
    """

    method: str
    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def probability(self, scores: Floats) -> Floats:
        """Probabilities of scores, both 0 to 1; never falling as the score rises."""
        knots = np.asarray(self.scores, np.float64)
        return np.interp(logits(scores), logits(knots), self.probabilities)


@dataclass(frozen=True)
class Reliability:
    """How well probabilities agree with what was found.

    Attributes
    ----------
    brier : float
        Mean squared difference of probability and outcome (Brier 1950), 0 to 1; 0 is best.
    error : float
        Expected calibration error (Naeini, Cooper and Hauskrecht, AAAI 2015): mean absolute
        difference of mean probability and share of calls a bin, weighed by its events.
    mean_probability, share_of_calls, weight : tuple of float
        Of each bin of equal width that holds an event, in order; the weights add up to 1.
    """

    brier: float
    error: float
    mean_probability: tuple[float, ...]
    share_of_calls: tuple[float, ...]
    weight: tuple[float, ...]


def fit(scores: Floats, is_call: NDArray[np.bool_], weights: Floats | None = None) -> Calibration:
    """Isotonic from ``ENOUGH_FOR_ISOTONIC`` events on, else Platt.

    Parameters
    ----------
    scores : array of float, shape (n_events,)
        0 to 1.
    is_call : array of bool, shape (n_events,)
        What each event was found to be.
    weights : array of float, shape (n_events,), optional
        How many events each stands for, > 0; 1 by default.

    Raises
    ------
    CallcountError
        There are no calls, or no false alarms, among the events.
    """
    if is_call.all() or not is_call.any():
        kind = "a call" if len(is_call) and is_call.all() else "a false alarm"
        raise CallcountError(
            f"scores cannot be calibrated: each of the {len(is_call)} verified events is {kind}.",
            "Check more events, so that both kinds are among them.",
        )
    weights = np.ones(len(scores)) if weights is None else weights
    return _fit(scores, is_call, weights)


def _fit(scores: Floats, is_call: NDArray[np.bool_], weights: Floats) -> Calibration:
    chosen = fit_isotonic if len(scores) >= ENOUGH_FOR_ISOTONIC else fit_platt
    return chosen(scores, is_call, weights)


def cross_fitted(
    scores: Floats, is_call: NDArray[np.bool_], weights: Floats, group: Ints
) -> Floats:
    """Probability of each event by a fit that its group, as its recording, was left out of.

    The groups are dealt into ``N_FOLDS`` folds; where there is one group alone, the events are.

    Parameters
    ----------
    scores, is_call, weights : arrays, shape (n_events,)
        As for ``fit``; at least two events.
    group : array of int, shape (n_events,)
        Events of one group are left out together.
    """
    _, group = np.unique(group, return_inverse=True)
    fold = (group if group.max() > 0 else np.arange(len(scores))) % N_FOLDS
    probabilities = np.zeros(len(scores))
    for one in np.unique(fold):
        out = fold == one
        fitted = _fit(scores[~out], is_call[~out], weights[~out])
        probabilities[out] = fitted.probability(scores[out])
    return probabilities


def fit_platt(scores: Floats, is_call: NDArray[np.bool_], weights: Floats) -> Calibration:
    """Logistic curve over the logit of the score (Platt 1999), by Newton's method.

    The targets are ``(N+ + 1) / (N+ + 2)`` and ``1 / (N- + 2)`` instead of 1 and 0, as Platt's, so
    that separable events give finite slopes; weights are scaled to a mean of 1. A slope below 0
    would call low scores the better ones and is set to 0. Parameters as for ``fit``.
    """
    x, w = logits(scores), weights / weights.mean()
    calls, others = w[is_call].sum(), w[~is_call].sum()
    target = np.where(is_call, (calls + 1) / (calls + 2), 1 / (others + 2))
    design = np.stack([x, np.ones_like(x)])
    line = np.array([0.0, np.log((calls + 1) / (others + 1))])
    for _ in range(_MAX_STEPS):
        p = _sigmoid(line @ design)
        hessian = (design * (w * p * (1 - p))) @ design.T + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, design @ (w * (p - target)))
        line = _improved(line, step, (design, target, w))
        if np.abs(step).max() < 1e-9:
            break
    slope, intercept = line
    if slope < 0:
        slope, intercept = 0.0, np.log((w * target).sum() / (w * (1 - target)).sum())
    knots = np.concatenate([[0.0], _sigmoid(np.linspace(-10, 10, 81)), [1.0]])
    return _calibration("platt", knots, _sigmoid(slope * logits(knots) + intercept))


def _improved(line: Floats, step: Floats, data: tuple[Floats, Floats, Floats]) -> Floats:
    """The line after a Newton step, halved until the loss does not rise."""
    design, target, w = data

    def loss(at: Floats) -> float:
        z = at @ design
        return float((w * (np.logaddexp(0, z) - target * z)).sum())

    before = loss(line)
    for _ in range(30):
        if loss(line - step) <= before:
            return line - step
        step = step / 2
    return line


def fit_isotonic(scores: Floats, is_call: NDArray[np.bool_], weights: Floats) -> Calibration:
    """Rising steps of least squared error, by pooling adjacent violators (Ayer et al. 1955).

    Each pooled block is flat from its lowest to its highest score. Parameters as for ``fit``.
    """
    levels, place = np.unique(scores, return_inverse=True)
    weight = np.bincount(place, weights=weights)
    mean = np.bincount(place, weights=weights * is_call) / weight
    blocks: list[list[float]] = []  # mean, weight, first and last score
    for value, w, score in zip(mean, weight, levels, strict=True):
        blocks.append([float(value), float(w), float(score), float(score)])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            above, below = blocks.pop(), blocks.pop()
            w_both = below[1] + above[1]
            value_both = (below[0] * below[1] + above[0] * above[1]) / w_both
            blocks.append([value_both, w_both, below[2], above[3]])
    knots = [(edge, one[0]) for one in blocks for edge in dict.fromkeys((one[2], one[3]))]
    return _calibration("isotonic", *np.array(knots).T)


def _calibration(method: str, scores: Floats, probabilities: Floats) -> Calibration:
    return Calibration(method, tuple(map(float, scores)), tuple(map(float, probabilities)))


def reliability(
    probabilities: Floats, is_call: NDArray[np.bool_], weights: Floats | None = None
) -> Reliability:
    """Compare probabilities with outcomes in ``N_BINS`` bins of equal width.

    Parameters
    ----------
    probabilities : array of float, shape (n_events,)
        0 to 1; at least one.
    is_call : array of bool, shape (n_events,)
        What each event was found to be.
    weights : array of float, shape (n_events,), optional
        How many events each stands for, > 0; 1 by default.
    """
    weights = np.ones(len(probabilities)) if weights is None else weights
    w = weights / weights.sum()
    place = np.minimum((probabilities * N_BINS).astype(np.int64), N_BINS - 1)
    total, mean, share = (
        np.bincount(place, weights=each, minlength=N_BINS)
        for each in (w, w * probabilities, w * is_call)
    )
    held = total > 0
    total, mean, share = total[held], mean[held] / total[held], share[held] / total[held]
    return Reliability(
        brier=float((w * (probabilities - is_call) ** 2).sum()),
        error=float((total * np.abs(mean - share)).sum()),
        mean_probability=tuple(map(float, mean)),
        share_of_calls=tuple(map(float, share)),
        weight=tuple(map(float, total)),
    )


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(x / 2))
