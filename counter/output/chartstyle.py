"""How charts look: their colours and type, and a figure in that style which is saved whole.

matplotlib is imported where it is needed: the command line and the scans do without it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from counter.output.paths import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito 2008 (jfly.uni-koeln.de/color): told apart with any colour vision.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, YELLOW = "#E69F00", "#56B4E9", "#000000", "#F0E442"
# In the order of use; yellow last, it is faint on white.
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, YELLOW)
# Lines and words that are no data: the diagonal, zero, "nothing to show".
GREY = "#666666"
DPI = 100
_STYLE: Any = {
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": f"cycler(color={COLOURS})",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#DDDDDD",
    "legend.edgecolor": "none",
    "legend.framealpha": 0.9,
    "text.parse_math": False,  # a $ in a file name is a $
}


@contextmanager
def figure_for(path: Path, size_in: tuple[float, float]) -> Iterator[Figure]:
    """Give a figure in the shared style; it becomes ``path`` when the block ends well.

    Parameters
    ----------
    path : Path
        PNG to write, replaced where it exists.
    size_in : (float, float)
        Width and height, inches of ``DPI`` pixels.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    # No pyplot, hence no display.
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # other scripts show as boxes
        figure = Figure(figsize=size_in, dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        with atomic_write(path) as partial:
            figure.savefig(partial, format="png", metadata={"Software": None})
