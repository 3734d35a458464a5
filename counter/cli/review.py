"""``callcount review``: events to see, hear and answer on a page of this machine."""

from __future__ import annotations

import getpass
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from counter.cli.console import stderr, stdout, tracked
from counter.cli.options import spreadsheet_option
from counter.errors import CallcountError
from counter.estimation import sample_table
from counter.estimation.stretches import files_at
from counter.mining import mine_table
from counter.review.answer_tables import ANSWERS, AnswerExport, Reviewed, export_answers
from counter.review.answers import Store, agreements
from counter.review.item_media import ItemCutter, ReadyMedia
from counter.review.pages import review_app
from counter.review.questions import CLIP, EVENT, Items, clip_items, event_items, stretch_items
from counter.review.server import LOOPBACK, listen, serve, url_of
from counter.review.session import MOST_LETTERS, ReviewTask
from counter.tables.results import Results, read_results


@click.command()
@click.argument("results", type=click.Path(path_type=Path))
@click.option(
    "--sample",
    type=click.Path(path_type=Path),
    metavar="SAMPLE.csv",
    help="Ask for the number of calls in the stretches that `callcount sample` drew, instead of "
    "about events.",
)
@click.option(
    "--mined",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Ask about the clips that `callcount mine` picked, instead of about events.",
)
@click.option(
    "--reviewer",
    help="Who answers; with --export, whose answers count. [default: the user's name; with "
    "--export, the newest answer of anybody]",
)
@click.option(
    "--audio",
    type=click.Path(path_type=Path),
    help="Folder that the recordings are in now. [default: where they were scanned]",
)
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    help="Address of this machine to serve at. Any but 127.0.0.1 needs --token.",
)
@click.option(
    "--token",
    envvar="CALLCOUNT_TOKEN",
    help="What every visitor has to give first; it is sent as it is, so use a network that you "
    "trust. [default: the environment's CALLCOUNT_TOKEN]",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port to serve at. [default: first free one from 8501 on]",
)
@click.option("--browser/--no-browser", default=True, help="Open a browser. [default: open it]")
@click.option("--compare", is_flag=True, help="Print how far reviewers agree, and serve nothing.")
@click.option(
    "--export",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write the answers to a new folder, for other commands and Raven, and serve nothing.",
)
@spreadsheet_option
def review(results: Path, **options: Any) -> None:
    """Serve a page on this machine to see, hear and answer the events of the scan RESULTS.

    One key each: Y yes, N no, U unsure, O other label, B back; digits for the number of calls in a
    stretch of a sample. Each answer is stored at once in review.sqlite in the folder of RESULTS,
    with who gave it and when. Ctrl-C ends the page; started again, it goes on where it was.
    """
    run_review(results, ReviewOptions(**options))


@dataclass(frozen=True)
class ReviewOptions:
    """Flags of ``callcount review``; see there."""

    sample: Path | None
    mined: Path | None
    reviewer: str | None
    audio: Path | None
    address: str
    token: str | None
    port: int | None
    browser: bool
    compare: bool
    export: Path | None


def run_review(results_csv: Path, options: ReviewOptions) -> None:
    """Print how far reviewers agree, write what was answered, or serve the pages until Ctrl-C."""
    if options.sample is not None and options.mined is not None:
        raise CallcountError("--sample and --mined cannot be reviewed at once.", "Choose one.")
    results = read_results(results_csv)
    items, labels = _questions(results, options)
    if options.compare:
        _print_agreement(_store(results), items.kind)
    elif options.export is not None:
        reviewed = Reviewed(results, items, _store(results), options.sample or options.mined)
        _export(reviewed, AnswerExport(options.export, options.reviewer, options.audio))
    else:
        _check_extra()
        _check_address(options)
        _serve(results, items, labels, options)


def _export(reviewed: Reviewed, export: AnswerExport) -> None:
    """Write the answers and say what they are for."""
    n_answered, remarks = export_answers(reviewed, export, progress=tracked("cutting clips"))
    for remark in remarks:
        stderr().print(f"Note: {escape(remark)}", soft_wrap=True)
    text = f"{n_answered} of {len(reviewed.items)} answered -> {export.output / ANSWERS}"
    stdout().print(escape(text), soft_wrap=True)


def _questions(results: Results, options: ReviewOptions) -> tuple[Items, tuple[str, ...]]:
    """What is asked, and the labels that a call may be of."""
    if options.sample is not None:
        plan = sample_table.read_plan(options.sample)
        if plan.bundle_hash != results.facts.bundle["hash"]:
            raise CallcountError(
                f"{results.files.results} and {options.sample} are of different bundles.",
                "Name the results that the sample was drawn from.",
            )
        return stretch_items(plan, options.sample.parent, results.origins), (plan.label,)
    if options.mined is not None:
        mined = mine_table.read_plan(options.mined)
        return clip_items(mined, options.mined, results.origins), mined.labels
    return event_items(results), results.labels


def _store(results: Results) -> Store:
    """The answers that are there."""
    path = results.files.review
    if not path.is_file():
        raise CallcountError(
            f"nothing was answered yet: there is no {path}.", "Run callcount review without it."
        )
    return Store(path)


def _print_agreement(store: Store, kind: str) -> None:
    newest = store.newest(kind)
    found = agreements(newest)
    if not found:
        names = ", ".join(sorted({one.reviewer for one in newest})) or "nobody"
        raise CallcountError(
            f"no two reviewers answered the same {kind}; {len(newest)} were answered, by {names}.",
            "Let another person review too, with --reviewer NAME.",
        )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in found[0].cells:
        table.add_column(title, overflow="fold")
    for one in found:
        table.add_row(*(escape(str(cell)) for cell in one.cells.values()))
    stdout().print(table)


def _serve(results: Results, items: Items, labels: tuple[str, ...], options: ReviewOptions) -> None:
    files = files_at(results, options.audio)
    task = ReviewTask(
        items=items,
        media=ReadyMedia(ItemCutter(items, files, results.band_hz)),
        store=Store(results.files.review),
        labels=labels,
        # training takes clips of the labels that the model knows
        is_free=items.kind != CLIP,
        bands=results.band_hz,
        origins=results.origins,
    )
    if items.kind == EVENT:
        _warn_of_missing(results, files)
    reviewer = (options.reviewer or _user())[:MOST_LETTERS]
    title, token = results.files.folder.name, options.token or ""
    app = review_app(title, results, task, reviewer=reviewer, token=token)
    listening = listen(options.address, options.port)
    url = url_of(options.address, listening)
    stderr().print(
        f"{len(items)} to review at {url} (Ctrl-C ends it); answers are stored at once in "
        f"{escape(str(results.files.review))}.",
        soft_wrap=True,
    )
    serve(app, listening, opens=url if options.browser else "")


def _warn_of_missing(results: Results, files: Mapping[str, object]) -> None:
    n_gone = sum(bool(one.calls) and one.name not in files for one in results.recordings)
    if n_gone:
        stderr().print(
            f"{n_gone} recordings with events are no longer where they were scanned, or have "
            "changed: there is nothing to see of them; --audio names where they are now.",
            style="yellow",
            soft_wrap=True,
        )


def _user() -> str:
    """The user's name; in some containers nobody has one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # the last on Windows
        return "reviewer"


def _check_extra() -> None:
    if any(importlib.util.find_spec(name) is None for name in ("starlette", "uvicorn")):
        raise CallcountError(
            "the page of callcount review needs Starlette and uvicorn, which are not installed.",
            "Install it: pip install 'callcount[review]'.",
        )


def _check_address(options: ReviewOptions) -> None:
    if not options.token and options.address not in LOOPBACK:
        raise CallcountError(
            f"--address {options.address} can be reached from other machines.",
            "Give a --token that every visitor needs, or leave --address out.",
        )
