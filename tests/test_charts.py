"""Charts of a season: what stands in them, and that nothing stands in the way of anything else."""

import math
import re
from datetime import date, timedelta
from itertools import combinations
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.text import Text

from counter.estimation.corrected_counts import Corrected, LeftEstimate
from counter.plots.chart import INK
from counter.plots.counts_plot import PlacedSite, estimate_chart, score_chart, site_map
from counter.plots.season_plot import (
    MAX_SITES,
    DatedSeason,
    calls_by_day,
    heat_maps,
    season_charts,
)
from counter.plots.style import label_colour
from counter.storage.png import is_own_png
from counter.tables.season import Tally

FIRST = date(2023, 11, 20)
HOURS = (4, 5, 6, 18)
ODD = ("Bog <b>&$x_2$\n\x1b鳥 запись", "W" * 70, "\udcff$\\alpha$", "", "a|b*", "\u202eridge")
# Letters that just touch are read all the same.
TOUCH_PX = 2.0


def season(n_days, n_sites=1, n_labels=1, names=None):
    """Cells of some hours of some days; one hour of each site was not listened to."""
    rng = np.random.default_rng(n_days)
    cells = {}
    for site in range(n_sites):
        name = names[site % len(names)] + str(site) * (site >= len(names)) if names else f"S{site}"
        for day in range(n_days):
            for hour in HOURS:
                calls = rng.poisson(3 + site, n_labels).tolist()
                tally = Tally(1_800_000_000, 30, calls, [0] * n_labels, [0] * n_labels)
                cells[(name, FIRST + timedelta(days=day), hour)] = tally
        del cells[(name, FIRST, HOURS[-1])]
    return cells


def labels_of(n):
    return [f"species {number}" if number % 3 else f"a <b>$label$ {number}" for number in range(n)]


def check_room(figure):
    """Each text is inside of the figure, and no two stand in one place."""
    figure.canvas.draw()
    texts = [one for one in figure.findobj(Text) if one.get_visible() and one.get_text().strip()]
    boxes = [(one.get_text(), one.get_window_extent()) for one in texts]
    whole = figure.bbox
    for text, box in boxes:
        assert box.x0 >= -TOUCH_PX, text
        assert box.x1 <= whole.x1 + TOUCH_PX, text
        assert box.y0 >= -TOUCH_PX, text
        assert box.y1 <= whole.y1 + TOUCH_PX, text
    for (text, one), (other, two) in combinations(boxes, 2):
        across = min(one.x1, two.x1) - max(one.x0, two.x0)
        upwards = min(one.y1, two.y1) - max(one.y0, two.y0)
        assert min(across, upwards) <= TOUCH_PX, (text, other)
    return len(boxes)


@pytest.mark.parametrize("names", [None, ODD])
@pytest.mark.parametrize(
    ("n_days", "n_sites", "n_labels"),
    [(1, 1, 1), (9, 2, 1), (40, 12, 3), (400, 3, 12), (3000, 1, 2)],
)
def test_nothing_overlaps_and_nothing_is_cut_off(n_days, n_sites, n_labels, names):
    cells, labels = season(n_days, n_sites, n_labels, names), labels_of(n_labels)
    dated = DatedSeason.of(cells, labels)
    for chart in (
        calls_by_day(dated, dated.busiest, is_named=True),
        heat_maps(dated, dated.busiest, is_named=True),
    ):
        with chart.titled() as figure:
            assert check_room(figure) > 5
    charts = season_charts(cells, labels)
    for chart in (charts.by_day, charts.by_hour, *charts.maps[:2]):
        with chart.untitled("a") as figure:
            assert check_room(figure) > 5


@pytest.mark.parametrize("spread", [0.5, 0.01, 0.0001])
@pytest.mark.parametrize("n_sites", [1, 2, 12, 80])
def test_names_on_a_map_have_room(n_sites, spread):
    rng = np.random.default_rng(n_sites)
    places = rng.normal(0, spread, (n_sites, 2)) + (-3.25, -60.04)
    sites = [PlacedSite(f"Site {n}", *place, n, 1.0) for n, place in enumerate(places)]
    with site_map(sites).untitled("a") as figure:
        check_room(figure)
        drawn = {one.get_text().split("  ")[0] for one in figure.axes[0].texts}
    assert len(drawn & {one.name for one in sites}) >= min(n_sites, 3)


def test_few_days_fill_the_width_and_bars_stay_under_the_top():
    for n_days in (1, 3):
        dated = DatedSeason.of(season(n_days), ["a"])
        with calls_by_day(dated, dated.sites, is_named=True).titled() as figure:
            for axes in figure.axes[-2:]:
                box = axes.patches[0].get_path().get_extents()
                assert axes.get_xlim() == (0, n_days)
                assert box.width == pytest.approx(n_days, abs=0.2)
                assert axes.get_ylim()[1] > box.y1


def test_a_day_and_an_hour_are_named_in_the_middle_of_their_columns():
    charts = season_charts(season(5), ["a"])
    firsts = {"by_day": "20 Nov", "by_hour": "0:00", "maps": "20 Nov"}
    for name, first in firsts.items():
        chart = charts.maps[0] if name == "maps" else getattr(charts, name)
        with chart.untitled("a") as figure:
            axes = figure.axes[-1]
            assert axes.get_xticks()[0] == 0.5
            assert axes.get_xticklabels()[0].get_text() == first
    with charts.maps[0].untitled("a") as figure:
        assert figure.axes[0].get_yticks()[0] == 0.5


def test_bars_are_as_high_as_the_calls_of_each_label():
    cells = season(3, n_labels=2)
    dated = DatedSeason.of(cells, ["a", "b"])
    sums = np.zeros((2, 3), int)
    for (_, day, _), tally in cells.items():
        sums[:, (day - FIRST).days] += tally.calls
    with calls_by_day(dated, dated.sites).untitled("a") as figure:
        lower, upper = figure.axes[0].patches
    tops = [one.get_path().vertices.reshape(3, 5, 2)[:, 1, 1] for one in (lower, upper)]
    assert tops[0].tolist() == sums[0].tolist()
    assert (tops[1] - tops[0]).tolist() == sums[1].tolist()
    assert [one.get_facecolor() for one in (lower, upper)] == [
        pytest.approx((*(int(label_colour(n)[at : at + 2], 16) / 255 for at in (1, 3, 5)), 1.0))
        for n in (0, 1)
    ]


def test_of_many_sites_those_with_most_calls_are_drawn_and_it_is_said():
    cells = season(1, n_sites=MAX_SITES + 3)
    dated = DatedSeason.of(cells, ["a"])
    charts = season_charts(cells, ["a"])
    assert len(charts.maps) == MAX_SITES + 1
    assert charts.n_sites == MAX_SITES + 3
    assert (
        f"the {MAX_SITES} sites with most calls"
        in calls_by_day(dated, dated.busiest, is_named=True).title
    )
    assert "S0" not in {one.name for one in dated.busiest}


def test_a_call_in_a_second_does_not_set_the_scale():
    cells = season(2)
    cells[("S0", FIRST, 23)] = Tally(1_000_000, 0, [1], [0], [1])
    charts = season_charts(cells, ["a"])
    assert charts.scale.endswith(" or more")
    assert float(charts.scale.split()[0]) < 100


def test_one_site_alone():
    cells = season(3, n_sites=2)
    charts = season_charts(cells, ["a"], site="S1")
    assert [one.title for one in charts.maps] == ["S1"]
    assert season_charts(cells, ["a"], site="gone") is None
    assert season_charts({("S0", None, None): Tally.empty(1)}, ["a"]) is None


class TestSvg:
    @pytest.fixture(scope="class")
    @staticmethod
    def page():
        """All charts of a page, by name."""
        charts = season_charts(season(30, 3, 2, ODD), labels_of(2))
        sites = [PlacedSite(name, 60 + n / 10, 10.0, n, 1.0) for n, name in enumerate(ODD)]
        part = Corrected(10, 11, 9, 14, 5, 50, False)
        estimate = LeftEstimate("a", "site", part, dict.fromkeys(ODD, part), ())
        made = [charts.by_day, charts.by_hour, *charts.maps, site_map(sites)]
        made += [
            estimate_chart(estimate),
            score_chart("a", np.array([0.7, 0.9]), threshold=0.5, colour="#009E73"),
        ]
        return {f"chart-{number}": chart for number, chart in enumerate(made)}

    def test_it_is_the_same_each_time_and_small(self, page):
        for name, chart in page.items():
            made = chart.svg(name)
            assert made == chart.svg(name)
            assert len(made) < 25_000

    def test_names_in_it_are_of_one_chart_alone(self, page):
        names = [re.findall(r'\bid="([^"]+)"', chart.svg(name)) for name, chart in page.items()]
        every = [one for some in names for one in some]
        assert len(every) == len(set(every)) > 0

    def test_nothing_in_it_runs_or_is_fetched_and_no_style_reaches_the_page(self, page):
        for name, chart in page.items():
            made = chart.svg(name)
            assert "http" not in made
            tags = {one.tag for one in ElementTree.fromstring(made).iter()}
            assert tags <= {
                "svg",
                "g",
                "path",
                "text",
                "defs",
                "clipPath",
                "rect",
                "use",
                "image",
                "tspan",
            }
            links = re.findall(r'href="([^"]*)"', made)
            assert all(one.startswith(("#", "data:image/png;base64,")) for one in links)
            assert " style=" not in made

    def test_it_follows_light_and_dark(self, page):
        for name, chart in page.items():
            made = chart.svg(name)
            assert INK not in made
            assert "currentColor" in made
            assert not re.search(r'"#(000000|ffffff)"', made.replace('stroke="#ffffff"', ""))

    def test_text_is_text_and_names_are_escaped(self, page):
        made = ElementTree.fromstring(page["chart-3"].svg("x"))
        assert "Bog <b>" in made.get("aria-label")
        root = ElementTree.fromstring(page["chart-0"].svg("x"))
        texts = {one.text for one in root.iter("text")}
        assert {"calls", "hours listened", "20 Nov"} <= texts

    def test_a_hole_of_a_heat_map_is_an_hour_that_was_not_listened_to(self, page):
        assert page["chart-2"].svg("x").count("<image") == 1


class TestMap:
    SITES = (
        PlacedSite("Ridge", -3.2511, -60.0423, 137, 0.6),
        PlacedSite("Valley", -3.2602, -60.0375, 208, 0.6),
    )

    def test_a_kilometre_is_one_both_ways_and_the_bar_is_as_long_as_it_says(self):
        with site_map(self.SITES).untitled("a") as figure:
            axes = figure.axes[0]
            box = axes.get_window_extent()
            spans = [np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())]
            [bar] = [line for line in axes.lines if line.get_linewidth() == 3]
            [length] = [one.get_text() for one in axes.texts if one.get_text().endswith("m")]
        narrowed = math.cos(math.radians(np.mean([one.latitude for one in self.SITES])))
        assert box.width == pytest.approx(box.height)
        assert spans[0] * narrowed == pytest.approx(spans[1])
        length_km = np.ptp(bar.get_xdata()) * spans[0] * narrowed * 111.32
        number, unit = length.split()
        assert length_km * (1 if unit == "km" else 1000) == pytest.approx(float(number))

    def test_one_site_alone_has_a_map(self):
        with site_map(self.SITES[:1]).untitled("a") as figure:
            low, high = figure.axes[0].get_xlim()
        assert low < -60.0423 < high


def test_a_saved_chart_is_known_as_our_own(tmp_path):
    dated = DatedSeason.of(season(2), ["a"])
    path = tmp_path / "calls_by_day.png"
    calls_by_day(dated, dated.sites, is_named=True).save(path)
    assert is_own_png(path)
    path.rename(tmp_path / "other.png")
    assert not is_own_png(tmp_path / "other.png")
