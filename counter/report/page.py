"""A report as one HTML file: what is told, drawn by a template that escapes all names."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counter import __version__
from counter.errors import OutputError
from counter.output.paths import atomic_write, check_writable
from counter.report.calendar import SeasonCharts
from counter.report.charts import Chart
from counter.report.tables import Table

_HERE = Path(__file__).parent
_MARK = '<meta name="generator" content="callcount report'
_HEAD_BYTES = 4096


@dataclass(frozen=True)
class Fact:
    """A figure in large type: value, unit or name, and a remark."""

    value: str
    name: str
    remark: str = ""


@dataclass(frozen=True)
class Card:
    """An event of the gallery; ``left`` and ``width`` are shares of the picture, 0 to 100.

    ``picture`` and ``sound`` are data URIs, empty where there are none: ``missing`` says why.
    """

    title: str
    recording: str
    facts: tuple[str, ...]
    score: str
    picture: str = ""
    sound: str = ""
    missing: str = ""
    seconds: str = ""
    kilohertz: str = ""
    decibels: str = ""
    left: float = 0.0
    width: float = 0.0


@dataclass(frozen=True)
class CardGroup:
    """Events that are shown together."""

    title: str
    note: str
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Report:
    """All that a report tells, in the order of the page; empty parts are left out of it."""

    title: str
    subtitle: str
    facts: tuple[Fact, ...]
    remarks: tuple[str, ...]
    inks: Mapping[str, str]
    problems: Table | None
    corrected: Table | None
    season: SeasonCharts | None
    sums: tuple[Table, ...]
    groups: tuple[CardGroup, ...]
    gallery_note: str
    scores: tuple[Chart, ...]
    recordings: Table
    rules: Table
    card: str
    card_note: str
    details: Mapping[str, Mapping[str, str]]


def check_report_path(path: Path) -> None:
    """Make sure, before the work, that a report can be written there.

    Raises
    ------
    OutputError
        The path is no HTML file, cannot be written, or something that is no report is there.
    """
    if path.suffix.lower() not in (".html", ".htm"):
        raise OutputError(f"-o {path} does not end in .html.", f"Write -o {path}.html.")
    if path.is_dir() or (path.exists() and not is_own_report(path)):
        raise OutputError.clash(path)
    check_writable(path.parent)


def is_own_report(path: Path) -> bool:
    """Whether a file is a report that callcount wrote."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _MARK.encode() in file.read(_HEAD_BYTES)


def write_report(path: Path, report: Report) -> int:
    """Write a report, whole or not at all, and the folder it is in; its size in bytes.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    data = render(report).encode("utf-8", "backslashreplace")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError.unwritable(path, error) from error
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)
    return len(data)


def render(report: Report) -> str:
    """The HTML of a report.

    Nothing in it can run or be fetched but what callcount put there: its policy names the one
    script by hash and lets pictures and sounds come from the page itself alone.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    loader = FileSystemLoader(_HERE)
    page = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (_HERE / "report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    given: dict[str, Any] = {name: getattr(report, name) for name in Report.__dataclass_fields__}
    return page.get_template("report.html").render(
        given,
        card=Markup(report.card),  # made by card.card_html, which escapes
        style=Markup((_HERE / "report.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        version=__version__,
    )
