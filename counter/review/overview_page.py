"""Overview page of a review: what was counted, when and where; and the model, tried by visitors."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from counter.audio.stream import probe
from counter.bundle import Bundle
from counter.errors import AudioError, CallcountError
from counter.estimation.corrected_counts import find_estimates, read_estimates
from counter.plots.recording_plot import PlotSettings, RecordingPlotter
from counter.plots.season_plot import NO_SITE, SeasonCharts, season_charts
from counter.records import FAILED, Event, FileResult, Recording
from counter.report.contents import find_counts
from counter.report.report_page import Counts
from counter.report.report_tables import Cell, Column, HtmlTable, make_table, number
from counter.scanning.pool import ScanOrder, ScanPool
from counter.tables.results import Results, bundle_of
from counter.tables.season import DAY, HOUR, SITE, Tally, hours_of_days, read_sums
from counter.tables.season import Cell as Hour

MOST_S = 3600.0
_STALL_S = 30.0
_ONE_AT_A_TIME = threading.Lock()


class Overview:
    """The figures of a scan, added up once when they are first asked for.

    Parameters
    ----------
    results : Results
        The scan.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self._made: tuple[Counts, Mapping[Hour, Tally]] | None = None
        self._lock = threading.Lock()

    def counts(self) -> Counts:
        """What was counted.

        Raises
        ------
        CallcountError
            A table of the scan, or of an estimate of it, is damaged.
        """
        return self._sums()[0]

    def sites(self) -> list[str]:
        """Sites of which there are charts, in order; recordings without a site are one."""
        return sorted({cell[0] for cell in self._sums()[1] if cell[1] is not None})

    def season(self, place: int | None) -> SeasonCharts | None:
        """Charts over time of one of ``sites``, by its place; of all where there is no such one."""
        sites, (counts, cells) = self.sites(), self._sums()
        if place is None or not 0 <= place < len(sites):
            return counts.season
        return season_charts(cells, self._results.labels, site=sites[place])

    def _sums(self) -> tuple[Counts, Mapping[Hour, Tally]]:
        with self._lock:
            if self._made is None:
                results = self._results
                sums = {of: read_sums(results, of) for of in (SITE, DAY, HOUR)}
                estimates = read_estimates(results, find_estimates(results))
                self._made = find_counts(results, sums, estimates), hours_of_days(results)
            return self._made


def site_names(sites: list[str]) -> list[str]:
    """What a page calls them."""
    return [site or NO_SITE for site in sites]


@dataclass(frozen=True)
class Trial:
    """A recording that was scanned, and its plot as PNG; the result is without its picture."""

    result: FileResult
    plot: bytes

    def table(self, name: str) -> HtmlTable:
        """Its events; ``name`` is that of the table in the page."""
        columns: list[Column[Event]] = [
            Column("label", lambda one: Cell(one.label), False),
            Column("start (s)", lambda one: number(one.start_s, 3)),
            Column("end (s)", lambda one: number(one.end_s, 3)),
            Column("score", lambda one: number(one.score, 3)),
        ]
        return make_table(name, "Events", columns, self.result.events)


def try_recording(results: Results, name: str, file: Path) -> Trial:
    """Scan a visitor's recording as the season was scanned; visitors wait for one another.

    Parameters
    ----------
    results : Results
        The season whose model and event rules are used.
    name : str
        What the recording is called; it names no file.
    file : Path
        The recording, alone in a folder, where the plot goes as well.

    Raises
    ------
    CallcountError
        It cannot be read or is too long, or the season's model is gone.
    """
    bundle = bundle_of(results)
    with _ONE_AT_A_TIME:
        _check_length(file)
        order = ScanOrder(bundle, results.facts.rules, n_threads=1, pictures=True)
        with ScanPool(order, stall_s=_STALL_S) as pool:
            [(_, result)] = pool.results([Recording(str(file), name)])
    if result.status == FAILED:
        raise AudioError(f"the recording cannot be read: {result.message}.")
    plot = _plot(result, results, bundle, file.with_name("plot.png"))
    return Trial(replace(result, picture=None), plot)


def _check_length(file: Path) -> None:
    try:
        duration_s = probe(str(file)).duration_s
    except AudioError as error:
        fix = "WAV, FLAC, MP3, Ogg and AIFF can be."
        raise CallcountError(f"the recording cannot be read: {error.what}.", fix) from error
    if duration_s > MOST_S:
        raise CallcountError(
            f"the recording is {duration_s / 60:.0f} min long, more than {MOST_S / 60:.0f} min.",
            "Give a shorter one, or use callcount scan.",
        )


def _plot(result: FileResult, results: Results, bundle: Bundle, path: Path) -> bytes:
    """The picture that a scan draws."""
    spec = bundle.spec
    threshold = min(rules.threshold for rules in results.facts.rules.values())
    bands = {label: (spec.low_hz, spec.high_hz) for label in spec.labels}
    settings = PlotSettings(bands, threshold, spec.sample_rate_hz / 2)
    RecordingPlotter(settings).draw(result, path)
    return path.read_bytes()
