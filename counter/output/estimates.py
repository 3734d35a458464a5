"""Corrected counts as a table and as JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from counter.errors import OutputError
from counter.estimation.estimators import Estimate
from counter.estimation.interval import Interval
from counter.output.own import MADE_BY
from counter.output.writing import write_csv, write_json

COLUMNS = (
    "stratum",
    "stretches",
    "checked",
    "share_verified",
    "model_calls",
    "seen_calls",
    "calls",
    "low",
    "high",
    "correction",
    "horvitz_thompson_calls",
    "horvitz_thompson_low",
    "horvitz_thompson_high",
    "too_wide",
    "checks_to_halve",
)
ALL = "all"


@dataclass(frozen=True)
class EstimateReport:
    """What is said of a season.

    Attributes
    ----------
    label : str
        What was counted.
    by : str
        What the parts are.
    n_filled, n_planned : int
        Checks that a person filled in, of how many.
    overall : Estimate
        Over all strata of which anything was checked.
    parts : mapping of str to Estimate or None
        Of each stratum; None where too little was checked.
    left_out : tuple of str
        Strata of the sample without any check; they are not in ``overall``.
    occupied : Interval or None
        Share of stretches that hold a call, 0 to 1 (Navine and others 2024).
    """

    label: str
    by: str
    n_filled: int
    n_planned: int
    overall: Estimate
    parts: Mapping[str, Estimate | None]
    left_out: tuple[str, ...]
    occupied: Interval | None


def check_estimate_path(path: Path) -> None:
    """Make sure that the table and its JSON can be written there.

    Raises
    ------
    OutputError
        The path does not end in ``.csv``, its folder is missing, or something else is there.
    """
    if path.suffix.lower() != ".csv":
        raise OutputError(f"-o {path} does not end in .csv.", f"Write -o {path}.csv.")
    if not path.parent.is_dir():
        raise OutputError(f"{path.parent} is no folder.", "Give another name with -o.")
    if os.path.lexists(path) and not _is_own(path):
        raise OutputError(
            f"{path} exists and is no estimate of callcount's.",
            "Move it away or give another name with -o.",
        )


def _is_own(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        return file.readline().rstrip("\n") == ",".join(COLUMNS)


def write_estimate(path: Path, report: EstimateReport) -> None:
    """Write ``path`` (one row over all, then one a stratum) and the ``.json`` beside it.

    A stratum without an estimate has a row with its name alone. The JSON says besides what was
    counted, how many checks were filled in and the share of stretches that hold a call.

    Raises
    ------
    OutputError
        A file cannot be written.
    """
    parts = [(ALL, report.overall), *report.parts.items()]
    write_csv(path, COLUMNS, (_row(name, part) for name, part in parts))
    data = {
        "made_by": MADE_BY,
        "label": report.label,
        "by": report.by,
        "checks": {"filled_in": report.n_filled, "planned": report.n_planned},
        "left_out": list(report.left_out),
        "all": _figures(report.overall),
        "strata": {name: part and _figures(part) for name, part in report.parts.items()},
        "share_of_stretches_with_calls": report.occupied and asdict(report.occupied),
    }
    write_json(path.with_suffix(".json"), data)


def _row(name: str, part: Estimate | None) -> list[str]:
    figures = _figures(part).values() if part is not None else [None] * (len(COLUMNS) - 1)
    return [name, *map(_cell, figures)]


def _figures(part: Estimate) -> dict[str, Any]:
    values = (
        part.n_stretches,
        part.n_checked,
        part.share_verified,
        part.model_calls,
        part.seen_calls,
        *(part.difference.value, part.difference.low, part.difference.high),
        part.correction,
        *(part.horvitz_thompson.value, part.horvitz_thompson.low, part.horvitz_thompson.high),
        part.is_too_wide,
        part.checks_to_halve,
    )
    return dict(zip(COLUMNS[1:], values, strict=True))


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
