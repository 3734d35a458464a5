"""The pictures of a scan: which recordings have one, and drawing them."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from counter.records import FileResult
from counter.summary import Season

if TYPE_CHECKING:
    from counter.cli.scanning import ScanPlan

# Above this many recordings only those with most calls are drawn.
MAX_PLOTS = 200


class Pictures:
    """Lets the ``MAX_PLOTS`` results with most calls keep their picture, so memory is bounded."""

    def __init__(self) -> None:
        self._drawn: list[tuple[int, int]] = []

    def kept(self, result: FileResult, gathered: list[FileResult]) -> FileResult:
        """``result`` as it is to be gathered; one gathered earlier may lose its picture to it."""
        if result.picture is None:
            return result
        entry = (result.calls(), -len(gathered))
        if len(self._drawn) < MAX_PLOTS:
            heapq.heappush(self._drawn, entry)
            return result
        _, minus_index = heapq.heappushpop(self._drawn, entry)
        if minus_index == entry[1]:
            return replace(result, picture=None)
        gathered[-minus_index] = replace(gathered[-minus_index], picture=None)
        return result


def draw_plots(
    scan_plan: ScanPlan,
    results: Sequence[FileResult],
    bands: Mapping[str, tuple[float, float]],
    season: Season,
) -> tuple[str, ...]:
    """Draw the plots of all results that carry what is needed; their file names."""
    from counter.output.names import plot_names
    from counter.output.overview import draw_overview
    from counter.output.plots import PlotSettings, RecordingPlotter
    from counter.output.season_pictures import draw_season

    spec = scan_plan.bundle.spec
    threshold = min(rules.threshold for rules in scan_plan.rules.values())
    plotter = RecordingPlotter(PlotSettings(bands, threshold, spec.sample_rate_hz / 2))
    names = plot_names(result.recording.name for result in results)
    shown = [result for result in results if result.picture is not None]
    folder = scan_plan.paths.plots
    with ThreadPoolExecutor(scan_plan.n_threads) as pool:
        drawn = [pool.submit(plotter.draw, r, folder / names[r.recording.name]) for r in shown]
        draw_overview(scan_plan.paths.overview, results, spec.labels)
        for one in drawn:
            one.result()
    if len(results) > MAX_PLOTS:
        message = f"Drew the {len(shown)} recordings with most calls of {len(results)}."
        click.echo(message, err=True)
    of_season = draw_season(folder, season)
    return (scan_plan.paths.overview.name, *of_season, *(names[r.recording.name] for r in shown))
