"""Chart: a picture of numbers and the same in words, as PNG of a scan or as SVG in a page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from counter.plots.canvas import Font, fitted, printable, text_width
from counter.plots.layout import round_step
from counter.plots.style import SPECTROGRAM, WIDTH_IN, blank_figure, label_colour
from counter.storage.atomic import atomic_write
from counter.storage.png import png_mark

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Letters and lines: a page has them in the colour of its text, so that they follow light and dark.
INK = "#222222"
EFFORT = "#b9d9ea"
LEFT_IN, RIGHT_IN = 0.72, 0.3
FONT_PT, SMALL_PT = 10, 9
_PAGE_WIDTH_IN = 4.8
_TITLE_PT, _TITLE_IN, _KEYS_IN = 13, 0.42, 0.26
_MEASURE = 20  # pixels of a letter where texts are measured
_STYLE: dict[str, Any] = {
    "font.size": FONT_PT,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.major.pad": 6,
    "xtick.labelsize": SMALL_PT,
    "ytick.labelsize": SMALL_PT,
    "axes.labelsize": SMALL_PT,
    "axes.linewidth": 0.6,
    "grid.color": INK,
    "grid.alpha": 0.15,
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color"), INK),
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "none",
}
# More bars have no room for a line around each, or for gaps; these are of lying and upright ones.
_WITH_LINES, _WITH_GAPS = 60, 200
_GAPS = (0.14, 0.06)
_PLACES = ("d", "x", "y")


@dataclass(frozen=True)
class LegendKey:
    """What a colour stands for."""

    text: str
    colour: str


def label_keys(counts: Mapping[str, int]) -> tuple[LegendKey, ...]:
    """Keys of labels with their counts, in the colours that they have in all pictures."""
    named = enumerate(counts.items())
    return tuple(LegendKey(f"{label} {n:,}", label_colour(place)) for place, (label, n) in named)


@dataclass(frozen=True)
class Sheet:
    """A figure to draw into, in inches from its upper left corner; ``top_in`` is below a title."""

    figure: Figure
    top_in: float

    @property
    def width_in(self) -> float:
        """Width of the figure."""
        return float(self.figure.get_figwidth())

    def panel(self, top_in: float, height_in: float, *, left_in: float = LEFT_IN) -> Axes:
        """Axes as wide as the figure but for its margins; ``top_in`` counts from below a title."""
        return self.box((left_in, top_in), (self.width_in - left_in - RIGHT_IN, height_in))

    def box(self, corner_in: tuple[float, float], size_in: tuple[float, float]) -> Axes:
        """Axes of a size, from their upper left corner."""
        (left_in, top_in), (width_in, height_in) = corner_in, size_in
        whole_in = float(self.figure.get_figheight())
        bottom_in = whole_in - self.top_in - top_in - height_in
        place = (left_in / self.width_in, bottom_in / whole_in)
        return self.figure.add_axes((*place, width_in / self.width_in, height_in / whole_in))

    def fill(
        self, corner_in: tuple[float, float], size_in: tuple[float, float], colour: str
    ) -> None:
        """A box of one colour, from its upper left corner."""
        axes = self.box(corner_in, size_in)
        axes.set(facecolor=colour, xticks=[], yticks=[])
        axes.spines[:].set(visible=True, linewidth=0.4)

    def write(self, place_in: tuple[float, float], text: str, **how: Any) -> None:
        """Write a line whose upper left corner is ``(x, y)``."""
        down_in = self.top_in + place_in[1]
        y = 1 - down_in / float(self.figure.get_figheight())
        self.figure.text(place_in[0] / self.width_in, y, text, **{"va": "top", **how})


@dataclass(frozen=True)
class Chart:
    """A picture of numbers.

    Attributes
    ----------
    title, summary : str
        What it shows, and the same in words for who does not see it.
    height_in : float
        Height without title and keys.
    draw : callable
        Draws it into a ``Sheet``.
    keys : tuple of LegendKey
        What its colours stand for.
    scale : str
        What the brightest shade of its heat maps stands for; empty where there are none.
    """

    title: str
    summary: str
    height_in: float
    draw: Callable[[Sheet], None]
    keys: tuple[LegendKey, ...] = ()
    scale: str = ""

    @contextmanager
    def titled(self) -> Iterator[Figure]:
        """Its figure as a file has it, with title and keys."""
        rows = list(_key_rows(self.keys))
        top_in = _TITLE_IN + _KEYS_IN * max(len(rows), bool(self.scale)) + 0.1
        with blank_figure((WIDTH_IN, top_in + self.height_in), _STYLE) as figure:
            _draw_header(Sheet(figure, 0.0), self, rows)
            self.draw(Sheet(figure, top_in))
            yield figure

    @contextmanager
    def untitled(self, name: str) -> Iterator[Figure]:
        """Its figure as a page has it, under a heading of the page's own."""
        style = {**_STYLE, "svg.hashsalt": name}
        with blank_figure((_PAGE_WIDTH_IN, self.height_in), style) as figure:
            self.draw(Sheet(figure, 0.0))
            yield figure

    def save(self, path: Path) -> None:
        """Write it as PNG, marked as callcount's own.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        with self.titled() as figure, atomic_write(path) as partial:
            mark = {"Software": png_mark(path.name)}
            figure.savefig(partial, format="png", facecolor="white", metadata=mark)

    def svg(self, name: str) -> str:
        """An element for a page: the same each time, see-through, in the page's own letters.

        Parameters
        ----------
        name : str
            Another one for each chart of a page; letters, digits and ``-``.
        """
        data = io.BytesIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with self.untitled(name) as figure:
            figure.savefig(data, format="svg", metadata=nothing)
        root = _plain(ElementTree.fromstring(data.getvalue()))
        root.set("role", "img")
        root.set("aria-label", printable(f"{self.title}. {self.summary}"))
        root.set("class", "chart")
        return ElementTree.tostring(root, encoding="unicode")


def _key_rows(keys: Sequence[LegendKey]) -> Iterator[list[tuple[float, LegendKey]]]:
    """Keys with their places from the left, inches, a list a row."""
    row: list[tuple[float, LegendKey]] = []
    at_in = 0.1
    for key in keys:
        text = in_room(key.text, FONT_PT, WIDTH_IN / 2)
        width_in = 0.45 + measured_in(text, FONT_PT)
        if row and at_in + width_in > WIDTH_IN:
            yield row
            row, at_in = [], 0.1
        row.append((at_in, LegendKey(text, key.colour)))
        at_in += width_in
    if row:
        yield row


def _draw_header(
    sheet: Sheet, chart: Chart, rows: Sequence[Sequence[tuple[float, LegendKey]]]
) -> None:
    title = in_room(chart.title, _TITLE_PT, sheet.width_in - 0.2, bold=True)
    sheet.write((0.1, 0.1), title, fontsize=_TITLE_PT, fontweight="bold")
    for number, row in enumerate(rows):
        top_in = _TITLE_IN + number * _KEYS_IN
        for left_in, key in row:
            sheet.fill((left_in, top_in + 0.01), (0.14, 0.14), key.colour)
            sheet.write((left_in + 0.21, top_in), key.text)
    if chart.scale:
        text = f"{chart.scale} calls per hour"
        left_in = sheet.width_in - 1.35 - measured_in(text, FONT_PT)
        bar = sheet.box((left_in, _TITLE_IN + 0.02), (1.0, 0.14))
        bar.imshow(np.linspace(0, 1, 64)[None], aspect="auto", cmap=SPECTROGRAM)
        bar.set_axis_off()
        sheet.write((left_in - 0.16, _TITLE_IN), "0")
        sheet.write((left_in + 1.08, _TITLE_IN), text)


def _plain(root: ElementTree.Element) -> ElementTree.Element:
    """matplotlib's SVG as a part of a page: without namespaces, styles and ids that nobody uses."""
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag.endswith(("}style", "}metadata")):
                parent.remove(child)
    used = {name for one in root.iter() for value in one.attrib.values() for name in _NAMED(value)}
    for one in root.iter():
        one.tag = one.tag.rpartition("}")[2]
        given = {key.rpartition("}")[2]: value for key, value in one.attrib.items()}
        given |= dict(_styles(given.pop("style", "")))
        if given.get("id") not in used:
            given.pop("id", None)
        one.attrib.clear()
        one.attrib.update({key: _rounded(key, value) for key, value in given.items()})
        one.text, one.tail = (one.text, None) if one.tag == "text" else (None, None)
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.attrib |= {"stroke-linejoin": "round", "fill": "currentColor"}
    return root


_NAMED = re.compile(r"(?:^|url\()#([\w.-]+)").findall
_LONG = re.compile(r"(\.\d\d)\d+")
_STILL = re.compile(r" ?rotate\(-?0 [^)]*\)")


def _styles(text: str) -> Iterator[tuple[str, str]]:
    """A style as attributes, which no policy of a page forbids; the font is the page's."""
    for part in text.split(";"):
        name, _, value = (piece.strip() for piece in part.partition(":"))
        if name == "font" and (size := re.search(r"[\d.]+px", value)):
            yield "font-size", size.group()
            if "bold" in value:
                yield "font-weight", "bold"
        elif name and name != "font-family" and value != "crisp-edges":
            yield name, value


def _rounded(name: str, value: str) -> str:
    value = _STILL.sub("", value) if name == "transform" else value
    value = _LONG.sub(r"\1", value).replace("\n", "") if name in _PLACES else value
    return "currentColor" if value.lower() == INK else value


def in_room(text: str, size_pt: float, room_in: float, *, bold: bool = False) -> str:
    """``text`` with its middle left out until it fits; what cannot be printed becomes a sign."""
    return fitted(text, Font(_MEASURE, bold), int(room_in * 72 / size_pt * _MEASURE))


def measured_in(text: str, size_pt: float, *, bold: bool = False) -> float:
    """Inches that a line takes across."""
    return text_width(text, Font(_MEASURE, bold)) / _MEASURE * size_pt / 72


def draw_bars(
    axes: Axes, parts: NDArray[Any], colours: Sequence[str], *, is_upright: bool = True
) -> None:
    """Bars of stacked parts from 0, each one wide, the first from 0 to 1; limits are left alone.

    Parameters
    ----------
    axes : Axes
        Drawn into.
    parts : array of shape (n_parts, n_bars)
        Values >= 0; NaN is as 0.
    colours : sequence of str
        Of each part.
    is_upright : bool
        Else they lie, from the left.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    starts = np.arange(parts.shape[1])
    gap = _GAPS[is_upright] if len(starts) <= _WITH_GAPS else 0.0
    line = {"edgecolor": INK, "linewidth": 0.4} if is_upright and len(starts) <= _WITH_LINES else {}
    tops = np.cumsum(np.nan_to_num(parts), axis=0)
    for low, high, colour in zip(np.vstack([0 * tops[:1], tops]), tops, colours, strict=False):
        some = high > low
        left, right, low, high = starts[some] + gap, starts[some] + 1 - gap, low[some], high[some]
        corners = [(left, low), (left, high), (right, high), (right, low), (left, low)]
        places = np.array(corners).transpose(2, 0, 1)[..., :: 1 if is_upright else -1]
        steps = [Outline.MOVETO, *[Outline.LINETO] * 3, Outline.CLOSEPOLY]
        outline = Outline(places.reshape(-1, 2), np.tile(steps, len(left)))
        # one shape a part, and no search for limits: of thousands of bars that takes minutes
        axes.add_artist(PathPatch(outline, **{"facecolor": colour, "linewidth": 0, **line}))


def set_value_axis(axes: Axes, most: float, *, is_whole: bool = False, n_steps: int = 4) -> None:
    """Round values on the upright axis, from 0 to a little more than ``most``, > 0."""
    step = round_step(most, n_steps)
    step = max(1.0, step) if is_whole else step if step <= most else step / 2
    values = np.arange(int(most / step + 1e-9) + 1) * step
    axes.set_yticks(values, [f"{value:,.10g}" for value in values])
    axes.set_ylim(0, most * 1.04)
    axes.grid(False, axis="x")


def short(value: float) -> str:
    """A figure with three digits or all that stand before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
