"""The reliability plot of a calibration."""

from __future__ import annotations

from pathlib import Path

from counter.estimation.calibration import Reliability
from counter.output.paths import atomic_write


def draw_reliability(path: Path, found: Reliability) -> None:
    """Draw share of calls against mean probability, a dot a bin, as PNG.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], "--", color="#777777", label="perfect")
    sizes = [20 + 400 * weight for weight in found.weight]
    axes.scatter(found.mean_probability, found.share_of_calls, sizes, color="#0072b2", alpha=0.8)
    axes.plot(
        found.mean_probability, found.share_of_calls, color="#0072b2", label="events left out"
    )
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    axes.set_xlabel("mean probability in the bin")
    axes.set_ylabel("share of events that are calls")
    axes.set_title(f"Brier {found.brier:.3f}, calibration error {found.error:.3f}")
    axes.legend()
    with atomic_write(path) as temporary:
        figure.savefig(temporary, format="png")
