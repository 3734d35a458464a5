"""Does the 95 % interval of ``callcount estimate`` hold the truth in 95 % of seasons?

    python -m benchmarks.coverage [--seasons 1000] [--first 0] [--checks 1] [--only TEXT]
                                  [--no-forest]

Makes whole seasons of stretches with known calls and a model that errs in a known way, draws the
stretches to check as ``callcount sample`` does, lets a perfect person check them, and estimates.
Prints one row a scenario: calls in the season, calls seen by the person, seasons in which at least
30 were seen, and in how many of those the interval held the truth (and how often the truth lay
below or above it); the same for a plain normal interval about the same estimate; and the median
width in shares of that of simple random checking of as many stretches, with its own coverage
(intervals of the same kind). The truth is that of each season, so a season without any error left
unseen is covered too: where nearly all seasons are like that, coverage is above 95 %. So it is,
on average, where the checks meet fewer than about 2.5 missed calls: the upper limit cannot fall
short there, and the few numbers that can be met make coverage jump with the mean (see
``interval.poisson_limits``). ``--checks 4`` checks four times as many stretches, ``--first 1000``
makes other seasons than those of the table.

The second table takes the 25 shared forest recordings: the truth as the person, 40 stretches
checked, 200 repetitions, whatever was seen.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.common import FOREST, FOREST_TRUTH, markdown_table, read_intervals, scan
from counter.estimation.estimators import Checks, Estimate, Population, estimate_total
from counter.estimation.interval import Z
from counter.estimation.sampling import draw_sample
from counter.estimation.stretches import STRETCH_S, choose_label, read_stretches
from counter.tables.results import read_results

ENOUGH_SEEN = 30
RECORDING_STRETCHES = 18
N_FOREST_CHECKS, N_FOREST_DRAWS = 40, 200

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Scenario:
    """A kind of season; per site where there are several values.

    Attributes
    ----------
    name : str
        What it stands for.
    n_stretches, n_sites, n_checks : int
        Size of the season and of the sample; sites are strata.
    rate : float
        Mean calls a stretch.
    clumping : float
        Shape of the gamma variable that a recording's (of 18 stretches) rate is multiplied by;
        small values make a chorus here and silence there.
    recall : tuple of float
        Share of the calls that the model finds.
    false_rate : tuple of float
        Mean false alarms a stretch.
    most : float
        Events that the model counts in a stretch at most.
    deaf : float
        Share of the recordings in which it finds only a fifth of the calls.
    """

    name: str
    n_stretches: int
    rate: float
    recall: tuple[float, ...]
    false_rate: tuple[float, ...]
    n_sites: int = 1
    n_checks: int = 100
    clumping: float = 1.0
    most: float = np.inf
    deaf: float = 0.0


SCENARIOS = (
    Scenario("rare calls, good model", 6000, 0.012, (0.95,), (0.0005,)),
    Scenario("rare calls, poor model", 6000, 0.015, (0.6,), (0.006,), n_checks=150),
    Scenario("common calls, good model", 3000, 0.3, (0.97,), (0.005,)),
    Scenario("common calls, poor model", 3000, 0.4, (0.6,), (0.15,)),
    Scenario(
        "biased by site",
        4000,
        0.25,
        (0.97, 0.9, 0.75, 0.6, 0.4),
        (0.002, 0.01, 0.02, 0.05, 0.1),
        n_sites=5,
    ),
    Scenario("no detection, some calls", 3000, 0.45, (0.0,), (0.0,), clumping=2.0),
    Scenario("chorus that the model merges", 3000, 0.6, (0.8,), (0.01,), clumping=0.15, most=3),
    Scenario("many sites", 6000, 0.25, (0.95, 0.8, 0.6), (0.01, 0.05, 0.002), 24, 150),
    Scenario("mostly false alarms", 3000, 0.2, (0.8,), (0.4,), n_sites=3, n_checks=200),
    Scenario("faint recordings", 3000, 0.3, (0.95,), (0.01,), deaf=0.15),
    Scenario("few checks", 1800, 0.6, (0.8,), (0.05,), n_checks=40),
    Scenario("small season", 450, 0.2, (0.95,), (0.01,), n_checks=60),
)


@dataclass(frozen=True)
class MadeSeason:
    """True calls and the model's count of every stretch, and its site."""

    calls: Counts
    known: Population


def make_season(scenario: Scenario, rng: np.random.Generator) -> MadeSeason:
    """One season of a scenario."""
    n = scenario.n_stretches
    site = np.arange(n) * scenario.n_sites // n
    recording = np.arange(n) // RECORDING_STRETCHES
    n_recordings = int(recording[-1]) + 1
    shape = scenario.clumping
    rate = scenario.rate * rng.gamma(shape, 1 / shape, n_recordings)[recording]
    recall = np.resize(scenario.recall, scenario.n_sites)[site]
    recall = np.where(rng.random(n_recordings)[recording] < scenario.deaf, 0.2, recall)
    calls = rng.poisson(rate)
    false_alarms = rng.poisson(np.resize(scenario.false_rate, scenario.n_sites)[site])
    counted = np.minimum(rng.binomial(calls, recall) + false_alarms, scenario.most)
    return MadeSeason(calls.astype(float), Population(counted.astype(float), site.astype(np.int64)))


def check(made: MadeSeason, n_checks: int, seed: int) -> Estimate:
    """Draw stretches, check them without a mistake, estimate."""
    known = made.known
    drawn = draw_sample(known.model_count, known.stratum, n_checks, seed=seed)
    found = estimate_total(known, Checks(drawn.index, drawn.inclusion, made.calls[drawn.index]))
    assert found is not None
    return found


def simple(made: MadeSeason) -> MadeSeason:
    """The same season for a person without a model: one stratum, every stretch alike."""
    n = len(made.calls)
    return MadeSeason(made.calls, Population(np.zeros(n), np.zeros(n, np.int64)))


def figures(made: MadeSeason, n_checks: int, seed: int) -> tuple[float, ...]:
    """Truth, seen; below, above and width of the interval; normal covers; simple covers, width."""
    truth = float(made.calls.sum())
    found, plain = check(made, n_checks, seed), check(simple(made), n_checks, seed)
    one, other = found.difference, plain.difference
    slack = 1e-6 * truth
    return (
        truth,
        found.seen_calls,
        truth < one.low - slack,
        truth > one.high + slack,
        one.width,
        abs(one.value - truth) <= Z * found.standard_error + slack,
        other.low - slack <= truth <= other.high + slack,
        other.width,
    )


def row(name: str, told: Counts) -> list[str]:
    """A row of the table from ``figures`` of many seasons, shape (n_seasons, 8)."""
    truth, seen, below, above, width, normal, covered, other = told.T
    return [
        name,
        f"{np.median(truth):.0f}",
        f"{np.median(seen):.0f}",
        str(len(told)),
        f"{100 * (1 - below.mean() - above.mean()):.1f}",
        f"{100 * below.mean():.1f} / {100 * above.mean():.1f}",
        f"{100 * normal.mean():.1f}",
        f"{np.median(width):.0f}",
        f"{np.median(width) / np.median(other):.2f}",
        f"{100 * covered.mean():.1f}",
    ]


HEADER = (
    "scenario",
    "calls",
    "seen",
    "seasons",
    "coverage %",
    "truth below / above %",
    "normal interval %",
    "width",
    "width / simple",
    "simple coverage %",
)


def simulate(scenario: Scenario, seasons: range, effort: int) -> list[str]:
    """Row of one scenario; a season's randomness depends on its number and the scenario alone.

    Parameters
    ----------
    scenario : Scenario
        One of ``SCENARIOS``.
    seasons : range
        Numbers of the seasons.
    effort : int
        How many times as many checks as the scenario says, 1 or more.
    """
    number = SCENARIOS.index(scenario)
    told = np.array(
        [
            figures(
                make_season(scenario, np.random.default_rng([number, season])),
                effort * scenario.n_checks,
                season,
            )
            for season in seasons
        ]
    )
    return row(scenario.name, told[told[:, 1] >= ENOUGH_SEEN])


def forest_season() -> MadeSeason:
    """The shared forest recordings, scanned with the shipped bundle, and their truth."""
    with tempfile.TemporaryDirectory() as folder:
        done = scan(FOREST, Path(folder))
        results = read_results(done.events_csv.parent.with_suffix(".csv"))
        stretches = read_stretches(results, choose_label(results, None), STRETCH_S)
    truth = read_intervals(FOREST_TRUTH)
    calls = np.zeros(len(stretches))
    for place, name in enumerate(stretches.recording):
        middles = truth.get(name, np.zeros((0, 2))).mean(axis=1)
        inside = (stretches.start_s[place] <= middles) & (middles < stretches.end_s[place])
        calls[place] = inside.sum()
    return MadeSeason(calls, Population(stretches.model_count, np.zeros(len(calls), np.int64)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all scenarios and the forest recordings and print the tables."""
    parser = argparse.ArgumentParser(prog="benchmarks.coverage", description=__doc__.split("\n")[0])
    parser.add_argument("--seasons", type=int, default=1000, help="seasons a scenario")
    parser.add_argument("--first", type=int, default=0, help="number of the first season")
    parser.add_argument("--checks", type=int, default=1, help="times as many checks")
    parser.add_argument("--only", default="", help="scenarios with this in their name")
    parser.add_argument("--no-forest", action="store_true", help="simulated seasons alone")
    given = parser.parse_args(arguments)
    seasons = range(given.first, given.first + given.seasons)
    chosen = [scenario for scenario in SCENARIOS if given.only in scenario.name]
    rows = [simulate(scenario, seasons, given.checks) for scenario in chosen]
    print(markdown_table(HEADER, rows), flush=True)
    if not given.no_forest:
        made = forest_season()
        draws = range(N_FOREST_DRAWS)
        told = np.array([figures(made, N_FOREST_CHECKS, seed) for seed in draws])
        title = f"25 forest recordings, {N_FOREST_CHECKS} of {len(made.calls)} stretches"
        print(f"\n{markdown_table(HEADER, [row(title, told)])}")


if __name__ == "__main__":
    main()
