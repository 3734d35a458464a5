"""Call density without a threshold, from the scores of windows and a few that were checked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from counter.estimation.interval import Interval
from counter.estimation.units import Floats, Ints

N_BINS = 4
_N_DRAWS = 4000
_LEAST = 1e-9


def logits(scores: Floats) -> Floats:
    """``log(s / (1 - s))`` of scores 0 to 1; the ends are finite (about 20.7)."""
    inner = np.clip(scores, _LEAST, 1 - _LEAST)
    return np.log(inner) - np.log1p(-inner)


def score_bins(scores: Floats, n_bins: int = N_BINS) -> Ints:
    """Bin of each window, from 0: the lower half of the logits, half of the rest, and so on.

    Equal scores share a bin, so there may be fewer than ``n_bins``; empty gives empty.
    """
    values = logits(scores)
    shares = 1 - 0.5 ** np.arange(1, n_bins)
    edges = np.quantile(values, shares, method="inverted_cdf") if len(values) else shares
    return np.searchsorted(np.unique(edges), values, side="left").astype(np.int64)


def call_density(
    scores: Floats, index: Ints, has_call: NDArray[np.bool_], weights: Floats
) -> Interval | None:
    """Share of windows that hold a call, after Navine, Denton, Weldy and Hart (2024).

    ``P(call) = sum over bins of P(call | bin) P(bin)`` (Front. Bird Sci. 3:1380636): bins are cut
    by the logit of the score, ``P(bin)`` is known, ``P(call | bin)`` is the share validated in the
    bin. No threshold enters. As there, each bin's share is a beta variable of what was validated
    (here with Jeffreys' prior) and the interval is that of the sum, drawn at random with a fixed
    seed. Unequal chances of being checked are weighed out, and a bin counts for
    ``(sum w)^2 / sum w^2`` checks (Kish, Survey Sampling, 1965). Bins without any check are put
    together with the next lower one that has some, or else the next higher.

    Parameters
    ----------
    scores : array of float, shape (n_windows,)
        Highest score of each window, 0 to 1.
    index : array of int, shape (n_checked,)
        Which windows were checked.
    has_call : array of bool, shape (n_checked,)
        Whether a person found a call in each.
    weights : array of float, shape (n_checked,)
        One over the probability of being checked, > 0.

    Returns
    -------
    Interval or None
        Share of windows, 0 to 1; None where nothing was checked.
    """
    if not len(index):
        return None
    bins = score_bins(scores)
    checked = np.unique(bins[index])
    group = np.maximum(np.searchsorted(checked, bins, side="right") - 1, 0)
    share, size, effective = np.zeros((3, len(checked)))
    for one in range(len(checked)):
        of_it = group[index] == one
        w = weights[of_it]
        share[one] = (w * has_call[of_it]).sum() / w.sum()
        size[one] = (group == one).mean()
        effective[one] = w.sum() ** 2 / (w * w).sum()
    rng = np.random.default_rng(0)
    hits, misses = share * effective + 0.5, (1 - share) * effective + 0.5
    drawn = rng.beta(hits, misses, (_N_DRAWS, len(checked))) @ size
    value = float(share @ size)
    low, high = np.quantile(drawn, (0.025, 0.975))
    return Interval(value, min(float(low), value), max(float(high), value))
