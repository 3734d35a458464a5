"""What ``callcount review`` does between its flags and its page."""

from __future__ import annotations

import getpass
import importlib.util
from dataclasses import dataclass
from pathlib import Path

from counter.cli.console import stderr
from counter.cli.seasons import files_at
from counter.errors import CallcountError
from counter.output.reading import read_results
from counter.report.season import read_bands, read_places
from counter.review.cutting import ItemCutter
from counter.review.desk import Bench, Desk
from counter.review.gate import is_loopback
from counter.review.material import Material
from counter.review.queue import EVENT, Items
from counter.review.serve import Place, find_port, serve
from counter.review.shelf import Shelf
from counter.review.sources import event_items
from counter.review.store import Store


@dataclass(frozen=True)
class ReviewOptions:
    """Flags of ``callcount review``; see there."""

    reviewer: str | None
    audio: Path | None
    address: str
    token: str | None
    port: int | None
    browser: bool


def run_review(results_csv: Path, options: ReviewOptions) -> None:
    """Read a scan and serve its pages until Ctrl-C."""
    _check_extra()
    _check_address(options)
    results = read_results(results_csv)
    material = Material(
        results, read_places(results), read_bands(results), files_at(results, options.audio)
    )
    items = _items(material, options)
    bench = Bench(
        items=items,
        shelf=Shelf(ItemCutter(items, material)),
        store=Store(results.files.review),
        labels=results.labels,
        is_free=items.kind == EVENT,
        bands=material.bands,
    )
    desk = Desk(
        title=results.files.folder.name,
        material=material,
        bench=bench,
        reviewer=options.reviewer or getpass.getuser(),
        token=options.token or "",
    )
    port = find_port(options.address, options.port)
    place = Place(options.address, port, options.browser)
    stderr().print(f"Review page at {place.url} (Ctrl-C ends it).")
    serve(desk, place)


def _items(material: Material, options: ReviewOptions) -> Items:
    return event_items(material.results, material.places)


def _check_extra() -> None:
    if importlib.util.find_spec("streamlit") is None:
        raise CallcountError(
            "callcount review needs Streamlit, which is not installed.",
            "Install it: pip install 'callcount[review]'.",
        )


def _check_address(options: ReviewOptions) -> None:
    if not options.token and not is_loopback(options.address):
        raise CallcountError(
            f"--address {options.address} can be reached from other machines.",
            "Give a --token that every visitor needs, or leave --address out.",
        )
