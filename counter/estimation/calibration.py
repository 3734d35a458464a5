"""From scores to probabilities: fits on verified events, and how well they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from counter.bundle import Calibration, logits
from counter.errors import CallcountError
from counter.estimation.estimators import Checks
from counter.estimation.stretches import Floats, Ints, Stretches, stretch_of
from counter.tables.results import Results

# Below this an isotonic fit follows chance (Niculescu-Mizil and Caruana, ICML 2005).
ENOUGH_FOR_ISOTONIC = 1000
N_BINS = 10
N_FOLDS = 5
_MAX_STEPS = 100


@dataclass(frozen=True)
class Reliability:
    """How well probabilities agree with what was found."""

    # mean squared difference of probability and outcome (Brier 1950), 0 to 1; 0 is best
    brier: float
    # expected calibration error (Naeini, Cooper and Hauskrecht, AAAI 2015): mean absolute
    # difference of mean probability and share of calls a bin, weighed by its events
    error: float
    # of each bin of equal width that holds an event, in order; the weights add up to 1
    mean_probability: tuple[float, ...]
    share_of_calls: tuple[float, ...]
    weight: tuple[float, ...]


@dataclass(frozen=True)
class Verified:
    """Events of which it is known whether they are calls; arrays of shape (n_events,)."""

    score: Floats  # 0 to 1
    is_call: NDArray[np.bool_]  # what each was found to be
    weight: Floats  # how many events each stands for, > 0
    # events of one group, as those of one recording, are never fitted and tested on at once
    group: Ints


def fit(events: Verified) -> Calibration:
    """Isotonic from ``ENOUGH_FOR_ISOTONIC`` events on, else Platt.

    Raises
    ------
    CallcountError
        There are no calls, or no false alarms, among the events.
    """
    is_call = events.is_call
    if is_call.all() or not is_call.any():
        kind = "a call" if len(is_call) and is_call.all() else "a false alarm"
        raise CallcountError(
            f"scores cannot be calibrated: each of the {len(is_call)} verified events is {kind}.",
            "Check more events, so that both kinds are among them.",
        )
    return _fit(events.score, is_call, events.weight)


def _fit(scores: Floats, is_call: NDArray[np.bool_], weights: Floats) -> Calibration:
    chosen = fit_isotonic if len(scores) >= ENOUGH_FOR_ISOTONIC else fit_platt
    return chosen(scores, is_call, weights)


def cross_fitted(events: Verified) -> Floats:
    """Probability of each event, two at least, by a fit that its group was left out of.

    The groups are dealt into ``N_FOLDS`` folds; where there is one group alone, the events are.
    """
    _, group = np.unique(events.group, return_inverse=True)
    fold = (group if group.max() > 0 else np.arange(len(group))) % N_FOLDS
    probabilities = np.zeros(len(group))
    for one in np.unique(fold):
        out = fold == one
        fitted = _fit(events.score[~out], events.is_call[~out], events.weight[~out])
        probabilities[out] = fitted.probability(events.score[out])
    return probabilities


def fit_platt(scores: Floats, is_call: NDArray[np.bool_], weights: Floats) -> Calibration:
    """Logistic curve over the logit of the score (Platt 1999), by Newton's method.

    The targets are ``(N+ + 1) / (N+ + 2)`` and ``1 / (N- + 2)`` instead of 1 and 0, as Platt's, so
    that separable events give finite slopes; weights are scaled to a mean of 1. A slope below 0
    would call low scores the better ones and is set to 0. Arrays as of ``Verified``.
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

    Each pooled block is flat from its lowest to its highest score. Arrays as of ``Verified``.
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


def _calibration(
    method: Literal["platt", "isotonic"], scores: Floats, probabilities: Floats
) -> Calibration:
    return Calibration(
        method=method,
        scores=tuple(map(float, scores)),
        probabilities=tuple(map(float, probabilities)),
    )


def reliability(probabilities: Floats, is_call: NDArray[np.bool_], weights: Floats) -> Reliability:
    """Compare probabilities with outcomes in ``N_BINS`` bins of equal width.

    Of each of the events, one at least: its probability, what it was found to be, and how many
    events it stands for.
    """
    w = weights / weights.sum()
    place = np.minimum((probabilities * N_BINS).astype(np.int64), N_BINS - 1)
    total, mean, share = (
        np.asarray(np.bincount(place, weights=each, minlength=N_BINS), np.float64)
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


@dataclass(frozen=True)
class Calibrated:
    """Probabilities of one label."""

    calibration: Calibration  # fitted on all verified events
    tested: Reliability  # of events left out of the fit
    # how many were verified, and were calls
    n_events: int
    n_calls: int

    def provenance(self, verified_by: str) -> dict[str, Any]:
        """Provenance; ``verified_by`` says where it is known from what is a call."""
        return {
            "method": self.calibration.method,
            "verified_by": verified_by,
            "events": self.n_events,
            "calls": self.n_calls,
            "brier": self.tested.brier,
            "expected_calibration_error": self.tested.error,
        }

    def text(self, label: str) -> str:
        """One line for the terminal."""
        return (
            f"Calibrated ({self.calibration.method}) on {self.n_events} verified events, "
            f"{self.n_calls} of them calls ({label}); on events left out of the fit: Brier score "
            f"{self.tested.brier:.3f}, calibration error {self.tested.error:.3f}"
        )


def calibrate(events: Verified) -> Calibrated:
    """Fit probabilities, and test them on events left out of the fit.

    Raises
    ------
    CallcountError
        The events are all calls or all not.
    """
    fitted = fit(events)
    tested = reliability(cross_fitted(events), events.is_call, events.weight)
    return Calibrated(fitted, tested, len(events.score), int(events.is_call.sum()))


def calibrate_each(
    events: Mapping[str, Verified],
) -> tuple[dict[str, Calibrated], dict[str, CallcountError]]:
    """Fit probabilities of each label; and why there are none, where there are none."""
    found: dict[str, Calibrated] = {}
    refused: dict[str, CallcountError] = {}
    for label, own in events.items():
        try:
            found[label] = calibrate(own)
        except CallcountError as error:
            refused[label] = error
    return found, refused


def checked_events(results: Results, label: str, stretches: Stretches, checks: Checks) -> Verified:
    """The events of checked stretches.

    A person counted calls, not events: where fewer were counted than the model found, the ones
    of highest score are taken as the calls.
    """
    first = {name: place for place, name in reversed(list(enumerate(stretches.recording)))}
    number = {one.name: place for place, one in enumerate(results.recordings)}
    held: dict[str, dict[int, list[float]]] = {}
    rows: list[tuple[float, bool, float, int]] = []
    filled = checks.is_filled
    columns = (checks.index[filled], checks.inclusion[filled], checks.true_calls[filled])
    for place, chance, calls in zip(*columns, strict=True):
        name = stretches.recording[place]
        if name not in held:
            held[name] = _scores(results, number[name], label, _edges_s(stretches, first[name]))
        scores = sorted(held[name].get(int(place) - first[name], ()), reverse=True)
        rows += [
            (score, rank < calls, 1 / chance, number[name]) for rank, score in enumerate(scores)
        ]
    score, is_call, weight, group = np.array(rows, np.float64).reshape(-1, 4).T
    return Verified(score, is_call > 0, weight, group.astype(np.int64))


def _edges_s(stretches: Stretches, first: int) -> Floats:
    """Edges of the stretches of the recording whose first one is at a place."""
    n = stretches.recording.count(stretches.recording[first])
    return np.append(stretches.start_s[first : first + n], stretches.end_s[first + n - 1])


def _scores(results: Results, number: int, label: str, edges_s: Floats) -> dict[int, list[float]]:
    """Scores of the events of one label in each stretch of a recording."""
    found: dict[int, list[float]] = {}
    for event in results.events_of(number):
        if event.label == label:
            found.setdefault(stretch_of(event, edges_s), []).append(event.score)
    return found
