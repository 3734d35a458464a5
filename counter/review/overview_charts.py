"""The charts of the overview: over days and hours, and a map of the sites."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from counter.output.chartstyle import BLACK, BLUE, GREY, SPECTROGRAM
from counter.output.layout import round_step
from counter.report.estimates import LeftEstimate

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

_KM_A_DEGREE = 111.32  # of latitude, and of longitude at the equator
_LEAST_SPAN_KM = 0.2
_MAP_PIXELS = 280  # a phone has room for it; a square, so that a kilometre is one both ways
_HEAT_HEIGHT = 420  # of all, the legend included
_EVERY_HOUR = list(range(0, 24, 3))


def calls_by_day(hours: pd.DataFrame, inks: Mapping[str, str]) -> alt.Chart:
    """Calls a day, a colour a label."""
    import altair as alt

    sums = hours.groupby(["day", "label"], as_index=False)[["calls", "effort_h"]].sum()
    return (
        alt.Chart(sums, title="Calls by day")
        .mark_bar()
        .encode(
            x=_days(hours),
            y=alt.Y("calls:Q", title="calls"),
            color=_label_colours(inks),
            tooltip=["day", "label", "calls", _hours_listened()],
        )
    )


def rate_by_hour(hours: pd.DataFrame, inks: Mapping[str, str]) -> alt.Chart:
    """Calls per hour listened over the hours of the day, a colour a label."""
    import altair as alt

    sums = hours.groupby(["hour", "label"], as_index=False)[["calls", "effort_h"]].sum()
    sums["rate"] = _rate(sums)
    return (
        alt.Chart(sums, title="Calls per hour listened, by hour of day")
        .mark_bar()
        .encode(
            x=alt.X(
                "hour:O",
                title="hour of day (clock of the recordings)",
                scale=alt.Scale(domain=list(range(24))),
                axis=alt.Axis(values=_EVERY_HOUR, labelAngle=0, labelFlush=False),
            ),
            y=alt.Y("rate:Q", title="calls per hour listened"),
            color=_label_colours(inks),
            tooltip=["hour", "label", "calls", _hours_listened()],
        )
    )


def heat_map(hours: pd.DataFrame) -> alt.Chart:
    """Calls per hour listened, days across and hours down; empty where nothing was listened to."""
    import altair as alt

    keys = ["day", "hour"]
    sums = hours.groupby(keys, as_index=False)[["calls", "effort_h"]].sum()
    sums["effort_h"] /= hours["label"].nunique()  # it is the same for each label
    sums["rate"] = _rate(sums)
    return (
        alt.Chart(
            sums, title="Calls per hour listened, by day and hour of day", height=_HEAT_HEIGHT
        )
        .mark_rect()
        .encode(
            x=_days(hours),
            y=alt.Y(
                "hour:O",
                title="hour of day",
                scale=alt.Scale(domain=list(range(24))),
                axis=alt.Axis(values=_EVERY_HOUR, labelFlush=False),
            ),
            color=alt.Color(
                "rate:Q",
                title="calls per hour",
                scale=alt.Scale(scheme=SPECTROGRAM, domainMin=0),
                legend=alt.Legend(orient="bottom"),
            ),
            tooltip=["day", "hour", "calls", _hours_listened()],
        )
    )


def corrected_counts(estimate: LeftEstimate) -> alt.LayerChart | None:
    """Corrected counts of the parts with their 95 % intervals; None where there is no part."""
    import altair as alt
    import pandas as pd

    rows = [
        (name, part.counted, part.calls, part.low, part.high)
        for name, part in estimate.parts.items()
        if part is not None
    ]
    if not rows:
        return None
    data = pd.DataFrame(rows, columns=["part", "counted", "calls", "low", "high"])
    y = alt.Y("part:N", title=estimate.by)
    x = alt.X("low:Q", title="calls, corrected, with 95 % interval")
    told = ["part", "counted", "calls", "low", "high"]
    line = alt.Chart(data, title=f"Corrected counts of {estimate.label}")
    whiskers = line.mark_rule(strokeWidth=2, color=GREY).encode(y=y, x=x, x2="high:Q", tooltip=told)
    dots = alt.Chart(data).mark_point(filled=True, size=80, color=BLACK, stroke="white")
    return whiskers + dots.encode(y=y, x="calls:Q", tooltip=told)


def site_map(sites: pd.DataFrame) -> alt.LayerChart:
    """Sites by latitude and longitude, without a map under them: nothing is fetched.

    The panel is square and as many kilometres wide as high, so that distances are right near it;
    a bar says how long a kilometre is. At least one site.
    """
    import altair as alt

    area = _Area.around(sites)
    places = area.scaled("longitude", "latitude")
    told = ["site", "latitude", "longitude", "calls", _hours_listened(), _per_hour()]
    size = alt.Size("calls_per_hour:Q", scale=alt.Scale(domainMin=0, range=[30, 500]), legend=None)
    dots = alt.Chart(sites).mark_circle(opacity=0.8, color=BLUE, stroke="white")
    names = alt.Chart(sites).mark_text(color=GREY, limit=_MAP_PIXELS // 2).encode(**places)
    rate = alt.Text("calls_per_hour:Q", format=".3~g")
    sites_layers = (
        dots.encode(**places, size=size, tooltip=told)
        + names.encode(text="site", yOffset=alt.value(-30))
        + names.encode(text=rate, yOffset=alt.value(-18))
    )
    return (sites_layers + _scale_bar(area)).properties(
        title="Calls per hour listened, by site",
        width=_MAP_PIXELS,
        height=_MAP_PIXELS,
        autosize=alt.AutoSizeParams(type="pad", contains="content"),
    )


@dataclass(frozen=True)
class _Area:
    """A square of the ground: ends in degrees, kilometres a degree either way, its side."""

    x: tuple[float, float]
    y: tuple[float, float]
    x_km: float
    side_km: float

    @classmethod
    def around(cls, sites: pd.DataFrame) -> _Area:
        """The square that holds all sites, with some room."""
        ends = {name: (sites[name].min(), sites[name].max()) for name in ("longitude", "latitude")}
        (west, east), (south, north) = ends["longitude"], ends["latitude"]
        x, y = (west + east) / 2, (south + north) / 2
        x_km = _KM_A_DEGREE * max(0.01, math.cos(math.radians(y)))
        side_km = 1.3 * max((east - west) * x_km, (north - south) * _KM_A_DEGREE, _LEAST_SPAN_KM)
        half_x, half_y = side_km / 2 / x_km, side_km / 2 / _KM_A_DEGREE
        return cls((x - half_x, x + half_x), (y - half_y, y + half_y), x_km, side_km)

    def scaled(self, x: str, y: str) -> dict[str, Any]:
        """The two axes of a layer, by the names of its columns; all layers share the titles."""
        import altair as alt

        scales = [alt.Scale(domain=list(ends), nice=False, zero=False) for ends in (self.x, self.y)]
        return {
            "x": alt.X(f"{x}:Q", scale=scales[0], title="longitude (degrees east)"),
            "y": alt.Y(f"{y}:Q", scale=scales[1], title="latitude (degrees north)"),
        }


def _scale_bar(area: _Area) -> alt.LayerChart:
    """A bar of a round length, and the length over it."""
    import altair as alt
    import pandas as pd

    km = round_step(area.side_km, 6)
    left, low = (ends[0] + 0.05 * (ends[1] - ends[0]) for ends in (area.x, area.y))
    told = f"{km:g} km" if km >= 1 else f"{km * 1000:g} m"
    ends = {"left": [left], "right": [left + km / area.x_km], "low": [low], "length": [told]}
    bar = alt.Chart(pd.DataFrame(ends)).encode(**area.scaled("left", "low"))
    length = bar.mark_text(color=GREY, align="left", dy=-9).encode(text="length")
    return bar.mark_rule(color=GREY, strokeWidth=3).encode(x2="right:Q") + length


def _per_hour() -> alt.Tooltip:
    import altair as alt

    return alt.Tooltip("calls_per_hour:Q", title="calls per hour", format=".3~g")


def _days(hours: pd.DataFrame) -> alt.X:
    """Every day from the first to the last; those without a recording stay empty."""
    import altair as alt

    first, last = (date.fromisoformat(hours["day"].agg(end)).toordinal() for end in ("min", "max"))
    days = [date.fromordinal(day).isoformat() for day in range(first, last + 1)]
    # each stands in the middle of its day, the first and the last as well
    axis = alt.Axis(labelOverlap=True, labelAngle=0, labelFlush=False)
    return alt.X("day:O", title="day", scale=alt.Scale(domain=days), axis=axis)


def _label_colours(inks: Mapping[str, str]) -> alt.Color:
    """Colours that the labels have everywhere; a legend where there are several."""
    import altair as alt

    scale = alt.Scale(domain=list(inks), range=list(inks.values()))
    legend = alt.Legend(orient="bottom") if len(inks) > 1 else None
    return alt.Color("label:N", title="", scale=scale, legend=legend)


def _hours_listened() -> alt.Tooltip:
    import altair as alt

    return alt.Tooltip("effort_h:Q", title="hours listened", format=".2f")


def _rate(sums: pd.DataFrame) -> pd.Series:
    return sums["calls"] / sums["effort_h"].where(sums["effort_h"] > 0)
