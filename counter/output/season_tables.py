"""When and where recordings were made, and a season's calls by site, day and hour, as CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date

from counter.moments import iso_text
from counter.output.columns import DAY_COLUMNS, HOUR_COLUMNS, RECORDING_COLUMNS, SITE_COLUMNS
from counter.output.paths import OutputPaths
from counter.output.writing import write_csv
from counter.records import FileResult
from counter.summary import Cell, Season, Tally

Row = list[str]


def write_season(paths: OutputPaths, results: Iterable[FileResult], season: Season) -> None:
    """Write ``recordings.csv`` and the summaries.

    Parameters
    ----------
    paths : OutputPaths
        Where they go; the folder is there.
    results : iterable of FileResult
        In the order of the rows of ``recordings.csv``.
    season : Season
        The same results, added up.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    write_csv(paths.recordings, RECORDING_COLUMNS, map(_recording_row, results))
    cells, labels = season.cells(), season.labels
    write_csv(paths.summary("site"), SITE_COLUMNS, _site_rows(season, cells))
    by_day = added_up(cells, lambda cell: (cell[0], cell[1]))
    write_csv(paths.summary("day"), DAY_COLUMNS, _rows(by_day, labels))
    by_hour = added_up(cells, lambda cell: (cell[0], cell[2]))
    write_csv(paths.summary("hour"), HOUR_COLUMNS, _rows(by_hour, labels))


def added_up(
    cells: Mapping[Cell, Tally], key: Callable[[Cell], tuple[str, date | int | None]]
) -> dict[tuple[str, date | int | None], Tally]:
    """Add the tallies of all cells of one key, in the order of the keys; unknown times last."""
    sums: dict[tuple[str, date | int | None], Tally] = {}
    for cell, tally in cells.items():
        sums.setdefault(key(cell), Tally.empty(len(tally.calls))).add(tally)
    order = sorted(sums, key=lambda one: (one[0], one[1] is None, one[1] or 0))
    return {one: sums[one] for one in order}


def _recording_row(result: FileResult) -> Row:
    origin = result.origin
    place = ["" if one is None else f"{one:.6f}" for one in (origin.latitude, origin.longitude)]
    day = origin.start.date().isoformat() if origin.start is not None else ""
    form = [str(one or "") for one in (result.sample_rate_hz, result.channels)]
    effort = [f"{one:.3f}" for one in (result.scanned_s, result.effort_s)]
    who = [result.recording.name, origin.site, origin.device]
    return [*who, iso_text(origin.start), day, *place, *form, *effort, result.status]


def _site_rows(season: Season, cells: Mapping[Cell, Tally]) -> Iterator[Row]:
    tallies = added_up(cells, lambda cell: (cell[0], None))
    for site, n_recordings in sorted(season.n_recordings().items()):
        tally = tallies.get((site, None), Tally.empty(len(season.labels)))
        for place, label in enumerate(season.labels):
            yield [site, label, str(n_recordings), *_sums(tally, place)]


def _rows(
    tallies: Mapping[tuple[str, date | int | None], Tally], labels: Sequence[str]
) -> Iterator[Row]:
    for (site, when), tally in tallies.items():
        for place, label in enumerate(labels):
            yield [site, "" if when is None else str(when), label, *_sums(tally, place)]


def _sums(tally: Tally, place: int) -> Row:
    hours, calls = tally.effort_s / 3600, tally.calls[place]
    n_minutes, n_with = tally.n_minutes, tally.minutes_with[place]
    return [
        f"{tally.effort_s:.3f}",
        str(calls),
        f"{calls / hours:.3f}" if hours else "",
        str(n_minutes),
        str(n_with),
        f"{n_with / n_minutes:.4f}" if n_minutes else "",
        str(tally.most[place]),
    ]
