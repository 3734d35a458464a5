"""Corrected counts that ``callcount estimate`` left, for a report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counter.errors import CallcountError
from counter.output.own import MADE_BY
from counter.output.reading import Results
from counter.output.sampletable import PLAN, TABLE, read_plan
from counter.records import FAILED

FILE = "estimate.json"


@dataclass(frozen=True)
class Corrected:
    """A corrected count with its 95 % interval.

    Attributes
    ----------
    counted : float
        What the model counted there.
    calls, low, high : float
        The corrected count and its interval.
    n_checked, n_stretches : int
        Stretches that a person checked, of how many.
    is_too_wide : bool
        Whether the interval is wider than the count.
    """

    counted: float
    calls: float
    low: float
    high: float
    n_checked: int
    n_stretches: int
    is_too_wide: bool

    @property
    def text(self) -> str:
        """``71 (68 to 75)``."""
        return f"{self.calls:.0f} ({self.low:.0f} to {self.high:.0f})"


@dataclass(frozen=True)
class LeftEstimate:
    """What one run of ``callcount estimate`` left.

    Attributes
    ----------
    label, by : str
        What was counted, and what the parts are.
    overall : Corrected
        Over all strata of which anything was checked.
    parts : mapping of str to Corrected or None
        Of each stratum; None where too little was checked.
    left_out : tuple of str
        Strata that are not in ``overall``.
    """

    label: str
    by: str
    overall: Corrected
    parts: Mapping[str, Corrected | None]
    left_out: tuple[str, ...]


def find_estimates(results: Results) -> list[Path]:
    """Estimates in folders beside the results that are of this very scan: the newest of a label."""
    folder = results.files.folder
    near = {*folder.glob(f"*/{FILE}"), *results.files.results.parent.glob(f"*/{FILE}")}
    near |= {folder / FILE} if (folder / FILE).is_file() else set()
    found: dict[str, Path] = {}
    for path in sorted(near, key=lambda one: (one.stat().st_mtime_ns, one)):
        if (label := _label_of(results, path)) is not None:
            found[label] = path
    return list(found.values())


def _label_of(results: Results, path: Path) -> str | None:
    """What an estimate is about, if its sample was drawn from these results; else None."""
    if not (path.parent / PLAN).is_file():
        return None
    try:
        plan, one = read_plan(path.parent / TABLE), _read(path)
    except CallcountError:
        return None
    heard = {row.name for row in results.recordings if row.status != FAILED and row.scanned_s > 0}
    is_of = plan.bundle_hash == results.facts.bundle["hash"] and set(plan.stratum_of) == heard
    if not is_of or one.label not in results.labels:
        return None
    n_calls = _n_calls(results, one.label)
    # with other event rules the same recordings hold other counts
    is_same = one.overall.counted <= n_calls if one.left_out else one.overall.counted == n_calls
    return one.label if is_same else None


def read_estimates(results: Results, paths: Iterable[Path]) -> tuple[LeftEstimate, ...]:
    """Read estimates, one a label at most.

    Raises
    ------
    CallcountError
        A file is no estimate of callcount's, or is about another label or more calls than were
        counted; or two are about one label.
    """
    found: dict[str, LeftEstimate] = {}
    for path in paths:
        one = _read(path.with_suffix(".json"))
        if one.label not in results.labels:
            known = ", ".join(results.labels)
            raise CallcountError(f"{path} is about {one.label!r}; the results hold only: {known}.")
        if one.overall.counted > _n_calls(results, one.label):
            raise CallcountError(
                f"{path} is of another scan: it holds {one.overall.counted:.0f} calls of "
                f"{one.label}, the results only {_n_calls(results, one.label)}.",
                "Name the estimate that was made from these results.",
            )
        if one.label in found:
            raise CallcountError(
                f"there are two estimates of {one.label}, the second is {path}.",
                "Name the one to show with --estimate.",
            )
        found[one.label] = one
    return tuple(found.values())


def _n_calls(results: Results, label: str) -> int:
    return int((results.events.label == results.labels.index(label)).sum())


def _read(path: Path) -> LeftEstimate:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["made_by"] != MADE_BY:
            raise KeyError("made_by")
        return LeftEstimate(
            label=data["label"],
            by=data["by"],
            overall=_corrected(data["all"]),
            parts={name: one and _corrected(one) for name, one in data["strata"].items()},
            left_out=tuple(data["left_out"]),
        )
    except FileNotFoundError as error:
        raise CallcountError(f"there is no estimate at {path}.", "Check the path.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CallcountError(
            f"{path} is no estimate of callcount's: {error!r}.",
            f"Name the {FILE} or .csv that callcount estimate wrote.",
        ) from error


def _corrected(figures: Mapping[str, Any]) -> Corrected:
    return Corrected(
        counted=float(figures["model_calls"]),
        calls=float(figures["calls"]),
        low=float(figures["low"]),
        high=float(figures["high"]),
        n_checked=int(figures["checked"]),
        n_stretches=int(figures["stretches"]),
        is_too_wide=bool(figures["too_wide"]),
    )
