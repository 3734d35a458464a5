"""The reliability plot of a calibration."""

from __future__ import annotations

from pathlib import Path

from counter.estimation.calibration import Reliability
from counter.output.chartstyle import GREY, RIGHT, figure_for


def draw_reliability(path: Path, found: Reliability) -> None:
    """Draw share of calls against mean probability, a dot a bin, as PNG.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    probability, share = found.mean_probability, found.share_of_calls
    with figure_for(path, 7.2) as figure:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=GREY, lw=1, label="perfect")
        sizes = [20 + 400 * weight for weight in found.weight]
        axes.scatter(probability, share, sizes, color=RIGHT, alpha=0.8)
        axes.plot(probability, share, color=RIGHT, label="events left out")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        axes.set_xlabel("mean probability in the bin")
        axes.set_ylabel("share of events that are calls")
        axes.set_title(f"Brier {found.brier:.3f}, calibration error {found.error:.3f}")
        axes.legend()
