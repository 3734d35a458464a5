"""From verified events to a bundle that gives probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape

from counter.bundle import SPEC_FILE
from counter.cli.console import stdout
from counter.cli.rebundling import NewBundle
from counter.errors import CallcountError
from counter.estimation.calibration import Calibration, Reliability, cross_fitted, fit, reliability
from counter.estimation.estimators import Checks
from counter.estimation.units import Floats, Ints, Stretches, stretch_of
from counter.output.names import plot_names
from counter.output.reading import Results


@dataclass(frozen=True)
class Verified:
    """Events of which it is known whether they are calls; arrays of shape (n_events,).

    Attributes
    ----------
    score : array of float
        0 to 1.
    is_call : array of bool
        What each was found to be.
    weight : array of float
        How many events each stands for, > 0.
    group : array of int
        Events of one group, as those of one recording, are never fitted and tested on at once.
    """

    score: Floats
    is_call: NDArray[np.bool_]
    weight: Floats
    group: Ints


@dataclass(frozen=True)
class Calibrated:
    """Probabilities of one label.

    Attributes
    ----------
    calibration : Calibration
        Fitted on all verified events.
    tested : Reliability
        Of events left out of the fit.
    n_events, n_calls : int
        How many were verified, and were calls.
    """

    calibration: Calibration
    tested: Reliability
    n_events: int
    n_calls: int

    def told(self, source: str) -> dict[str, Any]:
        """Provenance; ``source`` says where it is known from what is a call."""
        return {
            "method": self.calibration.method,
            "verified_by": source,
            "events": self.n_events,
            "calls": self.n_calls,
            "brier": self.tested.brier,
            "expected_calibration_error": self.tested.error,
        }

    def text(self, label: str) -> str:
        """One line for the terminal."""
        return (
            f"Calibrated ({self.calibration.method}) on {self.n_events} verified events, "
            f"{self.n_calls} of them calls ({label}); on events left out of the fit: Brier score "
            f"{self.tested.brier:.3f}, calibration error {self.tested.error:.3f}"
        )


def calibrate(events: Verified) -> Calibrated:
    """Fit probabilities, and test them on events left out of the fit.

    Raises
    ------
    CallcountError
        The events are all calls or all not.
    """
    fitted = fit(events.score, events.is_call, events.weight)
    chance = cross_fitted(events.score, events.is_call, events.weight, events.group)
    tested = reliability(chance, events.is_call, events.weight)
    return Calibrated(fitted, tested, len(events.score), int(events.is_call.sum()))


def calibrate_each(
    events: Mapping[str, Verified],
) -> tuple[dict[str, Calibrated], dict[str, CallcountError]]:
    """Fit probabilities of each label; and why there are none, where there are none."""
    found: dict[str, Calibrated] = {}
    refused: dict[str, CallcountError] = {}
    for label, own in events.items():
        try:
            found[label] = calibrate(own)
        except CallcountError as error:
            refused[label] = error
    return found, refused


def write_calibrated(new: NewBundle, calibrated: Mapping[str, Calibrated], source: str) -> None:
    """Write a copy of a bundle that also gives probabilities, and say so.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    old = new.old
    told = {label: one.told(source) for label, one in calibrated.items()}
    provenance = old.spec.provenance
    before = provenance.get("calibration", {}) if old.spec.calibration else {}
    changes = {
        "calibration": {
            **{label: one.model_dump() for label, one in old.spec.calibration.items()},
            **{label: asdict(one.calibration) for label, one in calibrated.items()},
        },
        "provenance": {
            **provenance,
            "calibrated_from": old.sha256,
            "calibration": {**before, **told},
        },
    }
    kept = [path.name for path in old.path.iterdir() if path.is_file() and path.name != SPEC_FILE]
    with new.written(changes, kept) as folder:
        draw_reliabilities(folder, calibrated, old.spec.labels)
    for label, one in calibrated.items():
        stdout().print(f"{escape(one.text(label))} -> {escape(str(new.path))}", soft_wrap=True)


def draw_reliabilities(
    folder: Path, calibrated: Mapping[str, Calibrated], labels: Sequence[str]
) -> None:
    """Draw ``reliability.png``, or one for each label where the bundle has several."""
    from counter.output.reliability import draw_reliability

    names = plot_names(labels)
    for label, one in calibrated.items():
        name = "reliability.png" if len(labels) == 1 else f"reliability-{names[label]}"
        draw_reliability(folder / name, one.tested)


def checked_events(results: Results, label: str, stretches: Stretches, checks: Checks) -> Verified:
    """The events of checked stretches.

    A person counted calls, not events: where fewer were counted than the model found, the ones
    of highest score are taken as the calls.
    """
    first = {name: place for place, name in reversed(list(enumerate(stretches.recording)))}
    number = {one.name: place for place, one in enumerate(results.recordings)}
    held: dict[str, dict[int, list[float]]] = {}
    rows: list[tuple[float, bool, float, int]] = []
    filled = ~np.isnan(checks.true_calls)
    columns = (checks.index[filled], checks.inclusion[filled], checks.true_calls[filled])
    for place, chance, calls in zip(*columns, strict=True):
        name = stretches.recording[place]
        if name not in held:
            held[name] = _scores(results, number[name], label, _edges_s(stretches, first[name]))
        scores = sorted(held[name].get(int(place) - first[name], ()), reverse=True)
        rows += [
            (score, rank < calls, 1 / chance, number[name]) for rank, score in enumerate(scores)
        ]
    score, is_call, weight, group = np.array(rows, np.float64).reshape(-1, 4).T
    return Verified(score, is_call > 0, weight, group.astype(np.int64))


def _edges_s(stretches: Stretches, first: int) -> Floats:
    """Edges of the stretches of the recording whose first one is at a place."""
    n = stretches.recording.count(stretches.recording[first])
    return np.append(stretches.start_s[first : first + n], stretches.end_s[first + n - 1])


def _scores(results: Results, number: int, label: str, edges_s: Floats) -> dict[int, list[float]]:
    """Scores of the events of one label in each stretch of a recording."""
    found: dict[int, list[float]] = {}
    for event in results.events_of(number):
        if event.label == label:
            found.setdefault(stretch_of(event, edges_s), []).append(event.score)
    return found
