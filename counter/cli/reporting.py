"""What ``callcount report`` does between its flags and its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.progress import track

from counter.bundle import DEFAULT_FILE, read_bundle
from counter.cli.console import stderr, stdout
from counter.cli.reportplace import report_path
from counter.cli.running import n_threads
from counter.cli.seasons import files_at
from counter.errors import BundleError, CallcountError, ConfigError
from counter.output.reading import Results, read_results
from counter.report.card import card_html
from counter.report.choice import GalleryChoice, Group, choose_events
from counter.report.estimates import find_estimates, read_estimates
from counter.report.material import Material, Model
from counter.report.media import Found, Look, Wanted, cut_events
from counter.report.page import check_report_path, write_report
from counter.report.season import DAY, HOUR, SITE, read_bands, read_places, read_sums
from counter.report.view import make_report

CARD_FILE = "model_card.md"
_LOOK = Look(size=(360, 150), reach=2.0, effort=4)
# Mail and shared folders take this; more is said, since it can be had smaller.
_LARGE_BYTES = 15_000_000


@dataclass(frozen=True)
class ReportOptions:
    """Flags of ``callcount report``; see there."""

    title: str | None = None
    top: int = 24
    random: int = 24
    near: int = 24
    seed: int = 0
    audio: Path | None = None
    estimates: Sequence[Path] = ()
    jobs: int | None = None


def run_report(results_csv: Path, output: Path | None, options: ReportOptions) -> None:
    """Read a scan, cut what is to be seen and heard, write the report and say where it is."""
    results = read_results(results_csv)
    path = output if output is not None else report_path(results.files)
    check_report_path(path)
    if options.audio is not None and not options.audio.is_dir():
        raise CallcountError(f"--audio {options.audio} is no folder.", "Check the path.")
    estimates = read_estimates(results, options.estimates or find_estimates(results))
    choice = GalleryChoice(options.top, options.random, options.near, options.seed)
    groups = choose_events(results, choice)
    material = Material(
        results=results,
        places=read_places(results),
        sums={of: read_sums(results, of) for of in (SITE, DAY, HOUR)},
        estimates=estimates,
        groups=groups,
        cuttings=_cut(results, groups, options),
        model=_model(results),
    )
    n_bytes = write_report(path, make_report(material, options.title))
    _say(path, n_bytes, material.cuttings)


def _cut(results: Results, groups: Sequence[Group], options: ReportOptions) -> Found:
    """The chosen events, each cut once."""
    wanted: dict[str, list[Wanted]] = {}
    table, bands = results.events, read_bands(results)
    for row in sorted({row for group in groups for row in group.rows}):
        number = int(table.recording[row])
        first = int(table.recording.searchsorted(number))
        event = results.events_of(number)[row - first]
        one = Wanted(row, event, *bands[event.label])
        wanted.setdefault(results.recordings[number].name, []).append(one)
    files = files_at(results, options.audio) if wanted or options.audio else {}
    console = stderr()
    cut = cut_events(wanted, files, _LOOK, n_threads=n_threads(options.jobs))
    is_hidden = not console.is_terminal
    found: Found = {}
    for some in track(cut, "cutting events", len(wanted), console=console, disable=is_hidden):
        found.update(some)
    return found


def _model(results: Results) -> Model:
    """The card of the very model that counted; of another one it would tell what is not so."""
    told = results.facts.bundle
    path = Path(told["path"])
    try:
        bundle = read_bundle(path)
    except (BundleError, ConfigError):
        return Model("", f"The model is no longer at {path}, so its card is not shown.")
    if bundle.sha256 != told["hash"]:
        return Model("", f"The model at {path} is another one by now, so its card is not shown.")
    for folder in (path, path.parent if (path.parent / DEFAULT_FILE).is_file() else path):
        if (folder / CARD_FILE).is_file():
            return _read_card(folder / CARD_FILE)
    return Model("", "The model came without a card.")


def _read_card(path: Path) -> Model:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return Model("", f"The model's card cannot be read: {error}.")
    return Model(card_html(text), "")


def _say(path: Path, n_bytes: int, found: Found) -> None:
    n_heard = sum(not isinstance(one, str) for one in found.values())
    stdout().print(
        f"{n_heard} of {len(found)} events to hear, {n_bytes / 1e6:.1f} MB -> {escape(str(path))}"
    )
    if n_bytes > _LARGE_BYTES:
        stderr().print("That is large to hand over; fewer events with --top, --random and --near.")
    if reasons := sorted({one for one in found.values() if isinstance(one, str)}):
        told = f"{len(found) - n_heard} events have no picture and sound: {reasons[0]}"
        stderr().print(told, style="yellow", markup=False)
