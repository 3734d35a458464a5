"""``callcount mine``: the clips of recordings that are most worth a person's ear."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from rich.markup import escape

from counter.bundle import Bundle, BundleSpec, choose_bundle
from counter.cli.console import (
    ScanProgress,
    number_columns,
    plain_table,
    print_model,
    stderr,
    stdout,
    tracked,
)
from counter.cli.options import (
    ALL_SCANNED,
    INTERRUPTED,
    PATH,
    SOME_FAILED,
    PathOrUrl,
    model_option,
    seed_option,
    spreadsheet_option,
    stopping_on_interrupt,
)
from counter.config import n_threads
from counter.errors import CallcountError
from counter.mining.candidates import Kinds, find_candidates
from counter.mining.mine_table import (
    HOW_TO,
    TABLE,
    MinePlan,
    clip_stem,
    mined_clip,
    mined_cuts,
    write_mined,
)
from counter.mining.selection import CandidatePool, Pick, n_each
from counter.plots.clip_plot import cut_clips
from counter.records import FAILED, FileResult, Recording
from counter.scanning.pool import ScanPool
from counter.scanning.recording import ScanOrder
from counter.storage.atomic import check_new, new_folder
from counter.storage.inputs import find_recordings


@click.command()
@click.argument("paths", metavar="RECORDINGS...", nargs=-1, required=True, type=PathOrUrl())
@model_option("scan")
@click.option(
    "-n",
    "--clips",
    "n_clips",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="How many clips to pick.",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    default=Path("mined"),
    show_default=True,
    help="New folder for the table, the clips and their spectrograms.",
)
@seed_option("Seed of what is drawn by chance; equal seeds pick equal clips.")
@click.option("--jobs", type=click.IntRange(1, 1024), help="Threads. [default: one per core]")
@spreadsheet_option
def mine(
    paths: tuple[str | Path, ...],
    model: Path | None,
    n_clips: int,
    output: Path,
    seed: int,
    jobs: int | None,
) -> int:
    """Pick the clips of RECORDINGS (files, folders, URLs) that a model would learn most from.

    Two fifths are events just above the threshold, two fifths near misses just below it, and a
    fifth events that the model does not doubt but that sound unlike the others; spread over sounds
    and recordings, and never overlapping. Each is cut as FLAC with 3 s on either side and drawn as
    a spectrogram. Fill in the column `label` of mine.csv as HOW_TO.txt says, then run
    `callcount train --reviewed OUTPUT` with the settings of before.

    Exit code: 0 done, 1 some recordings could not be read (they are named), 2 usage or nothing to
    pick from, 130 interrupted (nothing is written).
    """
    check_new(output, "clips")
    recordings = find_recordings(paths, exclude=output)
    bundle, which = choose_bundle(model, Path("artifacts"))
    print_model(bundle, which)
    candidates = CandidatePool(n_clips, seed)
    failed = _listen(recordings, bundle, candidates, jobs)
    if failed is None:
        stderr().print("Interrupted: nothing was picked.")
        return INTERRUPTED
    picks = candidates.choose()
    for result in failed:
        text = f"failed: {result.recording.name}: {result.message}"
        stderr().print(text, style="red", markup=False)
    if not picks:
        raise CallcountError(
            f"nothing to pick from: {len(failed)} of {len(recordings)} recordings could not "
            "be read, and none holds more than a moment of sound.",
            "Name recordings that can be scanned.",
        )
    plan = _plan(picks, bundle, seed, failed)
    with new_folder(output) as made:
        write_mined(made, plan, output=output)
        files = {recording.name: recording.path for recording in recordings}
        cuts = mined_cuts(plan, bundle.spec.high_hz)
        cut_clips(made, cuts, files, progress=tracked("cutting clips"))
    _report(plan, n_clips, output)
    return SOME_FAILED if failed else ALL_SCANNED


def _listen(
    recordings: list[Recording], bundle: Bundle, candidates: CandidatePool, jobs: int | None
) -> list[FileResult] | None:
    """Scan all, and keep their candidates alone; those that failed, or None where interrupted."""
    spec = bundle.spec
    rules = {label: spec.rules[label] for label in spec.labels}
    most = n_each(candidates.n_clips, len(recordings))
    order = ScanOrder(bundle, rules, n_threads(jobs), pictures=True)
    stop = threading.Event()
    found: dict[int, Kinds] = {}
    failed: list[FileResult] = []
    n_added = 0
    with (
        ScanPool(order) as pool,
        stopping_on_interrupt(stop),
        ScanProgress(recordings) as progress,
    ):
        pool.progress = progress.advance
        for number, result in pool.results(recordings, stop):
            found[number] = find_candidates(result, bundle.spec, most)
            while n_added in found:  # in the order of the recordings, come what may
                candidates.add(found.pop(n_added))
                n_added += 1
            if result.status == FAILED:
                failed.append(result)
            progress.finished(result.recording)
    return None if stop.is_set() else failed


def _plan(
    picks: Sequence[Pick], bundle: Bundle, seed: int, failed: Sequence[FileResult]
) -> MinePlan:
    return MinePlan(
        bundle={
            "name": bundle.spec.name,
            "path": os.path.abspath(bundle.path),
            "hash": bundle.sha256,
        },
        labels=bundle.spec.labels,
        count_error=_count_error(bundle.spec),
        seed=seed,
        failed=tuple(result.recording.name for result in failed),
        clips=tuple(
            mined_clip(pick, f"{number:04d}-{clip_stem(pick.candidate.recording)}")
            for number, pick in enumerate(picks, start=1)
        ),
    )


def _count_error(spec: BundleSpec) -> dict[str, float]:
    """Count error of each label on made recordings, where training left word of it."""
    learned_on = spec.provenance.get("rules_learned_on", {})
    return {
        label: float(learned_on[label]["count_error"])
        for label in spec.labels
        if "count_error" in learned_on.get(label, {})
    }


def _report(plan: MinePlan, n_wanted: int, output: Path) -> None:
    console = stdout()
    table = plain_table("candidate", "kind", *number_columns("clips", "recordings", "scores"))
    groups = Counter((one.candidate, one.kind) for one in plan.clips)
    for (label, kind), n_clips in sorted(groups.items()):
        own = [one for one in plan.clips if (one.candidate, one.kind) == (label, kind)]
        scores = f"{min(one.score for one in own):.2f} to {max(one.score for one in own):.2f}"
        n_recordings = len({one.recording for one in own})
        table.add_row(escape(label), kind, str(n_clips), str(n_recordings), scores)
    console.print(table)
    if len(plan.clips) < n_wanted:
        stderr().print(f"No more than {len(plan.clips)} clips that do not overlap were found.")
    console.print(
        f"{len(plan.clips)} clips -> {escape(str(output / TABLE))}: fill in `label` as "
        f"{HOW_TO} says, then run callcount train --reviewed {escape(str(output))}"
    )
