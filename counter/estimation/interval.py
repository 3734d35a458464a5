"""The interval of an estimated total whose errors may be few and skewed.

A normal interval fails here: where none of 50 checks met a missed call its width says that there
is none. So the estimate is taken apart into sums of counts that are 0 or more (calls missed where
the model found nothing, calls missed beside detections, false alarms), each sum gets the limits
of a weighted Poisson count, and the limits are put together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from counter.estimation.stretches import Floats, Ints

Z = 1.959963984540054  # two-sided 95 %


@dataclass(frozen=True)
class Interval:
    """An estimate and its 95 % interval, in calls (or what else is counted).

    Attributes
    ----------
    value, low, high : float
        ``low <= value <= high``.
    """

    value: float
    low: float
    high: float

    @property
    def width(self) -> float:
        """``high - low``."""
        return self.high - self.low


@dataclass(frozen=True)
class Draws:
    """The checked stretches as far as an interval needs them; arrays of shape (n_checked,)."""

    inclusion: Floats  # probability that each was to be checked, above 0 to 1
    group: Ints  # the cell, or several put together, that each was drawn from
    is_found: np.typing.NDArray[np.bool_]  # whether the model found a call in it
    # whether it belongs to what is estimated, as one stratum; the others count as 0
    is_inside: np.typing.NDArray[np.bool_]


@dataclass(frozen=True)
class _Part:
    """A sum of counts, with how far its limits lie below and above, and its variance."""

    sign: int
    is_found: bool
    below: float
    above: float
    variance: float


def total(draws: Draws, difference: Floats, known: float) -> tuple[Interval, float]:
    """A total known but for ``difference``, which was seen in the checked stretches alone.

    The estimate is ``known + sum(difference / inclusion)``. Its interval puts the limits of the
    parts together by MOVER, the method of variance estimates recovery (Zou and Donner, Stat. Med.
    27, 2008; Zou, Stat. Med. 27, 2008 for correlated parts): for T = A - B with correlation r,
    ``low = T - sqrt((A - lA)^2 + (uB - B)^2 - 2 r (A - lA)(uB - B))``, and ``high`` likewise.

    Parameters
    ----------
    draws : Draws
        What was checked; at least one stretch.
    difference : array of float, shape (n_checked,)
        What checking added to what is known of each stretch.
    known : float
        The total before any check.

    Returns
    -------
    Interval, float
        Without width where every stretch was sure to be checked; and the standard error.
    """
    inside = np.where(draws.is_inside, difference, 0.0)
    value = known + float((inside / draws.inclusion).sum())
    variance, freedom = _variance(inside, draws)
    parts = [
        _part(inside, draws, (sign, is_found), t_quantile(freedom))
        for sign, is_found in ((1, False), (1, True), (-1, False), (-1, True))
        if (draws.is_inside & (draws.is_found == is_found)).any()
    ]
    low = value - math.sqrt(_square(parts, inside, draws, is_low=True))
    high = value + math.sqrt(_square(parts, inside, draws, is_low=False))
    return Interval(value, low, high), math.sqrt(variance)


def _part(inside: Floats, draws: Draws, which: tuple[int, bool], t: float) -> _Part:
    sign, is_found = which
    here = draws.is_inside & (draws.is_found == is_found)
    counts = np.where(here, np.maximum(sign * inside, 0.0), 0.0)
    variance, _ = _variance(counts, draws)
    # Stretches left unchecked for each one that was checked: what one unseen error would weigh.
    weight = float(((1 - draws.inclusion[here]) / draws.inclusion[here]).mean())
    if sign < 0 and not (is_found or counts.any()):
        weight = 0.0  # without a detection there can be no false alarm
    value = float((counts / draws.inclusion).sum())
    low, high = poisson_limits(value, variance, weight, t)
    return _Part(sign, is_found, value - low, high - value, variance)


def _square(parts: Sequence[_Part], inside: Floats, draws: Draws, *, is_low: bool) -> float:
    square = 0.0
    for is_found in (False, True):
        reach = {
            part.sign: part.below if (part.sign > 0) == is_low else part.above
            for part in parts
            if part.is_found == is_found
        }
        alone = {part.sign: part.variance for part in parts if part.is_found == is_found}
        square += sum(one * one for one in reach.values())
        if len(alone) == 2 and min(alone.values()) > 0:
            both, _ = _variance(np.where(draws.is_found == is_found, inside, 0.0), draws)
            shared = (alone[1] + alone[-1] - both) / 2
            square -= 2 * shared / math.sqrt(alone[1] * alone[-1]) * reach[1] * reach[-1]
    return max(square, 0.0)


def _variance(values: Floats, draws: Draws) -> tuple[float, float]:
    """Variance of ``sum(values / inclusion)``, and its degrees of freedom.

    Hajek's approximation for fixed-size sampling with unequal probabilities, in the form of
    Deville (1999; Tille, Sampling Algorithms, 2006, section 7.6.2): in each group of n,
    ``sum(c * (z - sum(c * z) / sum(c))^2)`` with ``z = values / inclusion`` and
    ``c = (1 - inclusion) * n / (n - 1)``. Exact for equal probabilities. Degrees of freedom by
    Satterthwaite (Biometrics Bulletin 2, 1946), at least 2.
    """
    variance = shares = 0.0
    for one in np.unique(draws.group):
        of_it = draws.group == one
        n = int(of_it.sum())
        c = (1 - draws.inclusion[of_it]) * n / max(n - 1, 1)
        if c.sum() <= 1e-12:
            continue
        z = values[of_it] / draws.inclusion[of_it]
        part = float((c * (z - (c * z).sum() / c.sum()) ** 2).sum())
        variance += part
        shares += part * part / max(n - 1, 1)
    return variance, max(2.0, variance * variance / shares) if shares > 0 else math.inf


def poisson_limits(
    value: float, variance: float, weight: float, t: float = Z
) -> tuple[float, float]:
    """Limits of a weighted sum of rare counts.

    The sum is taken as gamma distributed with its own mean and variance, as Fay and Feuer (Stat.
    Med. 16, 1997) do for standardised rates. They add a whole unseen event of weight ``w`` for the
    upper limit, which covers too often; half an event (mean ``w / 2``, variance ``w^2 / 2``) for
    both limits makes it, for equal weights, Jeffreys' interval of a Poisson count (Brown, Cai and
    DasGupta, Statistica Sinica 13, 2003), whose coverage is right on average. Quantiles of the
    gamma distribution by Wilson and Hilferty (PNAS 17, 1931).

    Where fewer than 2.4 events are to be expected the upper limit cannot fall short (no event gives
    2.5 ``w`` already), so that the lower one errs alone, and few numbers can be met: coverage is
    91 to 99.5 % by the mean, 97.4 % on average; 94.8 % on average at means of 3 to 12. Mid-P limits
    (Fay and Kim, Biometrical Journal 59, 2017) cover 97.9 % there, score limits 84 to 99 %.

    Parameters
    ----------
    value, variance : float
        The sum as estimated and its variance, 0 or more.
    weight : float
        What one unseen event would weigh, 0 or more; 0 where everything was seen.
    t : float
        Quantile to take in place of the normal one.

    Returns
    -------
    float, float
        ``0 <= low <= value <= high``.

    Examples
    --------
    No event among checks that stand for 10 stretches each: up to 25 could have been missed.

    >>> low, high = poisson_limits(0.0, 0.0, 10.0)
    >>> low, round(high)
    (0.0, 25)
    """
    mean = value + weight / 2
    spread = variance + weight * weight / 2
    if mean <= 0 or spread <= 0:
        return value, value
    shape = mean * mean / spread
    low, high = (
        mean * max(0.0, 1 - 1 / (9 * shape) + side / (3 * math.sqrt(shape))) ** 3
        for side in (-t, t)
    )
    return min(low, value), max(high, value)


def t_quantile(freedom: float) -> float:
    """97.5 % quantile of Student's t (Abramowitz and Stegun, 26.7.5), 0.7 % low at 3 degrees.

    Parameters
    ----------
    freedom : float
        Degrees of freedom, at least 2; infinity gives the normal quantile.
    """
    terms = (
        (Z**3 + Z) / 4,
        (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96,
        (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384,
    )
    return Z + sum(term / freedom**power for power, term in enumerate(terms, start=1))
