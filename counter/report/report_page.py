"""HTML page of a report, drawn by a template that escapes all names."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

from counter import __version__
from counter.errors import OutputError
from counter.plots.chart import Chart
from counter.plots.season_plot import SeasonCharts
from counter.report.report_tables import HtmlTable
from counter.storage.atomic import atomic_write, check_writable

if TYPE_CHECKING:
    from jinja2 import Environment

_SHIFT, _LOWEST = 2, 6


def card_html(markdown: str) -> str:
    """HTML of a card, its headings two steps lower; tags in it are text, pictures are left out.

    Parameters
    ----------
    markdown : str
        CommonMark with tables; may come from anybody, since bundles are passed on.
    """
    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
    tokens = reader.parse(markdown)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + _SHIFT, _LOWEST)}"
    html: str = reader.renderer.render(tokens, reader.options, {})
    return html


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
class Counts:
    """What was counted, as a report and the overview of a review show it; parts may be empty.

    Attributes
    ----------
    facts, remarks : tuple
        The figures that come first, and what to know before using them.
    colours : mapping of str to str
        Of each label, in its charts.
    problems, corrected, recordings : HtmlTable
        What failed, corrected counts, and all recordings.
    corrected_charts : tuple of Chart
        Corrected counts with their intervals, a chart a label.
    season : SeasonCharts or None
        Over days and hours; None where no start is known.
    sites : Chart or None
        Map of the sites; None where no place is known.
    sums : tuple of HtmlTable
        By site, day and hour.
    """

    facts: tuple[Fact, ...]
    remarks: tuple[str, ...]
    colours: Mapping[str, str]
    problems: HtmlTable | None
    corrected: HtmlTable | None
    corrected_charts: tuple[Chart, ...]
    season: SeasonCharts | None
    sites: Chart | None
    sums: tuple[HtmlTable, ...]
    recordings: HtmlTable


@dataclass(frozen=True)
class Report:
    """All that a report tells, in the order of the page; empty parts are left out of it."""

    title: str
    subtitle: str
    counts: Counts
    groups: tuple[CardGroup, ...]
    gallery_note: str
    scores: tuple[Chart, ...]
    rules: HtmlTable
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


def page_templates(*folders: Path) -> Environment:
    """Templates of the report and of other folders; all that they are given is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader([*folders, _HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page_asset(name: str) -> str:
    """The style (``report.css``) or the script (``report.js``) of a report."""
    return (_HERE / name).read_text(encoding="utf-8")


def render(report: Report) -> str:
    """The HTML of a report.

    Nothing in it can run or be fetched but what callcount put there: its policy names the one
    script by hash and lets pictures and sounds come from the page itself alone.
    """
    from markupsafe import Markup

    script = page_asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    given: dict[str, Any] = {name: getattr(report, name) for name in Report.__dataclass_fields__}
    return (
        page_templates()
        .get_template("report.html")
        .render(
            given,
            card=Markup(report.card),  # made by card_html, which escapes
            style=Markup(page_asset("report.css")),
            script=Markup(script),
            script_hash=f"sha256-{digest}",
            version=__version__,
        )
    )
