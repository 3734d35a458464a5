"""The pictures of a scan: which recordings have one, and drawing them while others are scanned."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import click

from counter.cli.scanplan import ScanPlan
from counter.journal import Journal
from counter.records import FAILED, FileResult
from counter.summary import Season

# Above this many recordings only those with most calls are drawn.
MAX_PLOTS = 200
_WAITING = 8  # pictures held until they are drawn


class PlotKeeper:
    """Draws the ``MAX_PLOTS`` recordings with most calls, each as soon as it is scanned.

    Of recordings with as many calls the first ones are drawn, whatever is scanned when. A context
    manager.

    Parameters
    ----------
    plan : ScanPlan
        What is scanned; where no plots are wanted, nothing is drawn.
    journal : Journal
        What was done before; its plots are kept.
    """

    def __init__(self, plan: ScanPlan, journal: Journal) -> None:
        self._plan = plan
        self._names: dict[str, str] = {}
        self._kept: list[tuple[int, int]] = []  # a heap of calls and minus the position
        self._drawing: dict[int, Future[None]] = {}
        if plan.settings.plots:
            self._begin(journal)

    def _begin(self, journal: Journal) -> None:
        from counter.output.names import plot_names
        from counter.output.plots import PlotSettings, RecordingPlotter

        plan = self._plan
        threshold = min(rules.threshold for rules in plan.rules.values())
        settings = PlotSettings(plan.bands, threshold, plan.bundle.spec.sample_rate_hz / 2)
        self._plotter = RecordingPlotter(settings)
        self._names = plot_names(one.name for one in plan.recordings)
        self._kept = [(calls, -at) for calls, at in journal.most_calls(MAX_PLOTS)]
        heapq.heapify(self._kept)

    def __enter__(self) -> PlotKeeper:
        self._pool = ThreadPoolExecutor(self._plan.n_threads, thread_name_prefix="draw")
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=error[0] is not None)

    def add(self, position: int, result: FileResult) -> None:
        """Draw a result if it is among those with most calls by now; another may leave them."""
        if not self._names or result.status == FAILED:
            return
        entry = (result.calls(), -position)
        if len(self._kept) < MAX_PLOTS:
            heapq.heappush(self._kept, entry)
        else:
            leaving = heapq.heappushpop(self._kept, entry)
            if leaving == entry:
                return
            self._wait_for(-leaving[1])
            self._file(-leaving[1]).unlink(missing_ok=True)
        self.draw(position, result)

    def draw(self, position: int, result: FileResult) -> None:
        """Draw a result that carries what is needed; one that failed has none."""
        if result.picture is None:
            return
        while len(self._drawing) >= _WAITING:
            self._wait_for(next(iter(self._drawing)))
        self._drawing[position] = self._pool.submit(
            self._plotter.draw, result, self._file(position)
        )

    def wait(self) -> None:
        """Until all that was begun is drawn.

        Raises
        ------
        OutputError
            A file could not be written.
        """
        for position in list(self._drawing):
            self._wait_for(position)

    def missing(self) -> list[int]:
        """Positions of recordings whose plot is wanted and not there, once all others are drawn."""
        self.wait()
        return [at for at in self._positions() if not self._file(at).exists()]

    def file_names(self) -> list[str]:
        """File names of the plots wanted by now, in the order of the recordings."""
        return [self._file(position).name for position in self._positions()]

    def _positions(self) -> list[int]:
        return sorted(-entry[1] for entry in self._kept)

    def _file(self, position: int) -> Path:
        return self._plan.paths.plots / self._names[self._plan.recordings[position].name]

    def _wait_for(self, position: int) -> None:
        if drawing := self._drawing.pop(position, None):
            drawing.result()


def draw_sums(plan: ScanPlan, results: Iterable[FileResult], season: Season) -> tuple[str, ...]:
    """Draw the overview and the season; their file names."""
    from counter.output.overview import draw_overview
    from counter.output.season_pictures import draw_season

    draw_overview(plan.paths.overview, results, plan.bundle.spec.labels)
    if len(plan.recordings) > MAX_PLOTS:
        message = f"Drew the {MAX_PLOTS} recordings with most calls of {len(plan.recordings)}."
        click.echo(message, err=True)
    return (plan.paths.overview.name, *draw_season(plan.paths.plots, season))
