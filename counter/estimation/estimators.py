"""Estimators of the true count: the model's count corrected by checks; call density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counter.bundle import logits
from counter.estimation.interval import Draws, Interval, total
from counter.estimation.sampling import cells
from counter.estimation.stretches import Floats, Ints

N_BINS = 4
_N_DRAWS = 4000


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


# An interval as wide as the estimate itself cannot tell a season from one with half the calls.
WIDEST_SHARE = 1.0


@dataclass(frozen=True)
class Population:
    """What is known of every stretch before any check; arrays of shape (n_stretches,)."""

    model_count: Floats  # events that the model found
    stratum: Ints  # stratum that it was drawn in, from 0


@dataclass(frozen=True)
class Checks:
    """The sample as filled in; arrays of shape (n_planned,)."""

    index: Ints  # which stretches of the season, each once
    inclusion: Floats  # probability with which each was to be drawn, above 0 to 1
    true_calls: Floats  # calls that a person counted, NaN where nobody did yet

    @property
    def is_filled(self) -> NDArray[np.bool_]:
        """Whether a person counted the calls of each."""
        return ~np.isnan(self.true_calls)


@dataclass(frozen=True)
class Estimate:
    """A corrected count.

    Attributes
    ----------
    n_stretches, n_checked : int
        Stretches it is about, and how many of them were checked.
    model_calls : float
        What the model counted in them.
    seen_calls : float
        Calls seen in the checked stretches.
    difference : Interval
        The difference estimator; this is the corrected count.
    horvitz_thompson : Interval
        From the checks alone.
    standard_error : float
        Of the difference estimator.
    """

    n_stretches: int
    n_checked: int
    model_calls: float
    seen_calls: float
    difference: Interval
    horvitz_thompson: Interval
    standard_error: float

    @property
    def share_verified(self) -> float:
        """Share of the stretches that were checked, 0 to 1."""
        return self.n_checked / self.n_stretches

    @property
    def correction(self) -> float | None:
        """Corrected over raw count; None where the model counted nothing."""
        return self.difference.value / self.model_calls if self.model_calls else None

    @property
    def is_too_wide(self) -> bool:
        """Whether the interval is wider than ``WIDEST_SHARE`` of the corrected count."""
        return self.difference.width > WIDEST_SHARE * max(self.difference.value, 0.0)

    @property
    def checks_to_halve(self) -> int:
        """Further checks, shared out as these were, that would about halve the interval.

        The variance goes with ``1 / n - 1 / N`` (n checks of N stretches), so a quarter of it
        needs ``1 / n' = 1 / (4 n) + 3 / (4 N)``. 0 where the interval has no width.
        """
        if not self.difference.width:
            return 0
        wanted = 4 / (1 / self.n_checked + 3 / self.n_stretches)
        return max(1, math.ceil(wanted) - self.n_checked)


def estimate_total(
    season: Population, checks: Checks, inside: NDArray[np.bool_] | None = None
) -> Estimate | None:
    """Estimate the calls of a season, or of a part of it.

    With ``f`` the calls and ``g`` the model's count of a stretch, and ``p`` the probability that
    it was to be checked, the sums on the right running over the checked ones:

    - difference: ``sum of all g + sum((f - g) / p)``, the control variate of DISCount (Perez, Maji
      and Sheldon, AAAI 2024, equation 5, there for draws with replacement);
    - Horvitz and Thompson (J. Am. Stat. Assoc. 47, 1952): ``sum(f / p)``.

    Both are unbiased whatever the model is worth; the better it is, the narrower is the first.
    For the intervals see ``interval.total``; none reaches below the calls that were seen.

    The checks stand in random order, so those filled in are taken as drawn by chance from those
    planned: with m of n filled in, ``p`` becomes ``p * m / n`` within each cell. Cells with fewer
    than two are put together with others that are alike in having, or not having, detections.

    Parameters
    ----------
    season : Population
        All stretches.
    checks : Checks
        What was planned and what was found.
    inside : array of bool, shape (n_stretches,), optional
        The part to estimate; all by default. Strata of which nothing was checked must be outside.

    Returns
    -------
    Estimate or None
        None where stretches with detections, or those without, are inside and none of them was
        checked: nothing can be said of the calls there.
    """
    everywhere = np.ones(len(season.model_count), bool)
    inside = everywhere if inside is None else inside
    is_filled = checks.is_filled
    index, found = checks.index[is_filled], season.model_count > 0
    wanted = set(found[inside])
    if not wanted or wanted - set(found[index][inside[index]]):
        return None
    draws = _draws(season, checks, inside)
    true_calls, model_count = checks.true_calls[is_filled], season.model_count[index]
    model_calls = float(season.model_count[inside].sum())
    seen = float(true_calls[inside[index]].sum())
    difference, error = total(draws, true_calls - model_count, model_calls)
    plain, _ = total(draws, true_calls, 0.0)
    return Estimate(
        n_stretches=int(inside.sum()),
        n_checked=int(inside[index].sum()),
        model_calls=model_calls,
        seen_calls=seen,
        difference=_above(difference, seen),
        horvitz_thompson=_above(plain, seen),
        standard_error=error,
    )


def checked_strata(season: Population, checks: Checks) -> NDArray[np.bool_]:
    """Whether each stretch belongs to a stratum of which anything was checked."""
    return np.isin(season.stratum, season.stratum[checks.index[checks.is_filled]])


def _above(interval: Interval, seen: float) -> Interval:
    low = max(interval.low, seen)
    return Interval(interval.value, min(low, interval.value), interval.high)


def _draws(season: Population, checks: Checks, inside: NDArray[np.bool_]) -> Draws:
    is_filled = checks.is_filled
    cell = cells(season.model_count, season.stratum)[checks.index]
    present = np.isin(season.stratum[checks.index], season.stratum[checks.index][is_filled])
    group = _groups(cell, is_filled & present, present)
    share = np.ones(len(cell))
    for one in np.unique(group[is_filled]):
        of_it = present & (group == one)
        share[of_it] = is_filled[of_it].mean()
    index = checks.index[is_filled]
    return Draws(
        inclusion=(checks.inclusion * share)[is_filled],
        group=group[is_filled],
        is_found=season.model_count[index] > 0,
        is_inside=inside[index],
    )


def _groups(cell: Ints, is_filled: NDArray[np.bool_], present: NDArray[np.bool_]) -> Ints:
    """Cells, those with fewer than two checks put together (collapsed strata, Cochran 5A.12)."""
    group = cell.copy()
    for parity in (0, 1):
        names = np.unique(cell[present & (cell % 2 == parity)])
        sizes = np.array([int(is_filled[cell == one].sum()) for one in names], np.int64)
        lone = list(names[sizes < 2])
        if lone and sizes[sizes < 2].sum() < 2 and len(lone) < len(names):
            lone.append(names[sizes >= 2][np.argmin(sizes[sizes >= 2])])
        for one in lone:
            group[cell == one] = lone[0]
    return group


def strata_without_checks(season: Population, checks: Checks, names: Sequence[str]) -> list[str]:
    """Names of the strata of which nothing was checked, in order."""
    missing = np.unique(season.stratum[~checked_strata(season, checks)])
    return [names[code] for code in missing]
