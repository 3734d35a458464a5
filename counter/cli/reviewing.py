"""What ``callcount review`` does between its flags and its page, table or folder."""

from __future__ import annotations

import getpass
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from counter.cli.console import stderr, stdout
from counter.cli.reviewexport import Export, Reviewed, export_review
from counter.cli.seasons import files_at
from counter.errors import CallcountError
from counter.output import minetable, sampletable
from counter.output.reading import Results, read_results
from counter.report.season import Place, read_bands, read_places
from counter.review.agreement import agreements
from counter.review.cutting import ItemCutter
from counter.review.desk import Bench, Desk
from counter.review.gate import LOOPBACK
from counter.review.material import Material
from counter.review.queue import CLIP, EVENT, Items
from counter.review.serve import At, find_port, serve
from counter.review.shelf import Shelf
from counter.review.sources import clip_items, event_items, stretch_items
from counter.review.store import Store
from counter.review.visit import MOST_LETTERS


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
    places = read_places(results)
    items, labels = _questions(results, places, options)
    if options.compare:
        _print_agreement(_store(results), items.kind)
    elif options.export is not None:
        reviewed = Reviewed(results, items, _store(results), options.sample or options.mined)
        export_review(reviewed, Export(options.export, options.reviewer, options.audio))
    else:
        _check_extra()
        _check_address(options)
        files = files_at(results, options.audio)
        material = Material(results, places, read_bands(results), files)
        _serve(material, items, labels, options)


def _questions(
    results: Results, places: dict[str, Place], options: ReviewOptions
) -> tuple[Items, tuple[str, ...]]:
    """What is asked, and the labels that may be heard."""
    if options.sample is not None:
        plan = sampletable.read_plan(options.sample)
        if plan.bundle_hash != results.facts.bundle["hash"]:
            raise CallcountError(
                f"{results.files.results} and {options.sample} are of different bundles.",
                "Name the results that the sample was drawn from.",
            )
        return stretch_items(plan, options.sample.parent, places), (plan.label,)
    if options.mined is not None:
        mined = minetable.read_plan(options.mined)
        return clip_items(mined, options.mined, places), mined.labels
    return event_items(results, places), results.labels


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


def _serve(
    material: Material, items: Items, labels: tuple[str, ...], options: ReviewOptions
) -> None:
    results = material.results
    bench = Bench(
        items=items,
        shelf=Shelf(ItemCutter(items, material)),
        store=Store(results.files.review),
        labels=labels,
        # training takes clips of the labels that the model knows
        is_free=items.kind != CLIP,
        bands=material.bands,
    )
    desk = Desk(
        title=results.files.folder.name,
        material=material,
        bench=bench,
        reviewer=(options.reviewer or _user())[:MOST_LETTERS],
        token=options.token or "",
    )
    if items.kind == EVENT:
        _say_what_is_gone(material)
    place = At(options.address, find_port(options.address, options.port), options.browser)
    stderr().print(
        f"{len(items)} to review at {place.url} (Ctrl-C ends it); answers are stored at once in "
        f"{escape(str(results.files.review))}.",
        soft_wrap=True,
    )
    serve(desk, place)


def _say_what_is_gone(material: Material) -> None:
    recordings = material.results.recordings
    n_gone = sum(bool(one.calls) and one.name not in material.files for one in recordings)
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
    except (KeyError, OSError):
        return "reviewer"


def _check_extra() -> None:
    if importlib.util.find_spec("streamlit") is None:
        raise CallcountError(
            "the page of callcount review needs Streamlit, which is not installed.",
            "Install it: pip install 'callcount[review]'.",
        )


def _check_address(options: ReviewOptions) -> None:
    if not options.token and options.address not in LOOPBACK:
        raise CallcountError(
            f"--address {options.address} can be reached from other machines.",
            "Give a --token that every visitor needs, or leave --address out.",
        )
