"""Report of a scan, from its results to the HTML file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from counter.bundle import DEFAULT_FILE, read_bundle
from counter.config import n_threads
from counter.errors import BundleError, CallcountError, ConfigError
from counter.estimation.corrected_counts import find_estimates, read_estimates
from counter.estimation.stretches import files_at
from counter.plots.clip_plot import Progress
from counter.report.contents import make_report
from counter.report.event_media import Found, MediaStyle, Wanted, cut_events
from counter.report.gallery import GalleryChoice, Group, Model, ReportInputs, choose_events
from counter.report.report_page import card_html, write_report
from counter.tables.results import Results
from counter.tables.season import DAY, HOUR, SITE, SumRow, read_sums

CARD_FILE = "model_card.md"
_STYLE = MediaStyle(size=(360, 150), reach=2.0, effort=4)


@dataclass(frozen=True)
class ReportOptions:
    """What a report shows: how many events of each kind, whose sound is where; see the command."""

    title: str | None = None
    top: int = 24
    random: int = 24
    near: int = 24
    seed: int = 0
    audio: Path | None = None
    estimates: Sequence[Path] = ()
    jobs: int | None = None


@dataclass(frozen=True)
class WrittenReport:
    """A report that was written: where, how large, and which of its events can be heard."""

    path: Path
    n_bytes: int
    media: Found


def write_scan_report(
    results: Results,
    path: Path,
    options: ReportOptions,
    *,
    sums: Mapping[str, Sequence[SumRow]] | None = None,
    progress: Progress = iter,
) -> WrittenReport:
    """Choose and cut the events of a scan, and write its report.

    Parameters
    ----------
    results : Results
        The scan.
    path : Path
        The HTML file; ``check_report_path`` found nothing in its way.
    options : ReportOptions
        What to show.
    sums : mapping of str to sequence of SumRow, optional
        Sums by site, day and hour; read from the tables of the scan where they are not given.
    progress : callable
        Passes names of recordings on while a terminal shows how many are done.

    Raises
    ------
    CallcountError
        A table of the scan or of an estimate is damaged, or the report cannot be written.
    """
    if options.audio is not None and not options.audio.is_dir():
        raise CallcountError(f"--audio {options.audio} is no folder.", "Check the path.")
    choice = GalleryChoice(options.top, options.random, options.near, options.seed)
    groups = choose_events(results, choice)
    inputs = ReportInputs(
        results=results,
        sums=sums or {of: read_sums(results, of) for of in (SITE, DAY, HOUR)},
        estimates=read_estimates(results, options.estimates or find_estimates(results)),
        groups=groups,
        media=_cut(results, groups, options, progress),
        model=_model(results),
    )
    n_bytes = write_report(path, make_report(inputs, options.title))
    return WrittenReport(path, n_bytes, inputs.media)


def _cut(
    results: Results, groups: Sequence[Group], options: ReportOptions, progress: Progress
) -> Found:
    """The chosen events, each cut once."""
    wanted: dict[str, list[Wanted]] = {}
    table = results.event_table
    for row in sorted({row for group in groups for row in group.rows}):
        number = int(table.recording[row])
        first = int(table.recording.searchsorted(number))
        event = results.events_of(number)[row - first]
        one = Wanted(row, event, *results.band_hz[event.label])
        wanted.setdefault(results.recordings[number].name, []).append(one)
    files = files_at(results, options.audio) if wanted or options.audio else {}
    cut = cut_events(wanted, files, _STYLE, n_threads=n_threads(options.jobs))
    found: Found = {}
    for _, some in zip(progress(wanted), cut, strict=True):
        found.update(some)
    return found


def _model(results: Results) -> Model:
    """The card of the very model that counted; of another one it would tell what is not so."""
    facts = results.facts.bundle
    path = Path(facts["path"])
    try:
        bundle = read_bundle(path)
    except (BundleError, ConfigError):
        return Model("", f"The model is no longer at {path}, so its card is not shown.")
    if bundle.sha256 != facts["hash"]:
        return Model("", f"The model at {path} is another one by now, so its card is not shown.")
    for folder in (path, path.parent if (path.parent / DEFAULT_FILE).is_file() else path):
        if (folder / CARD_FILE).is_file():
            return _read_card(folder / CARD_FILE)
    return Model("", "The model came without a card.")


def _read_card(path: Path) -> Model:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Model("", f"The model's card cannot be read: {error}.")
    return Model(card_html(text), "")
