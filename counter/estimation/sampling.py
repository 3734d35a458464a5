"""Which stretches a person should check: chosen by chance, with known probabilities.

Every stretch belongs to a *cell*: its stratum, and whether the model found a call in it. Half of
the checks go to the stretches without any detection. That is the floor without which a missed
call could never be seen; and half is safe: with variances A / n1 and B / n0 of the two halves, an
even split is never more than sqrt(2) times as wide as the best split for the A and B that nobody
knows before checking. Within a cell, stretches with detections are drawn in proportion to their
model count (importance sampling, as in DISCount: Perez, Maji and Sheldon, AAAI 2024), the others
with equal chances; without replacement, since nobody wants to hear one stretch twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from counter.errors import CallcountError
from counter.estimation.stretches import Floats, Ints

UNDETECTED_SHARE = 0.5


@dataclass(frozen=True)
class Sample:
    """Stretches to check, in random order, so that the first few are a fair sample as well."""

    index: Ints  # shape (n_checks,): which stretches of the season, each once
    # shape (n_checks,): probability with which each was to be among them, above 0 to 1
    inclusion: Floats


def cells(model_count: Floats, stratum: Ints) -> Ints:
    """Cell of each stretch: twice its stratum's number, plus 1 where the model found a call."""
    return 2 * stratum + (model_count > 0)


def draw_sample(model_count: Floats, stratum: Ints, n_checks: int, *, seed: int) -> Sample:
    """Draw stretches by randomised systematic sampling within cells.

    The order within a cell is shuffled, then every unit step along the summed inclusion
    probabilities takes the stretch it falls on (Hartley and Rao, Ann. Math. Stat. 33, 1962): the
    size of the sample is fixed and the probabilities are exact.

    Parameters
    ----------
    model_count : array of float, shape (n_stretches,)
        Events that the model found in each, 0 or more.
    stratum : array of int, shape (n_stretches,)
        Stratum of each, from 0.
    n_checks : int
        How many to draw, at least 1; all are drawn where there are no more.
    seed : int
        Equal seeds draw equal samples.

    Raises
    ------
    CallcountError
        There is no stretch, or there are more cells than checks.
    """
    rng = np.random.default_rng(seed)
    cell = cells(model_count, stratum)
    sizes = np.where(model_count > 0, model_count, 1.0)
    inclusion = np.zeros(len(cell))
    chosen: list[Ints] = [np.zeros(0, np.int64)]
    for one, n_drawn in allocate(cell, sizes, n_checks).items():
        members = np.flatnonzero(cell == one)
        inclusion[members] = inclusion_probabilities(sizes[members], n_drawn)
        chosen.append(members[_systematic(inclusion[members], n_drawn, rng)])
    index = rng.permutation(np.concatenate(chosen))
    return Sample(index, inclusion[index])


def allocate(cell: Ints, sizes: Floats, n_checks: int) -> dict[int, int]:
    """Checks for each cell.

    Half to the cells without detections, more where the others hold too few stretches. Within
    each half at least 2 a cell where they suffice (for a variance), else 1; the rest by Webster's
    method in proportion to the sizes.

    Parameters
    ----------
    cell : array of int, shape (n_stretches,)
        Cell of each stretch; an odd number says that the model found a call.
    sizes : array of float, shape (n_stretches,)
        What a stretch counts for within its half, > 0.
    n_checks : int
        How many in all.

    Raises
    ------
    CallcountError
        There is no stretch, or there are more cells than checks.
    """
    if not len(cell):
        raise CallcountError("there is nothing to check: no recording was scanned.")
    names, members = np.unique(cell, return_counts=True)
    if n_checks < len(names):
        raise CallcountError(
            f"{n_checks} checks are too few for {len(names)} cells (each stratum with and "
            "without detections).",
            f"Take -n {2 * len(names)} or more, or fewer strata with --by.",
        )
    weights = np.bincount(np.searchsorted(names, cell), weights=sizes)
    is_found = names % 2 == 1
    n_found, n_other = _halves(members, is_found, min(n_checks, len(cell)))
    counts = np.zeros(len(names), np.int64)
    counts[is_found] = _apportion(n_found, weights[is_found], members[is_found])
    counts[~is_found] = _apportion(n_other, weights[~is_found], members[~is_found])
    return {int(name): int(count) for name, count in zip(names, counts, strict=True)}


def _halves(members: Ints, is_found: NDArray[np.bool_], n_checks: int) -> tuple[int, int]:
    most, cells_of = (
        [int(of[is_found].sum()), int(of[~is_found].sum())] for of in (members, members > 0)
    )
    n_other = round(UNDETECTED_SHARE * n_checks)
    n_other = min(max(n_other, cells_of[1]), n_checks - cells_of[0], most[1])
    n_found = min(n_checks - n_other, most[0])
    return n_found, n_checks - n_found


def _apportion(n: int, weights: Floats, most: Ints) -> Ints:
    least = 2 if n >= np.minimum(most, 2).sum() else 1
    counts = np.minimum(most, least)
    while counts.sum() < n:
        claims = np.where(counts < most, weights / (counts + 0.5), -1.0)
        counts[np.argmax(claims)] += 1
    return counts


def inclusion_probabilities(sizes: Floats, n_drawn: int) -> Floats:
    """Probabilities in proportion to size that add up to ``n_drawn``, none above 1.

    Parameters
    ----------
    sizes : array of float, shape (n,)
        > 0.
    n_drawn : int
        0 to n. What would come out above 1 is certain, and the rest is shared again
        (Sarndal, Swensson and Wretman, Model Assisted Survey Sampling, 1992, section 3.6).
    """
    inclusion = np.zeros(len(sizes))
    is_open = np.ones(len(sizes), bool)
    while (n_left := n_drawn - int((~is_open).sum())) > 0 and is_open.any():
        share = n_left * sizes / sizes[is_open].sum()
        is_certain = is_open & (share >= 1 - 1e-9)
        if not is_certain.any():
            inclusion[is_open] = share[is_open]
            break
        inclusion[is_certain] = 1.0
        is_open &= ~is_certain
    return inclusion


def _systematic(inclusion: Floats, n_drawn: int, rng: np.random.Generator) -> Ints:
    order = rng.permutation(len(inclusion))
    ends = np.cumsum(inclusion[order])
    # Each start + k falls into one stretch; the last end is n_drawn but for rounding.
    places = np.searchsorted(ends, rng.random() + np.arange(n_drawn), side="right")
    return order[np.minimum(places, len(order) - 1)]
