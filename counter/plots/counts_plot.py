"""Plots of counts: of each recording, corrected ones, scores with the threshold, a map of sites."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counter.estimation.corrected_counts import Corrected, LeftEstimate
from counter.plots.chart import (
    INK,
    SMALL_PT,
    Chart,
    Sheet,
    draw_bars,
    in_room,
    label_keys,
    measured_in,
    set_value_axis,
    short,
)
from counter.plots.layout import round_step
from counter.plots.recording_plot import counted
from counter.plots.season_plot import NO_SITE
from counter.plots.style import BLUE, VERMILION, label_colours
from counter.records import FAILED, OK, FileResult, Origin
from counter.tables.season import Cell, Tally

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_BARS = 200
_ONE_COLUMN = 60
_TICK_IN = 0.32
_ROWS_IN = (0.2, 0.165)  # of a row in one column, in two
_BARS_IN, _AXIS_IN, _EDGE_IN = 0.85, 0.42, 0.16  # bars are at least so long


@dataclass
class _Sums:
    """What the title says of all results."""

    n_recordings: int
    n_failed: int
    calls: dict[str, int]


def draw_overview(path: Path, results: Iterable[FileResult], labels: Sequence[str]) -> None:
    """Draw the count of each recording as a bar, in name order, as PNG.

    Failed recordings say so instead. Above 60 recordings the bars stand in two columns; above 200
    those with most calls are drawn, and the title says so.

    Parameters
    ----------
    results : iterable of FileResult
        May be empty; gone through once.
    labels : sequence of str
        Each has its colour in a bar.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    shown, sums = _looked_through(results, labels)
    n_columns = 1 if len(shown) <= _ONE_COLUMN else 2
    n_rows = max(1, -(-len(shown) // n_columns))
    height_in = n_rows * _ROWS_IN[n_columns - 1]
    most = max([result.calls() for result in shown], default=0) or 1

    def draw(sheet: Sheet) -> None:
        width_in = (sheet.width_in - _EDGE_IN) / n_columns
        notes_in = 0.2 + max([measured_in(_note(one), SMALL_PT) for one in shown], default=0.0)
        names_in = width_in - _EDGE_IN - notes_in - max(_BARS_IN, width_in * 0.2)
        for column in range(n_columns):
            some = shown[column * n_rows : (column + 1) * n_rows]
            names = [in_room(one.recording.name, SMALL_PT, names_in) for one in some]
            name_in = max([measured_in(name, SMALL_PT) for name in names], default=0.0) + 0.08
            left_in = _EDGE_IN + column * width_in + name_in
            bars_in = width_in - _EDGE_IN - name_in - notes_in
            axes = sheet.box((left_in, _AXIS_IN), (bars_in, height_in))
            axes.set(xlim=(0, most), ylim=(n_rows, 0))
            axes.set_yticks(np.arange(len(some)) + 0.5, names)
            _recordings(axes, some, labels)

    Chart(
        title=_title(sums, len(shown)),
        summary="",
        height_in=_AXIS_IN + height_in + _EDGE_IN,
        draw=draw,
        keys=label_keys(sums.calls),
    ).save(path)


def _looked_through(
    results: Iterable[FileResult], labels: Sequence[str]
) -> tuple[list[FileResult], _Sums]:
    """The results with most calls in name order, and the sums of all."""
    sums = _Sums(0, 0, dict.fromkeys(labels, 0))

    def counted_in() -> Iterator[FileResult]:
        for result in results:
            sums.n_recordings += 1
            sums.n_failed += result.status == FAILED
            for label in labels:
                sums.calls[label] += result.calls(label)
            yield result

    most = heapq.nsmallest(
        MAX_BARS, counted_in(), key=lambda result: (-result.calls(), result.recording.name)
    )
    return sorted(most, key=lambda result: result.recording.name), sums


def _title(sums: _Sums, n_shown: int) -> str:
    n_scanned = sums.n_recordings - sums.n_failed
    title = f"{counted(sum(sums.calls.values()), 'call')} in {counted(n_scanned, 'recording')}"
    title += f", {sums.n_failed} failed" if sums.n_failed else ""
    return title + (f"; the {n_shown} with most calls" if n_shown < sums.n_recordings else "")


def _note(one: FileResult) -> str:
    """Its count, or what became of it."""
    if one.status == FAILED:
        return one.status
    return str(one.calls()) if one.status == OK else f"{one.calls()}, {one.status}"


def _recordings(axes: Axes, some: Sequence[FileResult], labels: Sequence[str]) -> None:
    """A lying bar each, and its note behind it."""
    calls = np.array([[one.calls(label) for one in some] for label in labels])
    draw_bars(
        axes,
        calls.reshape(len(labels), len(some)),
        list(label_colours(labels).values()),
        is_upright=False,
    )
    most = axes.get_xlim()[1]
    width_in = axes.get_window_extent().width / axes.figure.dpi
    step = max(1, round(round_step(most, min(6, max(1, int(width_in / _TICK_IN))))))
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xticks(np.arange(0, int(most) + 1, step))
    axes.set_xlabel("calls", loc="left", labelpad=2)
    axes.spines["bottom"].set_visible(False)
    axes.spines["left"].set_zorder(0)  # bars are as long as they count
    axes.grid(False, axis="y")
    for row, one in enumerate(some):
        place: Any = {"xytext": (4, 0), "textcoords": "offset points", "va": "center_baseline"}
        if one.status == FAILED:
            place["xytext"] = (10, 0)
            mark: Any = {"marker": "s", "markersize": 5, "clip_on": False, "markeredgewidth": 0}
            axes.plot(most * 0.012, row + 0.5, color=VERMILION, **mark)
        axes.annotate(_note(one), (one.calls(), row + 0.5), fontsize=SMALL_PT, **place)


_FEWEST_BINS, _MOST_BINS = 8, 40
_LEAST_SCORE = 0.00005
_SCORES = (0.0001, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 0.9999)
_APART = 0.11
_SCORES_IN = 1.6


def score_chart(label: str, scores: NDArray[np.float64], *, threshold: float, colour: str) -> Chart:
    """How many events have which score, and the threshold; at least one event.

    The axis is that of log odds, since most scores of a good model crowd below 1.
    """
    low, high = float(_log_odds(min(threshold, float(scores.min())))), float(_log_odds(1.0))
    low -= 0.06 * (high - low)
    n_bins = int(np.clip(len(scores) ** 0.5 * 2, _FEWEST_BINS, _MOST_BINS))
    counts, _ = np.histogram(_log_odds(scores), np.linspace(low, high, n_bins + 1))

    def bins(score: float) -> float:
        return float(_log_odds(score) - low) / (high - low) * n_bins

    def draw(sheet: Sheet) -> None:
        sheet.write((0.08, 0.08), "events", fontsize=SMALL_PT)
        axes = sheet.panel(0.3, _SCORES_IN)
        draw_bars(axes, counts[None], [colour])
        set_value_axis(axes, float(counts.max()), is_whole=True)
        ticks = _apart([(bins(score), f"{score:g}") for score in _SCORES], n_bins)
        axes.set_xticks([at for at, _ in ticks], [name for _, name in ticks])
        axes.set(xlim=(0, n_bins), xlabel="score (axis of log odds; no probability)")
        axes.axvline(bins(threshold), color=INK, linewidth=1.5, linestyle=(0, (4, 3)))
        name: Any = {"xytext": (0, 3), "textcoords": "offset points", "fontsize": SMALL_PT}
        top = (bins(threshold), 1.0)
        axes.annotate(f"threshold {threshold:g}", top, xycoords=axes.get_xaxis_transform(), **name)

    near = int((scores < threshold + 0.1 * (1 - threshold)).sum())
    summary = (
        f"{len(scores):,} events with scores from {scores.min():.4f} to {scores.max():.4f}, half "
        f"of them above {np.median(scores):.4f}; {near:,} in the lowest tenth between the "
        f"threshold of {threshold:g} and 1."
    )
    return Chart(f"Scores of {label}", summary, 0.3 + _SCORES_IN + 0.46, draw)


def _log_odds(score: ArrayLike) -> NDArray[np.float64]:
    """Log odds of scores, which tables round to four digits."""
    inside = np.clip(score, _LEAST_SCORE, 1 - _LEAST_SCORE)
    return np.log(inside / (1 - inside))


def _apart(ticks: Sequence[tuple[float, str]], width: float) -> list[tuple[float, str]]:
    """Those inside the panel that leave each other room, from the right."""
    kept: list[tuple[float, str]] = []
    for at, name in reversed(ticks):
        if 0 <= at <= width and (not kept or kept[-1][0] - at >= _APART * width):
            kept.append((at, name))
    return kept


_MOST_PARTS = 40
_PART_IN = 0.26


def estimate_chart(estimate: LeftEstimate) -> Chart | None:
    """Corrected counts of the parts with their 95 % intervals; None where there is no part."""
    every = {name: part for name, part in estimate.parts.items() if part is not None}
    if not every:
        return None
    parts = _largest(every)
    height_in = len(parts) * _PART_IN

    def draw(sheet: Sheet) -> None:
        names = [in_room(name or "-", SMALL_PT, sheet.width_in * 0.4) for name in parts]
        left_in = max(measured_in(name, SMALL_PT) for name in names) + 0.2
        axes = sheet.panel(0.34, height_in, left_in=left_in)
        rows = np.arange(len(parts)) + 0.5
        ends = np.array([(one.low, one.high, one.calls, one.counted) for one in parts.values()])
        low, high, calls, model = ends.T
        axes.hlines(rows, low, high, color=INK, linewidth=1.5)
        axes.plot(calls, rows, "o", color=BLUE, markersize=6, label="corrected, 95 % interval")
        axes.plot(model, rows, "|", color=INK, markersize=9, label="counted")
        axes.set_yticks(rows, names)
        axes.set(xlim=(0, 1.04 * max(1.0, ends.max())), ylim=(len(parts), 0), xlabel="calls")
        axes.grid(False, axis="y")
        where: Any = {"loc": "upper left", "ncols": 2, "framealpha": 0}
        sheet.figure.legend(fontsize=SMALL_PT, handletextpad=0.2, **where)

    few = f" The {len(parts)} largest of {len(every)}." if len(parts) < len(every) else ""
    summary = f"{estimate.label}, corrected: {estimate.overall.text} calls in all, "
    summary += (
        f"{estimate.by} by {estimate.by} from {min(one.calls for one in parts.values()):.0f} to "
    )
    summary += f"{max(one.calls for one in parts.values()):.0f}.{few}"
    title = f"Corrected counts of {estimate.label}"
    return Chart(title, summary, 0.34 + height_in + 0.46, draw)


def _largest(parts: Mapping[str, Corrected]) -> dict[str, Corrected]:
    """The parts with most calls, as many as have room, in their order."""
    most = heapq.nlargest(_MOST_PARTS, parts, key=lambda name: parts[name].calls)
    return {name: part for name, part in parts.items() if name in most}


_KM_A_DEGREE = 111.32  # of latitude, and of longitude at the equator
_LEAST_SPAN_KM = 0.2
_MAP_IN, _MAP_LEFT_IN = 3.6, 0.85
_MOST_NAMED = 12
# Where a name may stand, from its site: inches outwards, and the directions.
_OUT_IN = (0.03, 0.15, 0.3, 0.5, 0.8)
_AROUND = (
    *((0.0, 1.0), (0.0, -1.0), (1.0, 0.0), (-1.0, 0.0)),
    *product((1.0, -1.0), (1.0, -1.0)),
    *product((0.5, -0.5), (1.0, -1.0)),
    *product((1.0, -1.0), (0.5, -0.5)),
)
_Rectangle = tuple[float, float, float, float]  # left, low, right, high, inches


@dataclass(frozen=True)
class PlacedSite:
    """Sums of a site whose place is known, in degrees."""

    name: str
    latitude: float
    longitude: float
    calls: int
    effort_h: float

    @property
    def calls_per_hour(self) -> float | None:
        """Calls per hour listened; None without effort."""
        return self.calls / self.effort_h if self.effort_h else None


def placed_sites(
    cells: Mapping[Cell, Tally], origins: Mapping[str, Origin]
) -> tuple[PlacedSite, ...]:
    """Sums of the sites whose place is known, those of hours without a clock included."""
    where = {
        one.site: (one.latitude, one.longitude)
        for one in origins.values()
        if one.latitude is not None and one.longitude is not None
    }
    found = []
    for site, place in sorted(where.items()):
        tallies = [tally for cell, tally in cells.items() if cell[0] == site]
        calls = sum(sum(tally.calls) for tally in tallies)
        found.append(
            PlacedSite(
                site or NO_SITE, *place, calls, sum(one.effort_us for one in tallies) / 3.6e9
            )
        )
    return tuple(found)


def site_map(sites: Sequence[PlacedSite]) -> Chart:
    """Sites by latitude and longitude, without a map under them: nothing is fetched.

    The panel is square and as many kilometres wide as high, so that distances are right near it;
    a bar says how long a kilometre is. At least one site; names stand where there is room.
    """
    area = _Area.around(sites)

    def draw(sheet: Sheet) -> None:
        axes = sheet.box((_MAP_LEFT_IN, 0.1), (_MAP_IN, _MAP_IN))
        for axis, (low, high) in ((axes.xaxis, area.x), (axes.yaxis, area.y)):
            step = round_step(high - low, 4)
            ticks = np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step
            axis.set_ticks(ticks, [f"{tick:.10g}" for tick in ticks])
        axes.set(xlim=area.x, ylim=area.y)
        axes.set(xlabel="longitude (degrees east)", ylabel="latitude (degrees north)")
        axes.spines[["top", "right"]].set_visible(True)
        x, y = [one.longitude for one in sites], [one.latitude for one in sites]
        sizes = [(2 * 72 * radius_in) ** 2 for radius_in in _radii_in(sites)]
        axes.scatter(x, y, s=sizes, color=BLUE, alpha=0.8, edgecolor="white", zorder=3)
        bar = _bar(axes, area, sites)
        _name_sites(axes, area, sites, bar)

    summary = ", ".join(f"{one.name} {_rate_text(one)}" for one in sites[:_MOST_NAMED])
    more = f" and {len(sites) - _MOST_NAMED} more" if len(sites) > _MOST_NAMED else ""
    title = "Calls per hour listened, by site"
    return Chart(title, f"{summary}{more}.", 0.1 + _MAP_IN + 0.52, draw)


def _rate_text(site: PlacedSite) -> str:
    return "-" if site.calls_per_hour is None else short(site.calls_per_hour)


@dataclass(frozen=True)
class _Area:
    """A square of the ground: ends in degrees, kilometres a degree of longitude, its side."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_km: float
    side_km: float

    @classmethod
    def around(cls, sites: Sequence[PlacedSite]) -> _Area:
        """The square that holds all sites, with some room."""
        west, east = (end(one.longitude for one in sites) for end in (min, max))
        south, north = (end(one.latitude for one in sites) for end in (min, max))
        x, y = (west + east) / 2, (south + north) / 2
        x_km = _KM_A_DEGREE * max(0.01, math.cos(math.radians(y)))
        side_km = 1.3 * max((east - west) * x_km, (north - south) * _KM_A_DEGREE, _LEAST_SPAN_KM)
        half_x, half_y = side_km / 2 / x_km, side_km / 2 / _KM_A_DEGREE
        return cls((x - half_x, x + half_x), (y - half_y, y + half_y), x_km, side_km)

    def inches(self, site: PlacedSite) -> tuple[float, float]:
        """Where a site is, from the lower left corner of the panel."""
        x, y = site.longitude - self.x[0], site.latitude - self.y[0]
        side = self.x[1] - self.x[0], self.y[1] - self.y[0]
        return x / side[0] * _MAP_IN, y / side[1] * _MAP_IN


def _radii_in(sites: Sequence[PlacedSite]) -> list[float]:
    """Of the circles, whose areas grow with calls per hour."""
    rates = np.array([one.calls_per_hour or 0.0 for one in sites])
    return list(np.sqrt(0.0012 + 0.014 * rates / (rates.max() or 1.0)).tolist())


def _bar(axes: Axes, area: _Area, sites: Sequence[PlacedSite]) -> _Rectangle:
    """A bar of a round length, in the corner that is farthest from the sites; where it stands."""
    km = round_step(area.side_km, 6)
    share = km / area.side_km
    centres = [area.inches(one) for one in sites]

    def distance(corner: tuple[float, float]) -> float:
        middle = (corner[0] + share / 2) * _MAP_IN, corner[1] * _MAP_IN
        return min(math.dist(middle, one) for one in centres)

    left, low = max(product((0.05, 0.95 - share), (0.05, 0.91)), key=distance)
    text = f"{km:g} km" if km >= 1 else f"{km * 1000:g} m"
    how: Any = {"transform": axes.transAxes}
    axes.plot([left, left + share], [low, low], color=INK, linewidth=3, **how)
    axes.text(left, low + 0.015, text, fontsize=SMALL_PT, **how)
    width = max(share, measured_in(text, SMALL_PT) / _MAP_IN)
    return left * _MAP_IN, low * _MAP_IN, (left + width) * _MAP_IN, (low + 0.07) * _MAP_IN


def _name_sites(axes: Axes, area: _Area, sites: Sequence[PlacedSite], bar: _Rectangle) -> None:
    """Name and rate of each site where nothing else stands; those with most calls choose first."""
    radii = _radii_in(sites)
    circles = [_around(area.inches(one), radius) for one, radius in zip(sites, radii, strict=True)]
    texts = [bar]
    for site, radius in sorted(zip(sites, radii, strict=True), key=lambda one: -one[0].calls):
        text = f"{in_room(site.name, SMALL_PT, _MAP_IN / 2)}  {_rate_text(site)}"
        centre, size = area.inches(site), (measured_in(text, SMALL_PT), SMALL_PT / 60)
        for box in _beside(centre, radius, size):
            line = _line(centre, box)
            if _is_free([box], [*texts, *circles]) and _is_free(line, texts):
                texts += [box, *line]
                _write_name(axes, (centre, box), text)
                break


def _beside(
    centre: tuple[float, float], radius: float, size: tuple[float, float]
) -> Iterator[_Rectangle]:
    """Where a text of a size may stand, the best first."""
    for out in _OUT_IN:
        for dx, dy in _AROUND:
            x = centre[0] + dx * (radius + out + size[0] / 2)
            y = centre[1] + dy * (radius + out + size[1] / 2)
            yield x - size[0] / 2, y - size[1] / 2, x + size[0] / 2, y + size[1] / 2


def _around(place: tuple[float, float], reach: float) -> _Rectangle:
    return place[0] - reach, place[1] - reach, place[0] + reach, place[1] + reach


def _nearest(place: tuple[float, float], box: _Rectangle) -> tuple[float, float]:
    return min(max(place[0], box[0]), box[2]), min(max(place[1], box[1]), box[3])


def _line(centre: tuple[float, float], box: _Rectangle) -> list[_Rectangle]:
    """The way from a site to its name, as small boxes."""
    end = _nearest(centre, box)
    shares = (0.2, 0.4, 0.6, 0.8)
    return [
        _around((centre[0] + t * (end[0] - centre[0]), centre[1] + t * (end[1] - centre[1])), 0.015)
        for t in shares
    ]


def _is_free(boxes: Sequence[_Rectangle], taken: Sequence[_Rectangle]) -> bool:
    """Whether boxes are inside the map and touch none of those taken."""
    return all(
        min(box) >= 0.02
        and max(box) <= _MAP_IN - 0.02
        and all(
            box[0] >= one[2] or box[2] <= one[0] or box[1] >= one[3] or box[3] <= one[1]
            for one in taken
        )
        for box in boxes
    )


def _write_name(axes: Axes, places: tuple[tuple[float, float], _Rectangle], text: str) -> None:
    centre, box = places
    how: Any = {"transform": axes.transAxes, "zorder": 2}
    middle = ((box[0] + box[2]) / 2 / _MAP_IN, (box[1] + box[3]) / 2 / _MAP_IN)
    axes.text(*middle, text, ha="center", va="center", fontsize=SMALL_PT, **how)
    end = _nearest(centre, box)
    if math.dist(centre, end) > 0.25:
        ends = np.array([centre, end]).T / _MAP_IN
        axes.plot(*ends, color=INK, linewidth=0.6, **how)
