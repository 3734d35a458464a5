"""Style of charts: what has which colour, their type, and a figure that is saved whole."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from counter.storage.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito 2008 (jfly.uni-koeln.de/color): told apart with any colour vision.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, YELLOW = "#E69F00", "#56B4E9", "#000000", "#F0E442"
# Lines and words that are no data: the diagonal, zero, "nothing to show", and what was before.
GREY = "#666666"
# The same things have the same colours in all pictures: calls and events that agree, that do not,
# that share a partner; what was chosen; clips that were learned from, and those that judge.
RIGHT, WRONG, SHARED = BLUE, VERMILION, ORANGE
CHOSEN = GREEN
TRAINING, VALIDATION = BLACK, PURPLE
# Labels, in the order in which they stand out from a spectrogram and from white.
LABELS = (SKY, ORANGE, GREEN, PURPLE, YELLOW, BLUE, VERMILION)
# Perceptually uniform; the pictures of scans have it as counter.plots.canvas.palette.
SPECTROGRAM: Final = "magma"
DPI = 150
WIDTH_IN = 8.0  # at 800 pixels wide, letters are then 15 pixels high
_STYLE: Any = {
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": f"cycler(color={LABELS})",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#DDDDDD",
    "image.cmap": SPECTROGRAM,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.9,
    "text.parse_math": False,  # a $ in a file name is a $
}
_DRAWN_ALONE = threading.RLock()


def label_colour(number: int) -> str:
    """Colour of a label, counted from 0; after the last colour the first comes again."""
    return LABELS[number % len(LABELS)]


def label_colours(labels: Sequence[str]) -> dict[str, str]:
    """Colour of each label."""
    return {label: label_colour(number) for number, label in enumerate(labels)}


@contextmanager
def blank_figure(
    size_in: tuple[float, float], more: dict[Any, Any], **how: Any
) -> Iterator[Figure]:
    """Give an empty figure in the shared style; other threads wait, since matplotlib has one style.

    Parameters
    ----------
    size_in : (float, float)
        Width and height, inches of ``DPI`` pixels.
    more : dict
        matplotlib's settings beside those of the shared style.
    **how
        Of the figure, such as its layout.
    """
    # No pyplot, hence no display.
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with _DRAWN_ALONE, rc_context({**_STYLE, **more}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # other scripts show as boxes
        figure = Figure(figsize=size_in, dpi=DPI, **how)
        FigureCanvasAgg(figure)
        yield figure


@contextmanager
def figure_for(path: Path, height_in: float) -> Iterator[Figure]:
    """Give a figure in the shared style; it becomes ``path`` when the block ends well.

    Parameters
    ----------
    path : Path
        PNG to write, replaced where it exists; ``WIDTH_IN * DPI`` pixels wide.
    height_in : float
        Height, inches of ``DPI`` pixels.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    with blank_figure((WIDTH_IN, height_in), {}, layout="constrained") as figure:
        yield figure
        with atomic_write(path) as partial:
            figure.savefig(partial, format="png", metadata={"Software": None})
